"use strict";

/**
 * Reads the encoded frames of all receivers of a document, in its own thread. It sends to the page
 * {frames, sent} (a batch in base64, and when it is sent, in Unix seconds), {tally} ([[receiver, frames], …] since the start), {flushed} or {fault}, and receives
 * {document}, {taken} (the worker process has received a batch), {tally} and {flush}.
 */
class TapWorker {
  #batch = new FrameBatch(performance.timeOrigin);
  #document = 0;
  #sequence = 0;
  #dropped = 0;
  #reportedDropped = 0;
  #inFlight = 0;
  /** @type {string[]} */
  #queue = [];
  #queuedBytes = 0;
  #timer = 0;
  /** @type {number[]} */
  #flushes = [];
  /** @type {Map<number, number>} */
  #tally = new Map();
  #post;

  /** @param {(message: object) => void} post */
  constructor(post) {
    this.#post = post;
  }

  /** @param {any} message */
  hear(message) {
    if ("document" in message) {
      this.#document = message.document;
    } else if ("taken" in message) {
      this.#inFlight -= 1;
      this.#pump();
    } else if ("tally" in message) {
      this.#post({ tally: [...this.#tally] });
    } else if ("flush" in message) {
      this.#flushes.push(message.flush);
      this.#close();
      this.#pump();
    }
  }

  /** @param {RTCRtpScriptTransformer} transformer */
  transform(transformer) {
    const { receiver, kind } = transformer.options;
    if (kind !== "audio") return; // Video that is not read is not decoded.
    this.#tally.set(receiver, 0);
    this.#copy(receiver, transformer).catch((error) => this.#fault("transform", error));
  }

  /**
   * Records each frame and passes it on. A TransformStream between two pipes does the same for a quarter more of the Web Worker's
   * time.
   * @param {number} receiver
   * @param {RTCRtpScriptTransformer} transformer
   */
  async #copy(receiver, transformer) {
    const reader = transformer.readable.getReader();
    const writer = transformer.writable.getWriter();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      try {
        this.#record(receiver, value);
      } catch (error) {
        this.#fault("record", error);
      }
      await writer.write(value);
    }
    await writer.close();
  }

  /**
   * @param {number} receiver
   * @param {RTCEncodedAudioFrame} frame
   */
  #record(receiver, frame) {
    this.#tally.set(receiver, (this.#tally.get(receiver) ?? 0) + 1);
    this.#batch.append(receiver, frame, performance.now());
    if (!this.#timer) this.#timer = setTimeout(() => this.#close(), LIMITS.batchMilliseconds);
  }

  /** Ends the batch: it is sent, or waits in the queue, or is dropped where the queue is full. */
  #close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.#batch.frames) return;
    if (this.#queuedBytes >= LIMITS.queuedFrameBytes) {
      this.#dropped += this.#batch.frames;
      this.#batch.clear();
    } else {
      this.#enqueue();
    }
    this.#pump();
  }

  #enqueue() {
    this.#reportedDropped = this.#dropped;
    const encoded = this.#batch.close(this.#document, this.#sequence++, this.#dropped);
    this.#queue.push(encoded);
    this.#queuedBytes += encoded.length;
  }

  #pump() {
    while (this.#inFlight < LIMITS.batchesInFlight) {
      // Where no further frames follow, an empty batch reports the dropped ones.
      if (!this.#queue.length && this.#reportedDropped !== this.#dropped && !this.#batch.frames) this.#enqueue();
      const encoded = this.#queue.shift();
      if (encoded === undefined) break;
      this.#queuedBytes -= encoded.length;
      this.#inFlight += 1;
      this.#post({ frames: encoded, sent: (performance.timeOrigin + performance.now()) / 1000 });
    }
    if (this.#inFlight || this.#queue.length) return;
    for (const flush of this.#flushes.splice(0)) this.#post({ flushed: flush });
  }

  /**
   * @param {string} where
   * @param {unknown} error
   */
  #fault(where, error) {
    this.#post({ fault: { where: `TapWorker.${where}`, message: String(error) } });
  }
}

const tapWorker = new TapWorker((message) => self.postMessage(message));
self.onmessage = (event) => tapWorker.hear(event.data);
self.onrtctransform = (event) => tapWorker.transform(event.transformer);
