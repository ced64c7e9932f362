"use strict";

/** Forwards the answers to the roster requests that the page itself makes, by fetch or by XMLHttpRequest. */
class RosterRequests {
  static #MAX_BYTES = 4 * 1024 * 1024;

  #events;
  #isRoster;
  #holdsRoster;
  #url = keptGetter(Response.prototype, "url");
  #bodyUsed = keptGetter(Response.prototype, "bodyUsed");
  #clone = keptMethod(Response.prototype, "clone");
  #body = keptMethod(Response.prototype, "arrayBuffer");
  #responseUrl = keptGetter(XMLHttpRequest.prototype, "responseURL");
  #responseType = keptGetter(XMLHttpRequest.prototype, "responseType");
  #response = keptGetter(XMLHttpRequest.prototype, "response");

  /**
   * @param {PageEvents} events
   * @param {(url: string) => boolean} isRoster whether the answer from an address may be a roster
   * @param {(body: Uint8Array) => boolean} [holdsRoster] whether that answer is one
   */
  constructor(events, isRoster, holdsRoster = () => true) {
    this.#events = events;
    this.#isRoster = isRoster;
    this.#holdsRoster = holdsRoster;
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
      if (!this.#isRoster(url) || this.#bodyUsed(response)) return;
      const at = unixNow();
      this.#forward(url, new kept.Uint8Array(await this.#body(this.#clone(response))), at);
    } catch (error) {
      this.#events.fault("RosterRequests.copy", error);
    }
  }

  /** @param {XMLHttpRequest} request */
  #read(request) {
    const url = this.#responseUrl(request);
    if (!this.#isRoster(url)) return;
    const type = this.#responseType(request);
    if (type === "arraybuffer") {
      this.#forward(url, new kept.Uint8Array(this.#response(request)), unixNow());
    } else if (type === "" || type === "text") {
      this.#forward(url, kept.encode(this.#response(request)), unixNow());
    } else if (type === "json") {
      this.#forward(url, kept.encode(toJson(this.#response(request))), unixNow());
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
    if (!this.#holdsRoster(body)) return;
    if (body.length > RosterRequests.#MAX_BYTES) {
      this.#events.drop("roster_response");
      return;
    }
    this.#events.add("roster_response", { url: kept.location(url), payload: kept.toBase64(body) }, at);
  }
}
