"use strict";

/**
 * Sends a document's batches of one kind to the page, in order, within bounds: a batch waits until the worker process has taken
 * earlier ones, and is dropped where no room is left.
 * @template {MessagePackBatch} Batch
 */
class BatchQueue {
  /** @type {Batch} */
  batch;
  /** The number of the document. */
  document = 0;

  #limits;
  #events;
  #sequence = 0;
  #dropped = 0;
  #reportedDropped = 0;
  #inFlight = 0;
  /** @type {string[]} */
  #queue = [];
  #queuedBytes = 0;
  #timer = 0;

  /**
   * @param {Batch} batch
   * @param {{batchMilliseconds: number, batchesInFlight: number, queuedFrameBytes: number}} limits
   * @param {{send: (encoded: string) => void, drained?: () => void, dropped?: () => void}} events `send` gets each batch in its
   * turn; `drained` is called whenever nothing is queued or in flight any more, `dropped` after each batch that was
   */
  constructor(batch, limits, events) {
    this.batch = batch;
    this.#limits = limits;
    this.#events = events;
  }

  /** Whether another batch can wait. */
  get hasRoom() {
    return this.#queuedBytes < this.#limits.queuedFrameBytes;
  }

  /** Whether nothing is queued or in flight. */
  get isDrained() {
    return !this.#inFlight && !this.#queue.length;
  }

  /** To be called after each frame that was added to the batch. */
  added() {
    if (!this.#timer) this.#timer = setTimeout(() => this.close(), this.#limits.batchMilliseconds);
  }

  /** To be called when the worker process has received a batch. */
  taken() {
    this.#inFlight -= 1;
    this.#pump();
  }

  /** Counts frames that were not added. @param {number} frames */
  drop(frames) {
    this.#dropped += frames;
  }

  /** Ends the batch: it is sent, or waits in the queue, or is dropped where the queue is full. */
  close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.batch.frames) {
      if (this.hasRoom) {
        this.#enqueue();
      } else {
        this.#dropped += this.batch.frames;
        this.batch.clear();
        this.#events.dropped?.();
      }
    }
    this.#pump();
  }

  #enqueue() {
    this.#reportedDropped = this.#dropped;
    const encoded = this.batch.close(this.document, this.#sequence++, this.#dropped);
    this.#queue.push(encoded);
    this.#queuedBytes += encoded.length;
  }

  #pump() {
    while (this.#inFlight < this.#limits.batchesInFlight) {
      // Where no further frames follow, an empty batch reports the dropped ones.
      if (!this.#queue.length && this.#reportedDropped !== this.#dropped && !this.batch.frames) this.#enqueue();
      const encoded = this.#queue.shift();
      if (encoded === undefined) break;
      this.#queuedBytes -= encoded.length;
      this.#inFlight += 1;
      this.#events.send(encoded);
    }
    if (this.isDrained) this.#events.drained?.();
  }
}
