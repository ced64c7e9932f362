// Types of what the Web Worker's scripts share; see worker/browser/injected_scripts.py for what puts them together.

/** Put in front of the scripts by the worker process. */
declare const LIMITS: {
  /** Longest time that a frame waits, in milliseconds. */
  batchMilliseconds: number;
  /** Batches that may be on their way to the worker process unanswered. */
  batchesInFlight: number;
  /** Room for batches that wait, in bytes of base64. */
  queuedFrameBytes: number;
};

/** What Chromium gives beyond TypeScript's library: times are in milliseconds from the worker's timeOrigin. */
interface RTCEncodedAudioFrameMetadata {
  /** Linear, 0 to 1; absent where ssrc-audio-level was not sent. */
  audioLevel?: number;
  receiveTime?: number;
  captureTime?: number;
}
