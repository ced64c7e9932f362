"use strict";

/**
 * Reads from Teams' own objects in the page who takes part, which of them the bot is, and who owns each known audio source; sends
 * the result whenever it changes. A fallback for roster messages that were missed or have another form. It changes nothing in the page.
 */
class PageObjects {
  static #PERIOD_MILLISECONDS = 500;
  /** Periods between two reads of the participants; while a source has no known owner, every period reads them. */
  static #READ_EVERY = 4;
  static #Map = Map;
  static #eachInMap = keptMethod(Map.prototype, "forEach");
  static #MAX_PARTICIPANTS = 1000;
  static #MAX_SOURCES = 1000;
  static #MAX_CHARACTERS = 1000;
  static #HOSTS = /(^|\.)(teams\.microsoft\.(com|us)|teams\.live\.com|teams\.cloud\.microsoft|teams\.microsoft\.com\.mcas\.ms)$/;
  static #DOMINANT = /"history"\s*:\s*\[([\d\s,"]{1,2000})\]/;
  static #DIGITS = /^\D*(\d+)/;

  #tap;
  #events;
  #getContributingSources = keptMethod(RTCRtpReceiver.prototype, "getContributingSources");
  /** Known sources, with the owner's id once that is known, else "". @type {Map<number, string>} */
  #sources = new KeptMap();
  #periods = 0;
  #last = '{"participants":[]}';
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
    kept.setInterval(() => this.#look(), PageObjects.#PERIOD_MILLISECONDS);
  }

  /**
   * Adds the sources of dominant speakers: in a call whose packets list no sources, only these messages name them.
   * @param {string} label
   * @param {Uint8Array} message
   */
  hear(label, message) {
    if (label !== "main-channel" || kept.byteLength(message) > 10_000) return;
    let history = kept.exec(PageObjects.#DOMINANT, kept.decode(message))?.[1] ?? "";
    for (let found; (found = kept.exec(PageObjects.#DIGITS, history)); history = kept.slice(history, found[0].length)) {
      this.#addSource(+found[1]);
    }
  }

  #look() {
    try {
      this.#read();
    } catch (error) {
      // The cause is in the page's objects: the same error is reported once.
      if (kept.text(error) === this.#failed) return;
      this.#failed = kept.text(error);
      this.#events.fault("PageObjects", error);
    }
  }

  #read() {
    const { origin, call } = PageObjects.#call();
    if (!call) return;
    this.#tap.listening.forEach(({ receiver }) => {
      const sources = this.#getContributingSources(receiver);
      for (let index = 0; index < sources.length; index += 1) this.#addSource(sources[index].source);
    });
    if (this.#periods++ % PageObjects.#READ_EVERY && !this.#anyWithoutOwner()) return;
    const us = PageObjects.#text(call.callerMri);
    const own = us ? `"us":${toJson(us)},` : "";
    const reading = `{${own}"participants":${toJson(this.#describeAll(call.participants))}}`;
    if (reading === this.#last) return;
    this.#last = reading;
    this.#events.add("page_objects", { origin, payload: kept.toBase64(kept.encode(reading)) });
  }

  #anyWithoutOwner() {
    let found = false;
    this.#sources.forEach((owner) => void (found ||= !owner));
    return found;
  }

  /** @param {any} participants */
  #describeAll(participants) {
    /** @type {object[]} */
    const described = plain([]);
    let count = 0;
    PageObjects.#each(participants, (participant) => {
      if (count++ >= PageObjects.#MAX_PARTICIPANTS) return;
      const each = this.#describe(participant);
      if (each.id) described[described.length] = each;
    });
    return described;
  }

  /** @param {number} source */
  #addSource(source) {
    if (!this.#sources.has(source) && this.#sources.size < PageObjects.#MAX_SOURCES) this.#sources.set(source, "");
  }

  /** @returns {{origin: string, call: any}} */
  static #call() {
    const observable = window.callingDebug?.observableCall;
    if (observable) return { origin: "callingDebug.observableCall", call: observable };
    return {
      origin: "msteamscalling",
      call: window.msteamscalling?.deref?.()?.callingService?.getActiveCall?.(),
    };
  }

  /** @param {any} participant */
  #describe(participant) {
    const details = participant?.details;
    const id =
      PageObjects.#text(participant?.id) || PageObjects.#text(participant?.mri) || PageObjects.#text(details?.id);
    /** @type {number[]} */
    const sources = plain([]);
    this.#sources.forEach((owner, source) => {
      // After the lobby the same number may be another participant's.
      if (id && (!owner || owner === id)) this.#sources.set(source, participant.hasAudioSource?.(source) === true ? id : "");
      if (id && this.#sources.get(source) === id) sources[sources.length] = source;
    });
    return plain({
      id,
      name: PageObjects.#text(participant?.displayName) || PageObjects.#text(details?.displayName),
      state: PageObjects.#text(participant?.state),
      role: PageObjects.#text(participant?.meetingRole) || PageObjects.#text(participant?.role),
      sources,
    });
  }

  /**
   * The value, shortened, if it is text, else "".
   * @param {unknown} value
   * @returns {string}
   */
  static #text(value) {
    return typeof value === "string" ? kept.toWellFormed(kept.slice(value, 0, PageObjects.#MAX_CHARACTERS)) : "";
  }

  /**
   * @param {any} values an array, a Map, or an object that holds them
   * @param {(value: any) => void} take
   */
  static #each(values, take) {
    if (kept.isArray(values)) {
      for (let index = 0; index < values.length; index += 1) take(values[index]);
    } else if (kept.isInstance(PageObjects.#Map, values)) {
      PageObjects.#eachInMap(values, take);
    } else if (typeof values === "object" && values) {
      const keys = ownKeys(values);
      for (let index = 0; index < keys.length; index += 1) {
        const key = /** @type {string | symbol} */ (keys[index]);
        if (typeof key === "string" && getOwnPropertyDescriptor(values, key)?.enumerable) take(values[key]);
      }
    }
  }
}

PLATFORM_PARTS.push(({ tap, events, channels }) => {
  const objects = new PageObjects(tap, events);
  channels.onReceived((label, message) => objects.hear(label, message));
  objects.start();
});
