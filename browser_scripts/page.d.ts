// Types that the page's scripts share; worker/browser/injected_scripts.py joins the scripts.

/** Written in front of the scripts by the worker process. */
declare const CONFIG: {
  /** Name of the binding on window; removed before the page's scripts run. */
  binding: string;
  /** Name of the direct binding on window, which not every document has; removed as well. */
  directBinding: string;
  /** Name of the event by which the worker process requests everything that is queued. */
  flush: string;
  /** The whole text of the Web Worker. */
  workerSource: string;
  /** Name of the function by which the worker process requests key frames. */
  keyFrames: string;
  /** The limits of video, or null: the job asks for none. */
  video: { batchesInFlight: number } | null;
  limits: {
    /** Longest time that an event waits, in milliseconds. */
    batchMilliseconds: number;
    /** Batches that the worker process may not have acknowledged yet. */
    batchesInFlight: number;
    /** Room for events that wait, in bytes of JSON. */
    queuedEventBytes: number;
  };
};

/**
 * Sends a batch of frames, of video or of events, or the document's number with `document` or `heartbeat`, to the worker process; resolves
 * once it has been received, and is rejected where the worker process has ended.
 */
type Post = (kind: Batched | "document" | "heartbeat", body: string) => Promise<unknown>;

/** What is sent in batches. */
type Batched = "frames" | "video" | "events";

/** The receivers, each with its document, whose senders are asked for a key frame; null: all. */
type KeyFramesOf = [document: number, receiver: number][] | null;

type AudioPath = "receivers" | "encoded";

/** One receiver that carries our transform. */
interface TappedReceiver {
  readonly index: number;
  readonly kind: string;
  readonly connection: number;
  readonly receiver: RTCRtpReceiver;
}

/** What a description says of a line of video. */
interface VideoLine {
  /** Ids of media streams; without a prototype. */
  readonly streams: string[];
  slot: string;
}

interface Tile {
  participant_id: string;
  name: string;
  sources: string[];
  labels: string[];
  listed_in: string;
}

interface Window {
  [name: string]: any;
}
