"use strict";

/**
 * Forwards each message that is received on a data channel, raw and in order, whichever side opened the channel; and each
 * message that the page sends on Teams' main-channel.
 */
class DataChannels {
  static #SENT_LABEL = "main-channel";

  #events;
  /** The connection number of each channel. @type {WeakMap<RTCDataChannel, number>} */
  #known = new WeakMap();
  /** @type {((label: string, message: Uint8Array) => void)[]} */
  #listeners = [];

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * Has `listener` called with the channel's label and each received message.
   * @param {(label: string, message: Uint8Array) => void} listener
   */
  onReceived(listener) {
    this.#listeners.push(listener);
  }

  install() {
    observeMethod(
      RTCDataChannel.prototype,
      "send",
      (channel, _, args) => {
        const connection = this.#known.get(channel);
        if (connection === undefined || channel.label !== DataChannels.#SENT_LABEL) return;
        const at = unixNow();
        DataChannels.#bytes(args[0])
          .then((message) => this.#add(connection, channel.label, message, true, at))
          .catch((error) => this.#events.fault("DataChannels.send", error));
      },
      this.#events,
    );
  }

  /**
   * @param {RTCDataChannel} channel
   * @param {number} connection
   */
  listen(channel, connection) {
    if (this.#known.has(channel)) return;
    this.#known.set(channel, connection);
    const label = channel.label;
    /** A Blob can be read only asynchronously: later messages wait for it. @type {Promise<void>} */
    let last = Promise.resolve();
    addListener.call(channel, "message", (event) => {
      if (!(event instanceof MessageEvent)) return;
      const at = unixNow();
      const message = DataChannels.#bytes(event.data);
      last = Promise.all([message, last])
        .then(([bytes]) => {
          this.#add(connection, label, bytes, false, at);
          for (const listener of this.#listeners) listener(label, bytes);
        })
        .catch((error) => this.#events.fault("DataChannels.listen", error));
    });
  }

  /**
   * @param {number} connection
   * @param {string} label
   * @param {Uint8Array} message
   * @param {boolean} sent
   * @param {number} at Unix seconds
   */
  #add(connection, label, message, sent, at) {
    const fields = { connection, label, payload: message.toBase64() };
    this.#events.add("channel_message", sent ? { ...fields, sent } : fields, at);
  }

  /**
   * A copy: the page may change the data afterwards.
   * @param {string | ArrayBuffer | ArrayBufferView | Blob} data
   */
  static async #bytes(data) {
    if (typeof data === "string") return new TextEncoder().encode(data);
    if (data instanceof Blob) return new Uint8Array(await data.arrayBuffer());
    if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  }
}
