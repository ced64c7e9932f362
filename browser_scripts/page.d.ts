// Types of what the page's scripts share; see worker/browser/injected_scripts.py for what puts them together.

/** Put in front of the scripts by the worker process. */
declare const CONFIG: {
  /** Name of the binding on window; taken off it before the page runs. */
  binding: string;
  /** Name of the event by which the worker process asks for all that is held. */
  flushEvent: string;
  /** The whole text of the Web Worker. */
  workerSource: string;
  limits: {
    /** Longest time that an event waits, in milliseconds. */
    batchMilliseconds: number;
    /** Batches that may be on their way to the worker process unanswered. */
    batchesInFlight: number;
    /** Room for events that wait, in bytes of JSON. */
    queuedEventBytes: number;
  };
};

/** Hands a batch to the worker process; resolves when that has taken it. */
type Post = (kind: "frames" | "events", body: string) => Promise<unknown>;

type AudioPath = "receivers" | "encoded";

/** One receiver that carries our transform. */
interface TappedReceiver {
  readonly index: number;
  readonly kind: string;
  readonly connection: number;
  readonly receiver: RTCRtpReceiver;
}

interface Tile {
  participant_id: string;
  name: string;
  sources: string[];
}

interface Window {
  [name: string]: any;
}
