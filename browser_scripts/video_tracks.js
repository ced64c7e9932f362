"use strict";

/**
 * Reports which media streams the track of each video receiver belongs to, and what its line of the page's description says: the
 * roster names them, and so tells whose the video is.
 */
class VideoTracks {
  /** Bounds of what is read of a description, which the page makes. */
  static MAX_CHARACTERS = 1_000_000;
  static MAX_LINES = 100;
  static MAX_STREAMS = 16;
  static MAX_ID_CHARACTERS = 200;
  static #OF_SSRC = /^a=ssrc:\d+ msid:(\S+)/;
  static #OF_LINE = /^a=msid:(\S+)/;

  #tap;
  #events;
  /** The lines of each connection's latest remote description. @type {WeakMap<RTCPeerConnection, Map<string, VideoLine>>} */
  #lines = new KeptWeakMap();
  /** The streams of the last `track` event of each receiver. @type {WeakMap<RTCRtpReceiver, string[]>} */
  #streams = new KeptWeakMap();
  /** What was last reported of each receiver. @type {WeakMap<RTCRtpReceiver, string>} */
  #reported = new KeptWeakMap();
  #getTransceivers = keptMethod(RTCPeerConnection.prototype, "getTransceivers");
  #mid = keptGetter(RTCRtpTransceiver.prototype, "mid");
  #receiver = keptGetter(RTCRtpTransceiver.prototype, "receiver");
  #transceiver = keptGetter(RTCTrackEvent.prototype, "transceiver");
  #eventStreams = keptGetter(RTCTrackEvent.prototype, "streams");
  #streamId = keptGetter(MediaStream.prototype, "id");
  #Description = RTCSessionDescription;
  #sdp = keptGetter(RTCSessionDescription.prototype, "sdp");

  /**
   * @param {Tap} tap
   * @param {PageEvents} events
   */
  constructor(tap, events) {
    this.#tap = tap;
    this.#events = events;
  }

  /**
   * Takes the argument of setRemoteDescription when the page calls it: its `track` events come before its promise is fulfilled.
   * Chromium's own copy of the description lacks the attributes that Chromium does not know.
   * @param {RTCPeerConnection} connection
   * @param {unknown} description
   */
  describe(connection, description) {
    const sdp = this.#text(description);
    if (typeof sdp !== "string" || sdp.length > VideoTracks.MAX_CHARACTERS) return;
    this.#lines.set(connection, VideoTracks.linesOf(sdp));
  }

  /**
   * The description as text. Only where an object of the page computes it, code of the page runs, as it does for Chromium.
   * @param {any} description
   * @returns {unknown}
   */
  #text(description) {
    if (typeof description !== "object" || description === null) return undefined;
    const own = getOwnPropertyDescriptor(description, "sdp");
    if (own) return own.value ?? description.sdp;
    return kept.isInstance(this.#Description, description) ? this.#sdp(description) : description.sdp;
  }

  /**
   * @param {RTCPeerConnection} connection
   * @param {Event} event a `track` event
   */
  take(connection, event) {
    const transceiver = this.#transceiver(event);
    const streams = this.#eventStreams(event);
    /** @type {string[]} */
    const ids = plain([]);
    for (let index = 0; index < streams.length; index += 1) VideoTracks.#addStream(ids, this.#streamId(streams[index]));
    this.#streams.set(this.#receiver(transceiver), ids);
    this.#report(connection, transceiver, true);
  }

  /**
   * Reports the receivers whose line has changed with the description.
   * @param {RTCPeerConnection} connection
   */
  check(connection) {
    const transceivers = this.#getTransceivers(connection);
    for (let index = 0; index < transceivers.length; index += 1) this.#report(connection, transceivers[index], false);
  }

  /**
   * @param {RTCPeerConnection} connection
   * @param {RTCRtpTransceiver} transceiver
   * @param {boolean} isNew whether a `track` event came, which is reported in any case
   */
  #report(connection, transceiver, isNew) {
    const receiver = this.#receiver(transceiver);
    const tapped = this.#tap.tapped(receiver);
    if (tapped?.kind !== "video") return;
    const mid = this.#mid(transceiver) ?? "";
    const line = this.#lines.get(connection)?.get(mid);
    const ofEvent = this.#streams.get(receiver);
    const streams = !isNew && line?.streams.length ? line.streams : (ofEvent ?? line?.streams);
    if (!streams) return;
    const fields = { connection: tapped.connection, receiver: tapped.index, streams, mid, slot: line?.slot ?? "" };
    const reading = toJson(plain({ ...fields }));
    if (!isNew && reading === this.#reported.get(receiver)) return;
    this.#reported.set(receiver, reading);
    this.#events.add("video_track_seen", fields);
  }

  /**
   * What a description says of its lines of video, by mid: the ids of the streams (`a=msid`, RFC 8830), and the id by which
   * Microsoft Teams names the line's slot (`a=x-source-streamid`).
   * @param {string} sdp
   * @returns {Map<string, VideoLine>}
   */
  static linesOf(sdp) {
    /** @type {Map<string, VideoLine>} */
    const lines = new KeptMap();
    const next = /([^\r\n]*)[\r\n]*/y;
    let mid = "";
    /** @type {VideoLine | undefined} */
    let line;
    const end = () => void (line && mid && lines.size < VideoTracks.MAX_LINES && lines.set(mid, line));
    for (let found; (found = kept.exec(next, sdp)) && found[0]; ) {
      const text = found[1];
      if (kept.startsWith(text, "m=")) {
        end();
        mid = "";
        line = kept.startsWith(text, "m=video ") ? { streams: plain([]), slot: "" } : undefined;
      } else if (line && kept.startsWith(text, "a=mid:")) {
        mid = kept.slice(text, 6);
      } else if (line && kept.startsWith(text, "a=x-source-streamid:")) {
        line.slot = kept.trim(kept.slice(text, 20, 20 + VideoTracks.MAX_ID_CHARACTERS));
      } else if (line) {
        const msid = kept.exec(VideoTracks.#OF_LINE, text) ?? kept.exec(VideoTracks.#OF_SSRC, text);
        if (msid && msid[1] !== "-") VideoTracks.#addStream(line.streams, msid[1]);
      }
    }
    end();
    return lines;
  }

  /**
   * @param {string[]} ids without a prototype
   * @param {string} id
   */
  static #addStream(ids, id) {
    const short = kept.slice(id, 0, VideoTracks.MAX_ID_CHARACTERS);
    for (let index = 0; index < ids.length; index += 1) if (ids[index] === short) return;
    if (ids.length < VideoTracks.MAX_STREAMS) ids[ids.length] = short;
  }
}
