"use strict";

/** Forwards the messages of the page's own WebSockets that may be a roster of Teams: text that begins with `3:::`. */
class Sockets {
  static #MARK = "3:::";
  static #MAX_CHARACTERS = 2 * 1024 * 1024;

  #events;
  #MessageEvent = MessageEvent;
  #url = keptGetter(WebSocket.prototype, "url");

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  install() {
    observeConstructor(
      "WebSocket",
      (socket) =>
        kept.addListener(socket, "message", (/** @type {Event} */ event) => {
          if (!kept.isInstance(this.#MessageEvent, event)) return;
          this.#events.guard("WebSocket", () => this.#forward(socket, kept.messageData(event)));
        }),
      this.#events,
    );
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #forward(socket, data) {
    if (typeof data !== "string" || !kept.startsWith(data, Sockets.#MARK)) return;
    if (data.length > Sockets.#MAX_CHARACTERS) {
      this.#events.drop("socket_message");
      return;
    }
    const url = kept.location(this.#url(socket));
    this.#events.add("socket_message", { url, payload: kept.toBase64(kept.encode(data)) });
  }
}

PLATFORM_PARTS.push(({ events }) => new Sockets(events).install());
