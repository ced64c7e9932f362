"use strict";

/**
 * Compares what Chromium received with what was tapped. A tap can be deaf without any error, and silence is no failure: so
 * a receiver is deaf only where packets come in and not one of them is tapped.
 */
class Watchdog {
  static PERIOD_MILLISECONDS = 2000;
  static DEAF_PACKETS = 50;
  /** Longer than one period: a tally may be one period old. */
  static DEAF_MILLISECONDS = 3500;

  #tap;
  #events;
  #getStats = RTCRtpReceiver.prototype.getStats;
  /** @type {Map<TappedReceiver, {packets: number, frames: number, since: number, deaf: boolean, last: string}>} */
  #seen = new Map();

  /**
   * @param {Tap} tap
   * @param {PageEvents} events
   */
  constructor(tap, events) {
    this.#tap = tap;
    this.#events = events;
  }

  start() {
    window.setInterval(() => void this.check(performance.now()), Watchdog.PERIOD_MILLISECONDS);
  }

  /** @param {number} now milliseconds */
  async check(now) {
    for (const tapped of this.#seen.keys()) if (!this.#tap.listening.has(tapped)) this.#seen.delete(tapped);
    if (!this.#tap.listening.size) return;
    this.#tap.askTally();
    await Promise.all([...this.#tap.listening].map((tapped) => this.#checkReceiver(tapped, now)));
  }

  /**
   * @param {TappedReceiver} tapped
   * @param {number} now
   */
  async #checkReceiver(tapped, now) {
    try {
      const report = await this.#getStats.call(tapped.receiver);
      for (const stats of report.values()) {
        if (stats.type === "inbound-rtp") this.#compare(tapped, stats.packetsReceived, stats.packetsLost ?? 0, now);
      }
    } catch (error) {
      this.#events.fault("Watchdog.check", error);
    }
  }

  /**
   * @param {TappedReceiver} tapped
   * @param {number} packets received since the start
   * @param {number} lost since the start; duplicates can make it negative
   * @param {number} now
   */
  #compare(tapped, packets, lost, now) {
    const frames = this.#tap.tally.get(tapped.index) ?? 0;
    const seen = this.#seen.get(tapped) ?? { packets: 0, frames: 0, since: now, deaf: false, last: "" };
    this.#seen.set(tapped, seen);
    const fields = { receiver: tapped.index, packets_received: packets, frames_tapped: frames };
    this.#report(seen, { ...fields, packets_lost: lost });
    if (frames > 0) this.#tap.reportPath("receivers");
    if (frames !== seen.frames || packets <= seen.packets) {
      Object.assign(seen, { packets, frames, since: now, deaf: false });
    } else if (
      !seen.deaf &&
      packets - seen.packets >= Watchdog.DEAF_PACKETS &&
      now - seen.since >= Watchdog.DEAF_MILLISECONDS
    ) {
      seen.deaf = true;
      this.#events.add("tap_deaf", fields);
    }
  }

  /**
   * @param {{last: string}} seen
   * @param {object} fields
   */
  #report(seen, fields) {
    const reading = JSON.stringify(fields);
    if (reading === seen.last) return;
    seen.last = reading;
    this.#events.add("receiver_report", fields);
  }
}
