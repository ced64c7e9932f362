"use strict";

/**
 * Reads from Teams' own objects in the page who takes part, and who owns each known audio source; sends the result whenever
 * it changes. A fallback for roster messages that were missed or have another form. It changes nothing in the page.
 */
class PageObjects {
  static #PERIOD_MILLISECONDS = 500;
  /** Periods between two reads of the participants; while a source has no known owner, every period reads them. */
  static #READ_EVERY = 4;
  static #MAX_PARTICIPANTS = 1000;
  static #MAX_SOURCES = 1000;
  static #MAX_CHARACTERS = 1000;
  static #HOSTS = /(^|\.)(teams\.microsoft\.(com|us)|teams\.live\.com|teams\.cloud\.microsoft|teams\.microsoft\.com\.mcas\.ms)$/;
  static #DOMINANT = /"history"\s*:\s*\[([\d\s,"]{1,2000})\]/;

  #tap;
  #events;
  #getContributingSources = RTCRtpReceiver.prototype.getContributingSources;
  /** Known sources, with the owner's id once that is known, else "". @type {Map<number, string>} */
  #sources = new Map();
  #periods = 0;
  #last = "[]";
  #failed = "";

  /**
   * @param {Tap} tap
   * @param {PageEvents} events
   */
  constructor(tap, events) {
    this.#tap = tap;
    this.#events = events;
  }

  start() {
    if (!PageObjects.#HOSTS.test(location.hostname)) return;
    window.setInterval(() => this.#look(), PageObjects.#PERIOD_MILLISECONDS);
  }

  /**
   * Adds the sources of dominant speakers: in a call whose packets list no sources, only these messages name them.
   * @param {string} label
   * @param {Uint8Array} message
   */
  hear(label, message) {
    if (label !== "main-channel" || message.length > 10_000) return;
    const history = PageObjects.#DOMINANT.exec(new TextDecoder().decode(message))?.[1] ?? "";
    for (const digits of history.match(/\d+/g) ?? []) this.#addSource(Number(digits));
  }

  #look() {
    try {
      this.#read();
    } catch (error) {
      if (String(error) === this.#failed) return; // The cause is in the page's objects: the same error is reported once.
      this.#failed = String(error);
      this.#events.fault("PageObjects", error);
    }
  }

  #read() {
    const [origin, call] = PageObjects.#call();
    if (!call) return;
    for (const { receiver } of this.#tap.listening) {
      for (const { source } of this.#getContributingSources.call(receiver)) this.#addSource(source);
    }
    if (this.#periods++ % PageObjects.#READ_EVERY && ![...this.#sources.values()].includes("")) return;
    const participants = PageObjects.#list(call.participants).slice(0, PageObjects.#MAX_PARTICIPANTS);
    const described = participants.map((participant) => this.#describe(participant)).filter((each) => each.id);
    const reading = JSON.stringify(described);
    if (reading === this.#last) return;
    this.#last = reading;
    const payload = new TextEncoder().encode(`{"participants":${reading}}`).toBase64();
    this.#events.add("page_objects", { origin, payload });
  }

  /** @param {number} source */
  #addSource(source) {
    if (!this.#sources.has(source) && this.#sources.size < PageObjects.#MAX_SOURCES) this.#sources.set(source, "");
  }

  /** @returns {[string, any]} */
  static #call() {
    const observable = window.callingDebug?.observableCall;
    if (observable) return ["callingDebug.observableCall", observable];
    return ["msteamscalling", window.msteamscalling?.deref?.()?.callingService?.getActiveCall?.()];
  }

  /** @param {any} participant */
  #describe(participant) {
    const id = PageObjects.#text(participant?.id, participant?.mri, participant?.details?.id);
    for (const [source, owner] of this.#sources) {
      if (!owner && id && participant.hasAudioSource?.(source) === true) this.#sources.set(source, id);
    }
    return {
      id,
      name: PageObjects.#text(participant?.displayName, participant?.details?.displayName),
      state: PageObjects.#text(participant?.state),
      role: PageObjects.#text(participant?.meetingRole, participant?.role),
      sources: [...this.#sources].filter(([, owner]) => owner && owner === id).map(([source]) => source),
    };
  }

  /**
   * The first text that is not empty, else "".
   * @param {unknown[]} candidates
   */
  static #text(...candidates) {
    const found = candidates.find((each) => typeof each === "string" && each);
    return typeof found === "string" ? found.slice(0, PageObjects.#MAX_CHARACTERS).toWellFormed() : "";
  }

  /**
   * @param {any} values an array, a Map, or an object that holds them
   * @returns {any[]}
   */
  static #list(values) {
    if (Array.isArray(values)) return values;
    if (values instanceof Map) return [...values.values()];
    return typeof values === "object" && values ? Object.values(values) : [];
  }
}

PLATFORM_PARTS.push(({ tap, events, channels }) => {
  const objects = new PageObjects(tap, events);
  channels.onReceived((label, message) => objects.hear(label, message));
  objects.start();
});
