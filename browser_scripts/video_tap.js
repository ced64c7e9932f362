"use strict";

/**
 * Copies the video of a document's receivers, and decides what of it Chromium gets to decode. It has a queue of its own: however
 * much video comes, audio neither waits for it nor makes room for it.
 */
class VideoTap {
  /**
   * A key frame of 16 × 16 black pixels in each format, as frames come out of Chromium's depacketizer: with start codes in H.264,
   * without a temporal unit's delimiter in AV1, of which Chromium decodes no picture of less than 64 × 64.
   * @type {Map<string, Uint8Array>}
   */
  static STAND_INS = new Map(
    Object.entries({
      "video/vp8": "EAIAnQEqEAAQAAAHCIWFiJmEiAEkEABgawD+/7r/QA==",
      "video/vp9": "gkmDQgAA8AD2ADgkHBhKAAAwYAAAEL///UiMAA==",
      "video/h264": "AAAAAWdCwAqMjU5NwENAQeEQjUAAAAABaM48gAAAAAFluAAEAAAJ///4eigACC/8",
      "video/av1": "CgwAAAACr/+ANEBDQGEyERBlQDzzzxQSQLUbzsowmcHA",
    }).map(([mimeType, encoded]) => [mimeType, Uint8Array.fromBase64(encoded)]),
  );

  static #NEW = Object.freeze({
    needsKeyFrame: false,
    requestedAt: -Infinity,
    keyFrameAt: -Infinity,
    hurriedKeyFrames: 0,
    isReplaced: true,
  });

  /** Milliseconds between two key frames that are requested of a receiver at least; what comes sooner waits for the next. */
  static KEY_FRAME_PAUSE = 1000;

  /** Key frames, each less than KEY_FRAME_HURRY milliseconds after the one before, that show that Chromium requests them. */
  static MOST_HURRIED = 6;
  static KEY_FRAME_HURRY = 1000;

  queue;

  #limits;
  #fault;
  /** The receivers, until their streams end. @type {Map<number, VideoReceiver>} */
  #receivers = new Map();

  /**
   * @param {VideoLimits} limits
   * @param {{send: (encoded: string) => void, fault: (where: string, error: unknown) => void}} events
   */
  constructor(limits, { send, fault }) {
    const dropped = () => this.#receivers.forEach((receiver) => void (receiver.needsKeyFrame = true));
    this.queue = new BatchQueue(new VideoBatch(performance.timeOrigin), limits, { send, dropped });
    this.#limits = limits;
    this.#fault = fault;
  }

  /**
   * @param {number} index the receiver's
   * @param {RTCRtpScriptTransformer} transformer
   */
  transform(index, transformer) {
    const receiver = { index, transformer, ...VideoTap.#NEW };
    this.#receivers.set(index, receiver);
    copyFrames(transformer, (frame) => this.#see(receiver, frame))
      .catch((error) => this.#fault("video", error))
      .finally(() => this.#receivers.get(index) === receiver && this.#receivers.delete(index));
  }

  /**
   * Has each sender send a key frame soon, or only those of some receivers.
   * @param {KeyFramesOf} of
   */
  requestKeyFrames(of) {
    const isMeant = (/** @type {number} */ index) =>
      of === null || of.some(([document, receiver]) => document === this.queue.document && receiver === index);
    for (const [index, receiver] of this.#receivers) if (isMeant(index)) this.#requestKeyFrame(receiver);
  }

  /**
   * @param {VideoReceiver} receiver
   * @param {RTCEncodedVideoFrame} frame
   */
  #see(receiver, frame) {
    try {
      this.#record(receiver, frame);
    } catch (error) {
      this.#fault("recordVideo", error);
    }
    if (this.#mayReplace(receiver, frame)) VideoTap.#replace(frame);
  }

  /**
   * Whether Chromium decodes what it gets in place of the frames, as far as is known: where it does not, it requests key frames
   * about twice a second.
   * @param {VideoReceiver} receiver
   * @param {RTCEncodedVideoFrame} frame
   */
  #mayReplace(receiver, frame) {
    if (receiver.isReplaced && frame.type === "key") {
      const now = performance.now();
      receiver.hurriedKeyFrames = now - receiver.keyFrameAt < VideoTap.KEY_FRAME_HURRY ? receiver.hurriedKeyFrames + 1 : 0;
      receiver.keyFrameAt = now;
      receiver.isReplaced = receiver.hurriedKeyFrames < VideoTap.MOST_HURRIED;
      if (!receiver.isReplaced) this.#fault("replace", `a receiver of ${frame.getMetadata().mimeType} gets its own frames now`);
    }
    return receiver.isReplaced;
  }

  /**
   * Chromium would decode every frame that it gets, though nobody looks, and of what it does not get it requests key frames again
   * and again, which would spoil the picture for everybody in the call. So each frame is passed on with its own metadata, by which
   * Chromium follows the stream, notices losses and requests what we need, and in place of its picture one that costs nearly
   * nothing to decode. tests/benchmarks/test_video_capture.py measures this beside the other ways.
   * @param {RTCEncodedVideoFrame} frame
   */
  static #replace(frame) {
    const standIn = VideoTap.STAND_INS.get((frame.getMetadata().mimeType ?? "").toLowerCase());
    // What Chromium gets is its own: the buffer of a frame that was passed on is detached.
    if (standIn) frame.data = standIn.slice().buffer;
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
