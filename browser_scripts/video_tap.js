"use strict";

/**
 * Copies the video of a document's receivers, and decides what of it Chromium gets to decode. It has a queue of its own: however
 * much video comes, audio neither waits for it nor makes room for it.
 */
class VideoTap {
  /** Milliseconds between two key frames that are requested of a receiver at least; what comes sooner waits for the next. */
  static KEY_FRAME_PAUSE = 1000;

  queue;

  #limits;
  #fault;
  /** The receivers, until their streams end. @type {Map<number, VideoReceiver>} */
  #receivers = new Map();

  /**
   * @param {VideoLimits} limits
   * @param {{send: (encoded: string) => void, drained: () => void, fault: (where: string, error: unknown) => void}} events
   */
  constructor(limits, { send, drained, fault }) {
    const dropped = () => this.#receivers.forEach((receiver) => void (receiver.needsKeyFrame = true));
    this.queue = new BatchQueue(new VideoBatch(performance.timeOrigin), limits, { send, drained, dropped });
    this.#limits = limits;
    this.#fault = fault;
  }

  /**
   * @param {number} index the receiver's
   * @param {RTCRtpScriptTransformer} transformer
   */
  transform(index, transformer) {
    const receiver = { index, transformer, needsKeyFrame: false, requestedAt: -VideoTap.KEY_FRAME_PAUSE };
    this.#receivers.set(index, receiver);
    this.#copy(receiver)
      .catch((error) => this.#fault("video", error))
      .finally(() => this.#receivers.get(index) === receiver && this.#receivers.delete(index));
  }

  /** Has each sender send a key frame soon. */
  requestKeyFrames() {
    for (const receiver of this.#receivers.values()) this.#requestKeyFrame(receiver);
  }

  /** @param {VideoReceiver} receiver */
  async #copy(receiver) {
    const reader = receiver.transformer.readable.getReader();
    const writer = receiver.transformer.writable.getWriter();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      try {
        this.#record(receiver, value);
      } catch (error) {
        this.#fault("recordVideo", error);
      }
      await writer.write(value);
    }
    await writer.close();
  }

  /**
   * @param {VideoReceiver} receiver
   * @param {RTCEncodedVideoFrame} frame
   */
  #record(receiver, frame) {
    const isUseful = frame.type === "key" || !receiver.needsKeyFrame;
    if (!isUseful || !this.queue.hasRoom || frame.data.byteLength > this.#limits.frameBytes) {
      this.#drop(receiver);
      return;
    }
    receiver.needsKeyFrame = false;
    this.queue.batch.append(receiver.index, frame, performance.now());
    this.queue.added();
    if (this.queue.batch.size >= this.#limits.batchBytes) this.queue.close();
  }

  /**
   * Drops one frame, and with it all that need it.
   * @param {VideoReceiver} receiver
   */
  #drop(receiver) {
    this.queue.drop(1);
    receiver.needsKeyFrame = true;
    if (this.queue.hasRoom) this.#requestKeyFrame(receiver);
  }

  /** @param {VideoReceiver} receiver */
  #requestKeyFrame(receiver) {
    const now = performance.now();
    if (now - receiver.requestedAt < VideoTap.KEY_FRAME_PAUSE) return;
    receiver.requestedAt = now;
    // It is rejected where the receiver's stream has ended.
    receiver.transformer.sendKeyFrameRequest().catch(() => {});
  }
}
