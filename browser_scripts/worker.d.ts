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

/** Fields of Chromium that TypeScript's library lacks; times are in milliseconds from the worker's timeOrigin. */
interface RTCEncodedAudioFrameMetadata {
  /** Linear, 0 to 1; absent where ssrc-audio-level was not sent. */
  audioLevel?: number;
  receiveTime?: number;
  captureTime?: number;
}
