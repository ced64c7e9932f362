"use strict";

/**
 * Tells the worker process which document this is, and, in a page's main frame, that its scripts run. Neither is put on the tape:
 * worker/browser/tap.py keeps the time of the last heartbeat and finds the documents that went away.
 */
class Heartbeat {
  static PERIOD_MILLISECONDS = 2000;

  #document;
  #post;

  /**
   * @param {number} document
   * @param {Post} post
   */
  constructor(document, post) {
    this.#document = document;
    this.#post = post;
  }

  /** To be called before anything else of the document is sent. */
  start() {
    void this.#send("document");
    if (window === window.top) kept.setInterval(() => void this.#send("heartbeat"), Heartbeat.PERIOD_MILLISECONDS);
  }

  /** @param {"document" | "heartbeat"} kind */
  async #send(kind) {
    try {
      await this.#post(kind, `${unixNow()} ${this.#document}`);
    } catch {
      // The worker process has ended, and this document with it.
    }
  }
}
