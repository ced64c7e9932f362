/** What a foreign script found out in one document; tests/support/foreign_bot.py reads it. */
interface ForeignNotes {
  /** What would have broken the script. */
  faults: string[];
  sockets: string[];
  localSocket: string;
  descriptions: { set: string; type: string; sdp: string }[];
  tracks: { kind: string; id: string; streams: string[] }[];
  /** Messages by the label of their data channel. */
  messages: Record<string, number>;
  /** By device or id. */
  people: Record<string, ForeignPerson>;
  /** Device or id by audio source. */
  sources: Record<string, string>;
  captions: { who: string; text: string }[];
  chat: string[];
  calls: string[];
  /** When somebody was heard to begin and to end, by source: the level passed a threshold. */
  speech: { source: number; speaks: boolean }[];
  /** Names whose outline moved with the voice. */
  outlined: string[];
}

interface ForeignPerson {
  name: string;
  isSelf: boolean;
  status: string;
}

interface Window {
  foreign: ForeignNotes;
  /** The port of a WebSocket server on this machine, as a bot has for what its script sends; 0: none. */
  foreignPort: number;
  /** Set by the page of Teams. */
  callingDebug?: any;
}
