"use strict";

/**
 * Forwards the answers of Teams' conversation service (`…flightproxy…/conv/…`) that list participants: a client that joins late
 * learns of the others only there.
 */
PLATFORM_PARTS.push(({ events }) => {
  const isConversation = (/** @type {string} */ url) => kept.includes(url, "/conv/") && kept.includes(url, "flightproxy");
  const listsPeople = (/** @type {Uint8Array} */ body) => kept.includes(kept.decode(body), '"participants"');
  new RosterRequests(events, isConversation, listsPeople).install();
});
