/**
 * Finds out who speaks, ten times a second: from the level of each contributing source, which stays in the list for ten seconds
 * with its last one; where the stream has no levels, from how old its entry is.
 */

(() => {
  const EVERY = 100;
  const QUIET = 0.01;
  const OLD = 500;
  /** @type {Set<number>} */
  const speaking = new Set();

  /** @param {number} source @param {boolean} speaks */
  function note(source, speaks) {
    if (speaking.has(source) === speaks) return;
    if (speaks) speaking.add(source);
    else speaking.delete(source);
    window.foreign.speech.push({ source, speaks });
  }

  /** @param {RTCRtpReceiver} receiver */
  function listen(receiver) {
    const now = Math.max(...receiver.getSynchronizationSources().map(({ timestamp }) => timestamp));
    return receiver.getContributingSources().map(({ source, timestamp, audioLevel }) => ({
      source,
      timestamp,
      speaks: audioLevel === undefined || audioLevel === null ? now - timestamp < OLD : audioLevel >= QUIET,
    }));
  }

  setInterval(() => {
    const connections = foreignConnections.filter(({ connectionState }) => connectionState !== "closed");
    const receivers = connections.flatMap((connection) => connection.getReceivers());
    const heard = receivers.filter(({ track }) => track.kind === "audio").flatMap(listen);
    heard.sort((one, other) => one.timestamp - other.timestamp);
    const latest = new Map(heard.map(({ source, speaks }) => [source, speaks]));
    for (const [source, speaks] of latest) note(source, speaks);
  }, EVERY);
})();
