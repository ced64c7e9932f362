"use strict";

/**
 * Reports what Chromium received at each receiver beside what was tapped. A tap can be deaf without any error; the worker
 * process decides whether it is (worker/lifecycle/deafness.py).
 */
class Watchdog {
  /** worker/lifecycle/deafness.py has the same period: REPORT_SECONDS. */
  static PERIOD_MILLISECONDS = 2000;

  #tap;
  #events;
  #getStats = RTCRtpReceiver.prototype.getStats;
  /** The last reading of each receiver that was reported. @type {Map<TappedReceiver, string>} */
  #reported = new Map();

  /**
   * @param {Tap} tap
   * @param {PageEvents} events
   */
  constructor(tap, events) {
    this.#tap = tap;
    this.#events = events;
  }

  start() {
    window.setInterval(() => void this.check(), Watchdog.PERIOD_MILLISECONDS);
  }

  async check() {
    for (const tapped of this.#reported.keys()) if (!this.#tap.listening.has(tapped)) this.#reported.delete(tapped);
    if (!this.#tap.listening.size) return;
    this.#tap.askTally();
    await Promise.all([...this.#tap.listening].map((tapped) => this.#read(tapped)));
  }

  /** @param {TappedReceiver} tapped */
  async #read(tapped) {
    try {
      const report = await this.#getStats.call(tapped.receiver);
      // Chromium may keep an entry for each SSRC that the receiver has had.
      const streams = [...report.values()].filter(({ type }) => type === "inbound-rtp");
      if (!streams.length) return;
      const received = streams.reduce((sum, { packetsReceived }) => sum + packetsReceived, 0);
      const lost = streams.reduce((sum, { packetsLost }) => sum + (packetsLost ?? 0), 0);
      this.#report(tapped, received, lost);
    } catch (error) {
      this.#events.fault("Watchdog.check", error);
    }
  }

  /**
   * @param {TappedReceiver} tapped
   * @param {number} received packets since the start
   * @param {number} lost packets since the start; duplicates can make it negative
   */
  #report(tapped, received, lost) {
    const frames = this.#tap.tally.get(tapped.index) ?? 0;
    if (frames > 0) this.#tap.reportPath("receivers");
    const fields = {
      receiver: tapped.index,
      packets_received: received,
      packets_lost: lost,
      frames_tapped: frames,
    };
    const reading = JSON.stringify(fields);
    if (reading === this.#reported.get(tapped)) return;
    this.#reported.set(tapped, reading);
    this.#events.add("receiver_report", fields);
  }
}
