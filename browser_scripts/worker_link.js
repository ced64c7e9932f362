"use strict";

/**
 * Calls the worker process. Playwright's binding answers each call, which costs its driver several messages. The direct binding
 * (worker/browser/direct_binding.py) has no answer: batches take it where the document has it, and the answer to any other call,
 * mostly a heartbeat, acknowledges them.
 */
class WorkerLink {
  #document;
  #binding;
  #direct;
  #onLoss;
  #sent = 0;
  #acknowledged = 0;
  /** The calls of the direct binding that are not acknowledged yet, by number. @type {Map<number, {kind: Batched, acknowledge: () => void}>} */
  #waiting = new KeptMap();
  /** How many they are, and how many of a kind its queue lets wait at most. */
  #inFlight = { frames: 0, video: 0, events: 0 };
  #most = {
    frames: CONFIG.limits.batchesInFlight,
    video: CONFIG.video?.batchesInFlight ?? Infinity,
    events: CONFIG.limits.batchesInFlight,
  };
  #settling = false;
  #again = false;

  /**
   * @param {number} document
   * @param {(kind: string, body: string, document?: string) => Promise<unknown>} binding
   * @param {((payload: string) => void) | undefined} direct
   * @param {(message: string) => void} onLoss called when calls of the direct binding have not arrived
   */
  constructor(document, binding, direct, onLoss) {
    this.#document = String(document);
    this.#binding = binding;
    this.#direct = direct;
    this.#onLoss = onLoss;
  }

  /**
   * Of a batch, the promise resolves with a later call, at the latest when as many of its kind as may be in flight are.
   * @type {Post}
   */
  post = async (kind, body) => {
    if (!this.#direct || (kind !== "frames" && kind !== "video" && kind !== "events")) return this.#call(kind, body);
    this.#direct(`${this.#document} ${kind} ${body}`);
    const number = this.#sent++;
    /** @type {Promise<void>} */
    const acknowledged = new NativePromise((resolve) => void this.#waiting.set(number, { kind, acknowledge: resolve }));
    this.#inFlight[kind] += 1;
    if (this.#inFlight[kind] >= this.#most[kind]) void this.settle();
    return acknowledged;
  };

  /** Has what was sent so far acknowledged now. */
  async settle() {
    this.#again = true;
    if (this.#settling) return;
    this.#settling = true;
    while (this.#again && this.#waiting.size) {
      this.#again = false;
      try {
        await this.#call("settle", "");
      } catch {
        // The worker process has ended, and this document with it.
      }
    }
    this.#settling = false;
  }

  /**
   * @param {string} kind
   * @param {string} body
   */
  async #call(kind, body) {
    if (!this.#direct) return this.#binding(kind, body);
    const sent = this.#sent;
    try {
      const arrived = await this.#binding(kind, body, this.#document);
      if (typeof arrived === "number" && arrived < sent) this.#giveUp(`${sent - arrived} of ${sent}`);
      return arrived;
    } finally {
      for (; this.#acknowledged < sent; this.#acknowledged += 1) {
        const call = this.#waiting.get(this.#acknowledged);
        this.#waiting.delete(this.#acknowledged);
        if (!call) continue;
        this.#inFlight[call.kind] -= 1;
        call.acknowledge();
      }
    }
  }

  /** @param {string} missing */
  #giveUp(missing) {
    if (!this.#direct) return;
    this.#direct = undefined;
    this.#onLoss(`${missing} calls of the direct binding did not arrive; it is not used any more`);
  }
}
