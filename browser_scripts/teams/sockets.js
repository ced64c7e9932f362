"use strict";

/** Forwards the messages of the page's own WebSockets that may be a roster of Teams: text that begins with `3:::`. */
class Sockets {
  static #MARK = "3:::";
  static #MAX_CHARACTERS = 2 * 1024 * 1024;

  #events;

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  install() {
    observeConstructor(
      "WebSocket",
      (socket) =>
        addListener.call(socket, "message", (event) => {
          if (event instanceof MessageEvent) this.#events.guard("WebSocket", () => this.#forward(socket, event.data));
        }),
      this.#events,
    );
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #forward(socket, data) {
    if (typeof data !== "string" || !data.startsWith(Sockets.#MARK)) return;
    if (data.length > Sockets.#MAX_CHARACTERS) {
      this.#events.drop("socket_message");
      return;
    }
    const { origin, pathname } = new URL(socket.url);
    this.#events.add("socket_message", { url: origin + pathname, payload: new TextEncoder().encode(data).toBase64() });
  }
}

PLATFORM_PARTS.push(({ events }) => new Sockets(events).install());
