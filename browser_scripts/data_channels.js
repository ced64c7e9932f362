"use strict";

/** Forwards each message that comes in on a data channel, raw and in order, whoever made the channel. */
class DataChannels {
  #events;
  /** @type {WeakSet<RTCDataChannel>} */
  #known = new WeakSet();

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * @param {RTCDataChannel} channel
   * @param {number} connection
   */
  listen(channel, connection) {
    if (this.#known.has(channel)) return;
    this.#known.add(channel);
    const label = channel.label;
    /** A Blob can be read only asynchronously: later messages wait for it. @type {Promise<void>} */
    let last = Promise.resolve();
    addListener.call(channel, "message", (event) => {
      if (!(event instanceof MessageEvent)) return;
      const at = unixNow();
      const payload = DataChannels.#base64(event.data);
      last = Promise.all([payload, last]).then(
        ([text]) => this.#events.add("channel_message", { connection, label, payload: text }, at),
        (error) => this.#events.fault("DataChannels.listen", error),
      );
    });
  }

  /** @param {string | ArrayBuffer | Blob} data */
  static async #base64(data) {
    if (typeof data === "string") return new TextEncoder().encode(data).toBase64();
    return new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data).toBase64();
  }
}
