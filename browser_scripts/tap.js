"use strict";

/** What a Web Worker and its transforms are made with, kept: in an iframe that is later than the page's first script. */
const WebWorker = Object.freeze({
  __proto__: null,
  start: ((NativeWorker, NativeBlob, createUrl) => (/** @type {string} */ source) => {
    const blob = new NativeBlob([source], { type: "text/javascript" });
    return new NativeWorker(createUrl(blob));
  })(Worker, Blob, URL.createObjectURL),
  /** @type {(worker: Worker, message: object) => void} */
  post: keptMethod(Worker.prototype, "postMessage"),
  Transform: RTCRtpScriptTransform,
  track: keptGetter(RTCRtpReceiver.prototype, "track"),
  kind: keptGetter(MediaStreamTrack.prototype, "kind"),
  preventDefault: keptMethod(Event.prototype, "preventDefault"),
  /** Of a script that cannot be fetched, the event is not an ErrorEvent. @type {(event: Event) => string} */
  errorMessage: ((NativeEvent, message) => (/** @type {Event} */ event) =>
    kept.isInstance(NativeEvent, event) ? message(event) : "")(ErrorEvent, keptGetter(ErrorEvent.prototype, "message")),
});

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
  #known = new KeptWeakMap();
  #receivers = 0;
  #flushes = 0;
  /** @type {Map<number, () => void>} */
  #flushing = new KeptMap();
  /** @type {AudioPath | undefined} */
  #path;
  #setTransform;

  /** The audio receivers of connections that are open. @type {Set<TappedReceiver>} */
  listening = new KeptSet();
  /** Frames tapped per receiver, as of the last answer to askTally. @type {Map<number, number>} */
  tally = new KeptMap();

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
    const worker = WebWorker.start(CONFIG.workerSource);
    kept.addListener(worker, "message", (/** @type {Event} */ event) =>
      this.#events.guard("Tap.hear", () => this.#hear(plain(kept.messageData(event)))),
    );
    kept.addListener(worker, "error", (/** @type {Event} */ event) => {
      WebWorker.preventDefault(event);
      this.#events.fault("Tap.worker", WebWorker.errorMessage(event) || "the Web Worker could not be started");
    });
    WebWorker.post(worker, { document: this.#document });
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
    const kind = WebWorker.kind(WebWorker.track(receiver));
    const tapped = { index: this.#receivers++, kind, connection, receiver };
    this.#known.set(receiver, tapped);
    if (!this.#worker) return;
    this.#setTransform(receiver, new WebWorker.Transform(this.#worker, { receiver: tapped.index, kind }));
    if (kind === "audio") this.listening.add(tapped);
    this.#events.add("receiver_tapped", { connection, receiver: tapped.index, kind, via });
  }

  /**
   * What is known of a receiver that was adopted.
   * @param {RTCRtpReceiver} receiver
   */
  tapped(receiver) {
    return this.#known.get(receiver);
  }

  /** @param {number} connection */
  release(connection) {
    this.listening.forEach((tapped) => void (tapped.connection === connection && this.listening.delete(tapped)));
  }

  /** Asks the Web Worker to bring `tally` up to date. */
  askTally() {
    if (this.#worker) WebWorker.post(this.#worker, { tally: true });
  }

  /**
   * Has senders of video send a key frame soon.
   * @param {KeyFramesOf} of
   */
  requestKeyFrames(of) {
    if (this.#worker) WebWorker.post(this.#worker, { keyFrames: of });
  }

  /**
   * Resolves when the worker process has every frame of audio that was tapped before the call. Video is sent as well, as much as
   * may be in flight: however much of it waits, the answer says what became of the audio.
   */
  async flush() {
    const worker = this.#worker;
    if (!worker) return;
    const id = this.#flushes++;
    /** @type {Promise<void>} */
    const flushed = new NativePromise((resolve) => void this.#flushing.set(id, resolve));
    WebWorker.post(worker, { flush: id });
    await flushed;
  }

  /**
   * Once the page takes frames for itself, frames still under way or of other receivers change nothing.
   * @param {AudioPath} path how the page receives its audio, as far as is known
   */
  reportPath(path) {
    if (this.#path === path || this.#path === "encoded") return;
    this.#path = path;
    this.#events.add("audio_path_seen", { path });
  }

  /** @param {any} message from tap_worker.js */
  #hear(message) {
    if ("frames" in message) {
      this.reportPath("receivers");
      void this.#forward("frames", `${message.sent} ${message.frames}`);
    } else if ("video" in message) {
      void this.#forward("video", `${message.sent} ${message.video}`);
    } else if ("tally" in message) {
      this.tally = new KeptMap();
      for (let index = 0; index < message.tally.length; index += 1) {
        this.tally.set(message.tally[index][0], message.tally[index][1]);
      }
    } else if ("flushed" in message) {
      this.#flushing.get(message.flushed)?.();
      this.#flushing.delete(message.flushed);
    } else if ("fault" in message) {
      this.#events.fault(message.fault.where, message.fault.message);
    }
  }

  /**
   * @param {"frames" | "video"} kind
   * @param {string} batch
   */
  async #forward(kind, batch) {
    const sent = this.#link.post(kind, batch);
    if (this.#flushing.size) void this.#link.settle();
    try {
      await sent;
    } catch {
      // The worker process has ended, and this document with it.
    }
    if (this.#worker) WebWorker.post(this.#worker, { taken: kind });
  }

  /** Detects that the page sets its own transform, which takes the frames away from ours. Returns the native setter, kept. */
  #watchTransform() {
    const prototype = RTCRtpReceiver.prototype;
    const descriptor = Object.getOwnPropertyDescriptor(prototype, "transform");
    const native = descriptor?.set;
    if (!native) throw new Error("RTCRtpReceiver.transform is missing: Chromium 141 or newer is needed");
    const tap = this;
    const set = new Proxy(
      native,
      plain({
        apply(/** @type {any} */ target, /** @type {any} */ self, /** @type {any[]} */ args) {
          apply(target, self, args);
          tap.#events.guard("transform", () => {
            if (args[0] && WebWorker.kind(WebWorker.track(self)) === "audio") tap.reportPath("encoded");
          });
        },
      }),
    );
    Object.defineProperty(prototype, "transform", { ...descriptor, set });
    return (/** @type {RTCRtpReceiver} */ receiver, /** @type {RTCRtpScriptTransform} */ transform) =>
      apply(native, receiver, [transform]);
  }
}
