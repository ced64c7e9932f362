"use strict";

/** Installs everything, before the document has run any script of its own. */
function start() {
  const binding = window[CONFIG.binding];
  const direct = window[CONFIG.directBinding];
  for (const name of [CONFIG.binding, CONFIG.directBinding]) Reflect.deleteProperty(window, name);
  if (typeof binding !== "function") return;
  const documentNumber = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const link = new WorkerLink(documentNumber, binding, direct, (message) => events.fault("WorkerLink", message));
  new Heartbeat(documentNumber, link.post).start();
  const events = new PageEvents(documentNumber, link.post);
  events.guard("start", () => {
    const tap = new Tap(documentNumber, link, events);
    const channels = new DataChannels(events);
    channels.install();
    const videoTracks = CONFIG.video ? new VideoTracks(tap, events) : undefined;
    new Connections(tap, channels, events, videoTracks).install();
    for (const start of PLATFORM_PARTS) start({ tap, events, channels });
    new Watchdog(tap, events).start();
    const flush = async () => {
      const flushed = [tap.flush(), events.flush()];
      void link.settle();
      await flushed[0];
      await flushed[1];
    };
    // worker/browser/tap.py calls it here: what syntax alone leads to the page can neither replace nor comes across.
    const place = /** @type {object} */ (getPrototypeOf((async function* () {}).prototype));
    defineProperty(place, CONFIG.flush, plain({ value: flush }));
    if (CONFIG.video) defineProperty(place, CONFIG.keyFrames, plain({ value: (/** @type {KeyFramesOf} */ of) => tap.requestKeyFrames(of) }));
    // In pagehide it is too late for the Web Worker to send what it holds, so beforeunload flushes as well.
    for (const name of ["beforeunload", "pagehide"]) kept.addListener(window, name, () => void flush());
    // Most iframes hold no call: their Web Worker starts with their first receiver.
    if (window === window.top && location.protocol !== "about:") tap.start();
  });
}

start();
