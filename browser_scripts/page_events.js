"use strict";

/** Sends PageEvents of worker/tape/events.py to the worker process: in order, in batches, within bounds. */
class PageEvents {
  static MAX_FAULTS = 100;

  #document;
  #post;
  /** JSON, joined by commas. */
  #queue = "";
  /** @type {Map<string, number>} */
  #dropped = new KeptMap();
  #scheduled = false;
  #inFlight = 0;
  #faults = 0;

  /**
   * @param {number} document
   * @param {Post} post
   */
  constructor(document, post) {
    this.#document = document;
    this.#post = post;
  }

  /**
   * @param {string} type
   * @param {object} fields without objects or arrays that have a prototype
   * @param {number} [at] Unix seconds
   */
  add(type, fields, at = unixNow()) {
    const json = toJson(plain({ type, at, document: this.#document, ...fields }));
    if (this.#queue.length + json.length > CONFIG.limits.queuedEventBytes) {
      this.drop(type);
      return;
    }
    this.#enqueue(json);
    this.#schedule();
  }

  /**
   * Counts something that was dropped for lack of room.
   * @param {string} what
   */
  drop(what) {
    this.#dropped.set(what, (this.#dropped.get(what) ?? 0) + 1);
    this.#schedule();
  }

  /**
   * Reports an error in our own code.
   * @param {string} where
   * @param {unknown} error
   */
  fault(where, error) {
    this.#faults += 1;
    if (this.#faults > PageEvents.MAX_FAULTS) this.drop("page_fault");
    else this.add("page_fault", { where, message: PageEvents.#describe(error) });
  }

  /**
   * Runs our own code inside a call of the page: what it throws is reported and does not reach the page.
   * @param {string} where
   * @param {() => void} run
   */
  guard(where, run) {
    try {
      run();
    } catch (error) {
      this.fault(where, error);
    }
  }

  /** Sends all queued events, however many batches are in flight. Resolves when the worker process has them. */
  async flush() {
    this.#dropped.forEach((count, what) =>
      this.#enqueue(toJson(plain({ type: "page_dropped", at: unixNow(), document: this.#document, what, count }))),
    );
    this.#dropped.clear();
    const events = this.#queue;
    this.#queue = "";
    if (!events) return;
    this.#inFlight += 1;
    try {
      await this.#post("events", `${unixNow()} [${events}]`);
    } catch {
      // The worker process has ended, and this document with it.
    } finally {
      this.#inFlight -= 1;
      if (this.#queue || this.#dropped.size) this.#schedule();
    }
  }

  /**
   * The error as text, whose making runs code of the page.
   * @param {unknown} error
   */
  static #describe(error) {
    try {
      return kept.slice(kept.text(error), 0, 500);
    } catch {
      return "an error that cannot be described";
    }
  }

  /** @param {string} json */
  #enqueue(json) {
    this.#queue += this.#queue ? `,${json}` : json;
  }

  #schedule() {
    if (this.#scheduled || this.#inFlight >= CONFIG.limits.batchesInFlight) return;
    this.#scheduled = true;
    kept.setTimeout(() => {
      this.#scheduled = false;
      void this.flush();
    }, CONFIG.limits.batchMilliseconds);
  }
}
