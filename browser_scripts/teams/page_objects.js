"use strict";

/**
 * Asks the page's own objects of Teams who takes part, and whose each audio source is that was met; sends the answers whenever
 * they change. A fallback for roster messages that were missed or look different: it reads, and changes nothing.
 */
class PageObjects {
  static #PERIOD_MILLISECONDS = 500;
  /** Who takes part is asked every so many periods; whose a source is, as soon as it is met. */
  static #ROUNDS = 4;
  static #MAX_PARTICIPANTS = 1000;
  static #MAX_SOURCES = 1000;
  static #MAX_CHARACTERS = 1000;
  static #HOSTS = /(^|\.)(teams\.microsoft\.(com|us)|teams\.live\.com|teams\.cloud\.microsoft|teams\.microsoft\.com\.mcas\.ms)$/;
  static #DOMINANT = /"history"\s*:\s*\[([\d\s,"]{1,2000})\]/;

  #tap;
  #events;
  #getContributingSources = RTCRtpReceiver.prototype.getContributingSources;
  /** Sources that were met, and the id of whose they are once that is known. @type {Map<number, string>} */
  #sources = new Map();
  #rounds = 0;
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
   * Remembers the dominant speakers: in a call whose packets list no sources, nothing else tells their numbers.
   * @param {string} label
   * @param {Uint8Array} message
   */
  hear(label, message) {
    if (label !== "main-channel" || message.length > 10_000) return;
    const history = PageObjects.#DOMINANT.exec(new TextDecoder().decode(message))?.[1] ?? "";
    for (const digits of history.match(/\d+/g) ?? []) this.#meet(Number(digits));
  }

  #look() {
    try {
      this.#read();
    } catch (error) {
      if (String(error) === this.#failed) return; // The page's objects are another's: one word of it is enough.
      this.#failed = String(error);
      this.#events.fault("PageObjects", error);
    }
  }

  #read() {
    const [origin, call] = PageObjects.#call();
    if (!call) return;
    for (const { receiver } of this.#tap.listening) {
      for (const { source } of this.#getContributingSources.call(receiver)) this.#meet(source);
    }
    if (this.#rounds++ % PageObjects.#ROUNDS && ![...this.#sources.values()].includes("")) return;
    const participants = PageObjects.#list(call.participants).slice(0, PageObjects.#MAX_PARTICIPANTS);
    const described = participants.map((participant) => this.#describe(participant)).filter((each) => each.id);
    const reading = JSON.stringify(described);
    if (reading === this.#last) return;
    this.#last = reading;
    const payload = new TextEncoder().encode(`{"participants":${reading}}`).toBase64();
    this.#events.add("page_objects", { origin, payload });
  }

  /** @param {number} source */
  #meet(source) {
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
   * The first that is a text, or nothing.
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
