// Types that the Web Worker's scripts share; worker/browser/injected_scripts.py joins the scripts.

/** Written in front of the scripts by the worker process. */
declare const LIMITS: {
  /** Longest time that a frame waits, in milliseconds. */
  batchMilliseconds: number;
  /** Batches that the worker process may not have acknowledged yet. */
  batchesInFlight: number;
  /** Room for batches that wait, in bytes of base64. */
  queuedFrameBytes: number;
};

interface VideoLimits {
  /** The same of video. */
  batchMilliseconds: number;
  batchesInFlight: number;
  queuedFrameBytes: number;
  /** A batch that has this much is sent, in bytes. */
  batchBytes: number;
  /** A larger frame is dropped, in bytes. */
  frameBytes: number;
}

/** Null: the job asks for no video. */
declare const VIDEO_LIMITS: VideoLimits | null;

/** The receivers, each with its document, whose senders are asked for a key frame; null: all. */
type KeyFramesOf = [document: number, receiver: number][] | null;

/** What the tap keeps of a receiver of video. */
interface VideoReceiver {
  readonly index: number;
  readonly transformer: RTCRtpScriptTransformer;
  /** The frames up to the next key frame need some that were dropped. */
  needsKeyFrame: boolean;
  /** When a key frame was last requested, in milliseconds. */
  requestedAt: number;
  /** When the last key frame came, in milliseconds, and how many came in a hurry until then. */
  keyFrameAt: number;
  hurriedKeyFrames: number;
  /** Chromium gets something else in place of each frame. */
  isReplaced: boolean;
}

/** Fields of Chromium that TypeScript's library lacks; times are in milliseconds from the worker's timeOrigin. */
interface RTCEncodedAudioFrameMetadata {
  /** Linear, 0 to 1; absent where ssrc-audio-level was not sent. */
  audioLevel?: number;
  receiveTime?: number;
  captureTime?: number;
}

interface RTCEncodedVideoFrameMetadata {
  receiveTime?: number;
}
