"use strict";

/**
 * Reads the encoded frames of all receivers of a document, in its own thread. It sends to the page
 * {frames, sent} (a batch of audio in base64, and when it is sent, in Unix seconds), {video, sent} (one of video), {tally}
 * ([[receiver, frames], …] of audio since the start), {flushed} or {fault}, and receives {document}, {taken} (the worker process
 * has received a batch of this kind, "frames" or "video"), {tally}, {keyFrames} (of whose video a key frame is wanted) and {flush}.
 */
class TapWorker {
  #audio;
  /** @type {VideoTap | undefined} */
  #video;
  /** @type {number[]} */
  #flushes = [];
  /** @type {Map<number, number>} */
  #tally = new Map();
  #post;

  /** @param {(message: object) => void} post */
  constructor(post) {
    this.#post = post;
    const origin = performance.timeOrigin;
    const sent = () => (origin + performance.now()) / 1000;
    this.#audio = new BatchQueue(new FrameBatch(origin), LIMITS, {
      send: (frames) => post({ frames, sent: sent() }),
      drained: () => this.#endFlushes(),
    });
    if (VIDEO_LIMITS) {
      this.#video = new VideoTap(VIDEO_LIMITS, {
        send: (video) => post({ video, sent: sent() }),
        fault: (where, error) => this.#fault(where, error),
      });
    }
  }

  /** @param {any} message */
  hear(message) {
    if ("document" in message) {
      this.#audio.document = message.document;
      if (this.#video) this.#video.queue.document = message.document;
    } else if ("taken" in message) {
      (message.taken === "video" ? this.#video?.queue : this.#audio)?.taken();
    } else if ("tally" in message) {
      this.#post({ tally: [...this.#tally] });
    } else if ("keyFrames" in message) {
      this.#video?.requestKeyFrames(message.keyFrames);
    } else if ("flush" in message) {
      this.#audio.close();
      this.#video?.queue.close();
      // However much video waits, the answer comes once the audio has arrived.
      this.#flushes.push(message.flush);
      if (this.#audio.isDrained) this.#endFlushes();
    }
  }

  /** @param {RTCRtpScriptTransformer} transformer */
  transform(transformer) {
    const { receiver, kind } = transformer.options;
    // Video that is not read is not decoded.
    if (kind === "video") this.#video?.transform(receiver, transformer);
    if (kind !== "audio") return;
    this.#tally.set(receiver, 0);
    copyFrames(transformer, (frame) => this.#see(receiver, frame)).catch((error) => this.#fault("transform", error));
  }

  /**
   * @param {number} receiver
   * @param {RTCEncodedAudioFrame} frame
   */
  #see(receiver, frame) {
    try {
      this.#record(receiver, frame);
    } catch (error) {
      this.#fault("record", error);
    }
  }

  /**
   * @param {number} receiver
   * @param {RTCEncodedAudioFrame} frame
   */
  #record(receiver, frame) {
    this.#tally.set(receiver, (this.#tally.get(receiver) ?? 0) + 1);
    this.#audio.batch.append(receiver, frame, performance.now());
    this.#audio.added();
  }

  #endFlushes() {
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
