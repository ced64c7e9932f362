"use strict";

/** Forwards the answers to the roster requests that the page itself makes, by fetch or by XMLHttpRequest. */
class RosterRequests {
  static #MARK = "SyncMeetingSpaceCollections";

  #events;

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  install() {
    observeMethod(
      window,
      "fetch",
      (_, promise) => whenFulfilled(promise, (response) => this.#events.guard("fetch", () => this.#copy(response))),
      this.#events,
    );
    const events = this.#events;
    observeMethod(
      XMLHttpRequest.prototype,
      "send",
      (request) => addListener.call(request, "load", () => events.guard("XMLHttpRequest", () => this.#read(request))),
      events,
    );
  }

  /** @param {Response} response */
  #copy(response) {
    if (!response.url.includes(RosterRequests.#MARK) || response.bodyUsed) return;
    const at = unixNow();
    response
      .clone()
      .arrayBuffer()
      .then((body) => this.#forward(response.url, new Uint8Array(body), at))
      .catch((error) => this.#events.fault("RosterRequests.copy", error));
  }

  /** @param {XMLHttpRequest} request */
  #read(request) {
    if (!request.responseURL.includes(RosterRequests.#MARK)) return;
    if (request.responseType === "arraybuffer") {
      this.#forward(request.responseURL, new Uint8Array(request.response), unixNow());
    } else if (request.responseType === "" || request.responseType === "text") {
      this.#forward(request.responseURL, new TextEncoder().encode(request.responseText), unixNow());
    } else {
      this.#events.drop(`roster_response (${request.responseType})`);
    }
  }

  /**
   * @param {string} url
   * @param {Uint8Array} body
   * @param {number} at Unix seconds
   */
  #forward(url, body, at) {
    const { origin, pathname } = new URL(url);
    this.#events.add("roster_response", { url: origin + pathname, payload: body.toBase64() }, at);
  }
}

PLATFORM_PARTS.push(({ events }) => new RosterRequests(events).install());
