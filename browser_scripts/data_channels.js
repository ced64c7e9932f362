"use strict";

const NativeBlob = Blob;
const blobBuffer = keptMethod(Blob.prototype, "arrayBuffer");

/**
 * Forwards each message that is received on a data channel, raw and in order, whichever side opened the channel; and each
 * message that the page sends on Teams' main-channel or on Meet's meet_messages, which carries what is written into the chat.
 */
class DataChannels {
  /** @param {string} label */
  static #forwardsSent(label) {
    return label === "main-channel" || label === "meet_messages";
  }

  #events;
  #label = keptGetter(RTCDataChannel.prototype, "label");
  #MessageEvent = MessageEvent;
  /** The connection number of each channel. @type {WeakMap<RTCDataChannel, number>} */
  #known = new KeptWeakMap();
  /** @type {Set<(label: string, message: Uint8Array) => void>} */
  #listeners = new KeptSet();

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * Has `listener` called with the channel's label and each received message.
   * @param {(label: string, message: Uint8Array) => void} listener
   */
  onReceived(listener) {
    this.#listeners.add(listener);
  }

  install() {
    observeMethod(
      RTCDataChannel.prototype,
      "send",
      (channel, _, args) => {
        const connection = this.#known.get(channel);
        if (connection === undefined) return;
        const label = this.#label(channel);
        if (DataChannels.#forwardsSent(label)) {
          void this.#forwardSent(connection, label, DataChannels.#bytes(args[0]), unixNow());
        }
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
    const label = this.#label(channel);
    /** A Blob can be read only asynchronously: later messages wait for it. @type {Promise<void> | undefined} */
    let last;
    kept.addListener(channel, "message", (/** @type {Event} */ event) => {
      if (!kept.isInstance(this.#MessageEvent, event)) return;
      last = this.#forwardReceived(connection, label, DataChannels.#bytes(kept.messageData(event)), unixNow(), last);
    });
  }

  /**
   * @param {number} connection
   * @param {string} label
   * @param {Promise<Uint8Array>} message
   * @param {number} at Unix seconds
   */
  async #forwardSent(connection, label, message, at) {
    try {
      this.#add(connection, label, await message, true, at);
    } catch (error) {
      this.#events.fault("DataChannels.send", error);
    }
  }

  /**
   * @param {number} connection
   * @param {string} label
   * @param {Promise<Uint8Array>} message
   * @param {number} at Unix seconds
   * @param {Promise<void> | undefined} before what has to be forwarded first
   */
  async #forwardReceived(connection, label, message, at, before) {
    try {
      const bytes = await message;
      await before;
      this.#add(connection, label, bytes, false, at);
      this.#listeners.forEach((listener) => listener(label, bytes));
    } catch (error) {
      await before;
      this.#events.fault("DataChannels.listen", error);
    }
  }

  /**
   * @param {number} connection
   * @param {string} label
   * @param {Uint8Array} message
   * @param {boolean} sent
   * @param {number} at Unix seconds
   */
  #add(connection, label, message, sent, at) {
    const fields = { connection, label, payload: kept.toBase64(message) };
    this.#events.add("channel_message", sent ? { ...fields, sent } : fields, at);
  }

  /**
   * A copy: the page may change the data afterwards.
   * @param {string | ArrayBuffer | ArrayBufferView | Blob} data
   */
  static async #bytes(data) {
    if (typeof data === "string") return kept.encode(data);
    if (kept.isInstance(NativeBlob, data)) return new kept.Uint8Array(await blobBuffer(data));
    return copyBytes(/** @type {ArrayBuffer | ArrayBufferView} */ (data));
  }
}
