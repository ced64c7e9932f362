"use strict";

/** Forwards the answers to the roster requests that the page itself makes, by fetch or by XMLHttpRequest. */
class RosterRequests {
  static #MARK = "SyncMeetingSpaceCollections";

  #events;
  #url = keptGetter(Response.prototype, "url");
  #bodyUsed = keptGetter(Response.prototype, "bodyUsed");
  #clone = keptMethod(Response.prototype, "clone");
  #body = keptMethod(Response.prototype, "arrayBuffer");
  #responseUrl = keptGetter(XMLHttpRequest.prototype, "responseURL");
  #responseType = keptGetter(XMLHttpRequest.prototype, "responseType");
  #response = keptGetter(XMLHttpRequest.prototype, "response");

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  install() {
    observeMethod(
      window,
      "fetch",
      (_, promise) => void whenFulfilled(promise, (response) => void this.#copy(response)),
      this.#events,
    );
    const events = this.#events;
    observeMethod(
      XMLHttpRequest.prototype,
      "send",
      (request) => kept.addListener(request, "load", () => events.guard("XMLHttpRequest", () => this.#read(request))),
      events,
    );
  }

  /** @param {Response} response */
  async #copy(response) {
    try {
      const url = this.#url(response);
      if (!kept.includes(url, RosterRequests.#MARK) || this.#bodyUsed(response)) return;
      const at = unixNow();
      this.#forward(url, new kept.Uint8Array(await this.#body(this.#clone(response))), at);
    } catch (error) {
      this.#events.fault("RosterRequests.copy", error);
    }
  }

  /** @param {XMLHttpRequest} request */
  #read(request) {
    const url = this.#responseUrl(request);
    if (!kept.includes(url, RosterRequests.#MARK)) return;
    const type = this.#responseType(request);
    if (type === "arraybuffer") {
      this.#forward(url, new kept.Uint8Array(this.#response(request)), unixNow());
    } else if (type === "" || type === "text") {
      this.#forward(url, kept.encode(this.#response(request)), unixNow());
    } else {
      this.#events.drop(`roster_response (${type})`);
    }
  }

  /**
   * @param {string} url
   * @param {Uint8Array} body
   * @param {number} at Unix seconds
   */
  #forward(url, body, at) {
    this.#events.add("roster_response", { url: kept.location(url), payload: kept.toBase64(body) }, at);
  }
}

PLATFORM_PARTS.push(({ events }) => new RosterRequests(events).install());
