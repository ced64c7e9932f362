"use strict";

/** Unix time in seconds, on the clock that also stamps the frames. */
function unixNow() {
  return (performance.timeOrigin + performance.now()) / 1000;
}

/** Sends PageEvents of worker/tape/events.py to the worker process: in order, in batches, within bounds. */
class PageEvents {
  static MAX_FAULTS = 100;

  #document;
  #post;
  #later = window.setTimeout.bind(window);
  /** @type {string[]} */
  #queue = [];
  #queuedBytes = 0;
  /** @type {Map<string, number>} */
  #dropped = new Map();
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
   * @param {object} fields
   * @param {number} [at] Unix seconds
   */
  add(type, fields, at = unixNow()) {
    const json = JSON.stringify({ type, at, document: this.#document, ...fields }, PageEvents.#wellFormed);
    if (this.#queuedBytes + json.length > CONFIG.limits.queuedEventBytes) {
      this.drop(type);
      return;
    }
    this.#queue.push(json);
    this.#queuedBytes += json.length;
    this.#schedule();
  }

  /**
   * A name may contain, or be cut to, half a surrogate pair, which is invalid Unicode and would make the whole batch invalid.
   * @param {string} _key
   * @param {unknown} value
   */
  static #wellFormed(_key, value) {
    return typeof value === "string" ? value.toWellFormed() : value;
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
    else this.add("page_fault", { where, message: String(error).slice(0, 500) });
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
    const events = this.#queue.splice(0);
    this.#queuedBytes = 0;
    for (const [what, count] of this.#dropped) {
      events.push(JSON.stringify({ type: "page_dropped", at: unixNow(), document: this.#document, what, count }));
    }
    this.#dropped.clear();
    if (!events.length) return;
    this.#inFlight += 1;
    try {
      await this.#post("events", `${unixNow()} [${events.join(",")}]`);
    } catch {
      // The worker process has ended, and this document with it.
    } finally {
      this.#inFlight -= 1;
      if (this.#queue.length || this.#dropped.size) this.#schedule();
    }
  }

  #schedule() {
    if (this.#scheduled || this.#inFlight >= CONFIG.limits.batchesInFlight) return;
    this.#scheduled = true;
    this.#later(() => {
      this.#scheduled = false;
      void this.flush();
    }, CONFIG.limits.batchMilliseconds);
  }
}
