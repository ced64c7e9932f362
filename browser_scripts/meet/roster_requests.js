"use strict";

/** Forwards the answers that hold Meet's collections. */
PLATFORM_PARTS.push(({ events }) =>
  new RosterRequests(events, (url) => kept.includes(url, "SyncMeetingSpaceCollections")).install(),
);
