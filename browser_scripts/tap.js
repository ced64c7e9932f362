"use strict";

/**
 * Sets our transform on each receiver once, and passes the frames that the Web Worker copies on to the worker process.
 * A transform gets no frames unless it is set in the same task in which its receiver was created.
 */
class Tap {
  #document;
  #link;
  #events;
  /** @type {Worker | undefined} */
  #worker;
  /** @type {WeakMap<RTCRtpReceiver, TappedReceiver>} */
  #known = new WeakMap();
  #receivers = 0;
  #flushes = 0;
  /** @type {Map<number, () => void>} */
  #flushing = new Map();
  /** @type {AudioPath | undefined} */
  #path;
  #setTransform;

  /** The audio receivers of connections that are open. @type {Set<TappedReceiver>} */
  listening = new Set();
  /** Frames tapped per receiver, as of the last answer to askTally. @type {Map<number, number>} */
  tally = new Map();

  /**
   * @param {number} document
   * @param {WorkerLink} link
   * @param {PageEvents} events
   */
  constructor(document, link, events) {
    this.#document = document;
    this.#link = link;
    this.#events = events;
    this.#setTransform = this.#watchTransform();
  }

  /** Starts the Web Worker; frames that arrive before it runs are lost. */
  start() {
    if (this.#worker) return;
    const url = URL.createObjectURL(new Blob([CONFIG.workerSource], { type: "text/javascript" }));
    const worker = new Worker(url);
    worker.onmessage = (message) => this.#events.guard("Tap.hear", () => this.#hear(message.data));
    worker.onerror = (event) => {
      event.preventDefault();
      this.#events.fault("Tap.worker", event.message || "the Web Worker could not be started");
    };
    worker.postMessage({ document: this.#document });
    this.#worker = worker;
  }

  /**
   * @param {RTCRtpReceiver} receiver
   * @param {number} connection
   * @param {string} via how the receiver was found
   */
  adopt(receiver, connection, via) {
    if (this.#known.has(receiver)) return;
    this.start();
    const kind = receiver.track.kind;
    const tapped = { index: this.#receivers++, kind, connection, receiver };
    this.#known.set(receiver, tapped);
    if (!this.#worker) return;
    this.#setTransform.call(receiver, new RTCRtpScriptTransform(this.#worker, { receiver: tapped.index, kind }));
    if (kind === "audio") this.listening.add(tapped);
    this.#events.add("receiver_tapped", { connection, receiver: tapped.index, kind, via });
  }

  /** @param {number} connection */
  release(connection) {
    for (const tapped of this.listening) if (tapped.connection === connection) this.listening.delete(tapped);
  }

  /** Asks the Web Worker to bring `tally` up to date. */
  askTally() {
    this.#worker?.postMessage({ tally: true });
  }

  /** Resolves when the worker process has every frame that was tapped before the call. */
  async flush() {
    const worker = this.#worker;
    if (!worker) return;
    const id = this.#flushes++;
    /** @type {Promise<void>} */
    const flushed = new Promise((resolve) => this.#flushing.set(id, resolve));
    worker.postMessage({ flush: id });
    await flushed;
  }

  /** @param {AudioPath} path how the page receives its audio, as far as is known */
  reportPath(path) {
    if (this.#path === path) return;
    this.#path = path;
    this.#events.add("audio_path_seen", { path });
  }

  /** @param {any} message from tap_worker.js */
  #hear(message) {
    if ("frames" in message) {
      const taken = () => this.#worker?.postMessage({ taken: true });
      this.#link.post("frames", `${message.sent} ${message.frames}`).then(taken, taken);
      if (this.#flushing.size) void this.#link.settle();
    } else if ("tally" in message) {
      this.tally = new Map(message.tally);
    } else if ("flushed" in message) {
      this.#flushing.get(message.flushed)?.();
      this.#flushing.delete(message.flushed);
    } else if ("fault" in message) {
      this.#events.fault(message.fault.where, message.fault.message);
    }
  }

  /** Detects that the page sets its own transform, which takes the frames away from ours. Returns the native setter. */
  #watchTransform() {
    const prototype = RTCRtpReceiver.prototype;
    const descriptor = Object.getOwnPropertyDescriptor(prototype, "transform");
    const native = descriptor?.set;
    if (!native) throw new Error("RTCRtpReceiver.transform is missing: Chromium 141 or newer is needed");
    const tap = this;
    const set = new Proxy(native, {
      apply(target, self, args) {
        Reflect.apply(target, self, args);
        tap.#events.guard("transform", () => {
          if (args[0] && self.track.kind === "audio") tap.reportPath("encoded");
        });
      },
    });
    Object.defineProperty(prototype, "transform", { ...descriptor, set });
    return native;
  }
}
