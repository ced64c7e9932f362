"use strict";

/**
 * Calls the worker process. Playwright's binding answers each call, which costs its driver several messages. The direct binding
 * (worker/browser/direct_binding.py) has no answer: batches take it where the document has it, and one answered call
 * acknowledges all of them.
 */
class WorkerLink {
  #document;
  #binding;
  #direct;
  #onLoss;
  /** The calls of the direct binding that are not acknowledged yet. @type {(() => void)[]} */
  #unacknowledged = [];
  #sent = 0;
  #settling = false;
  #again = false;

  /**
   * @param {number} document
   * @param {(kind: string, body: string) => Promise<unknown>} binding
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
   * Of a batch, the promise may resolve only when half of the batches that may be in flight have followed, or at settle().
   * @type {Post}
   */
  post = async (kind, body) => {
    if (!this.#direct || (kind !== "frames" && kind !== "events")) return this.#binding(kind, body);
    this.#direct(`${this.#document} ${kind} ${body}`);
    this.#sent += 1;
    /** @type {Promise<void>} */
    const acknowledged = new Promise((resolve) => this.#unacknowledged.push(resolve));
    if (2 * this.#unacknowledged.length >= CONFIG.limits.batchesInFlight) void this.settle();
    return acknowledged;
  };

  /** Has what was sent so far acknowledged now. */
  async settle() {
    this.#again = true;
    if (this.#settling) return;
    this.#settling = true;
    while (this.#again && this.#unacknowledged.length) {
      this.#again = false;
      await this.#acknowledge();
    }
    this.#settling = false;
  }

  async #acknowledge() {
    const sent = this.#sent;
    const count = this.#unacknowledged.length;
    try {
      const arrived = await this.#binding("arrived", this.#document);
      if (typeof arrived === "number" && arrived < sent) {
        this.#direct = undefined;
        this.#onLoss(`${sent - arrived} of ${sent} calls of the direct binding did not arrive; it is not used any more`);
      }
    } catch {
      // The worker process has ended, and this document with it.
    }
    for (const resolve of this.#unacknowledged.splice(0, count)) resolve();
  }
}
