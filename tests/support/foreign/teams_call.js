/** Reads the call from Teams' own objects, and asks them for captions. */

(() => {
  const EVERY = 100;
  let asked = false;

  /** @param {any} call */
  function read(call) {
    const own = call.callerMri;
    window.foreign.calls.push(call._callId.toString());
    for (const participant of call.participants) {
      const { id, displayName, meetingRole, endpoints } = participant;
      for (const { endpointId, mediaStreams } of endpoints.endpointDetails) {
        if (!endpointId || !meetingRole) throw new Error(`${displayName}: endpoint ${endpointId}, role ${meetingRole}`);
        for (const { type, sourceId } of mediaStreams) {
          if (type !== "audio") continue;
          if (!participant.hasAudioSource(sourceId)) throw new Error(`${displayName}: has no source ${sourceId}`);
          window.foreign.sources[sourceId] = id;
        }
      }
      window.foreign.people[id] = { name: displayName, isSelf: id === own, status: "in" };
    }
    if (asked) return;
    asked = true;
    if (call.getClosedCaptionsLanguage() !== "en-us") call.setClosedCaptionsLanguage("en-us");
    call.startClosedCaption();
  }

  setInterval(() => {
    const call = window.callingDebug?.observableCall;
    if (call) void foreignRead("observableCall", () => read(call));
  }, EVERY);
})();
