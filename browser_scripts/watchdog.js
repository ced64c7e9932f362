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
  #getStats = keptMethod(RTCRtpReceiver.prototype, "getStats");
  #eachEntry = keptMethod(RTCStatsReport.prototype, "forEach");
  /** The last reading of each receiver that was reported. @type {Map<TappedReceiver, string>} */
  #reported = new KeptMap();

  /**
   * @param {Tap} tap
   * @param {PageEvents} events
   */
  constructor(tap, events) {
    this.#tap = tap;
    this.#events = events;
  }

  start() {
    kept.setInterval(() => this.check(), Watchdog.PERIOD_MILLISECONDS);
  }

  check() {
    const listening = this.#tap.listening;
    this.#reported.forEach((_, tapped) => void (listening.has(tapped) || this.#reported.delete(tapped)));
    if (!listening.size) return;
    this.#tap.askTally();
    listening.forEach((tapped) => void this.#read(tapped));
  }

  /** @param {TappedReceiver} tapped */
  async #read(tapped) {
    try {
      const report = await this.#getStats(tapped.receiver);
      let streams = 0;
      let received = 0;
      let lost = 0;
      // Chromium may keep an entry for each SSRC that the receiver has had.
      this.#eachEntry(report, (/** @type {any} */ entry) => {
        if (entry.type !== "inbound-rtp") return;
        streams += 1;
        received += entry.packetsReceived;
        lost += entry.packetsLost ?? 0;
      });
      if (streams) this.#report(tapped, received, lost);
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
    const reading = `${received} ${lost} ${frames}`;
    if (reading === this.#reported.get(tapped)) return;
    this.#reported.set(tapped, reading);
    this.#events.add("receiver_report", {
      receiver: tapped.index,
      packets_received: received,
      packets_lost: lost,
      frames_tapped: frames,
    });
  }
}
