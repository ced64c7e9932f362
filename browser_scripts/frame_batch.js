"use strict";

/**
 * Writes frames as one MessagePack value of the shape of FrameBatch in worker/tape/events.py:
 * [document, sequence, dropped, [[receiver, ssrc, [csrc, …], sequence, timestamp, payload type, MIME type,
 * audio level | nil, arrival, captured | nil, payload], …]]. Each frame is written when it arrives, so that closing a batch costs
 * little; the header has a fixed size and is filled in last.
 */
class FrameBatch {
  static HEADER_BYTES = 21;
  /** Bytes of a frame beside MIME type and payload: integers, doubles, their type bytes and up to 15 CSRCs (RFC 3550 §5.1). */
  static FRAME_OVERHEAD_BYTES = 160;

  #bytes = new Uint8Array(16_384);
  #view = new DataView(this.#bytes.buffer);
  #end = FrameBatch.HEADER_BYTES;
  #frames = 0;
  /** @type {Map<string, Uint8Array>} */
  #mimeTypes = new Map();
  #origin;

  /** @param {number} origin performance.timeOrigin, to which the frames' times are relative, in milliseconds */
  constructor(origin) {
    this.#origin = origin;
  }

  get frames() {
    return this.#frames;
  }

  /**
   * Adds a frame. Must be called before the frame is passed on, which empties it.
   * @param {number} receiver
   * @param {RTCEncodedAudioFrame} frame
   * @param {number} now milliseconds from the origin, for a frame without a receive time
   */
  append(receiver, frame, now) {
    const metadata = frame.getMetadata();
    const payload = new Uint8Array(frame.data);
    const mimeType = this.#mimeType(metadata.mimeType ?? "");
    const csrcs = metadata.contributingSources ?? [];
    this.#reserve(FrameBatch.FRAME_OVERHEAD_BYTES + mimeType.length + payload.length);
    this.#byte(0x90 | 11);
    this.#uint(receiver);
    this.#uint(metadata.synchronizationSource ?? 0);
    this.#byte(0x90 | csrcs.length);
    for (const csrc of csrcs) this.#uint(csrc);
    this.#uint((metadata.sequenceNumber ?? 0) & 0xffff);
    this.#uint(metadata.rtpTimestamp ?? 0);
    this.#uint(metadata.payloadType ?? 0);
    this.#byte(0xd9);
    this.#byte(mimeType.length);
    this.#copy(mimeType);
    this.#doubleOrNil(metadata.audioLevel);
    this.#doubleOrNil(this.#unixSeconds(metadata.receiveTime ?? now));
    this.#doubleOrNil(this.#unixSeconds(metadata.captureTime));
    this.#byte(0xc6);
    this.#view.setUint32(this.#end, payload.length);
    this.#end += 4;
    this.#copy(payload);
    this.#frames += 1;
  }

  /**
   * Returns the batch in base64 and starts the next one.
   * @param {number} document
   * @param {number} sequence
   * @param {number} dropped
   */
  close(document, sequence, dropped) {
    const end = this.#end;
    this.#end = 0;
    this.#byte(0x90 | 4);
    for (const value of [document, sequence, dropped]) {
      this.#byte(0xce);
      this.#view.setUint32(this.#end, value);
      this.#end += 4;
    }
    this.#byte(0xdd);
    this.#view.setUint32(this.#end, this.#frames);
    this.clear();
    return this.#bytes.subarray(0, end).toBase64();
  }

  /** Discards the frames. */
  clear() {
    this.#end = FrameBatch.HEADER_BYTES;
    this.#frames = 0;
  }

  /** @param {string} text */
  #mimeType(text) {
    let encoded = this.#mimeTypes.get(text);
    if (!encoded) {
      encoded = new TextEncoder().encode(text).subarray(0, 0xff);
      this.#mimeTypes.set(text, encoded);
    }
    return encoded;
  }

  /** @param {number | undefined} milliseconds */
  #unixSeconds(milliseconds) {
    return milliseconds === undefined ? undefined : (this.#origin + milliseconds) / 1000;
  }

  /** @param {number} bytes */
  #reserve(bytes) {
    if (this.#end + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#end + bytes));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** @param {number} value */
  #byte(value) {
    this.#view.setUint8(this.#end++, value);
  }

  /** @param {Uint8Array} bytes */
  #copy(bytes) {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** @param {number} value */
  #uint(value) {
    if (value < 0x80) {
      this.#byte(value);
    } else {
      this.#byte(0xce);
      this.#view.setUint32(this.#end, value);
      this.#end += 4;
    }
  }

  /** @param {number | undefined} value */
  #doubleOrNil(value) {
    if (value === undefined || !Number.isFinite(value)) {
      this.#byte(0xc0);
    } else {
      this.#byte(0xcb);
      this.#view.setFloat64(this.#end, value);
      this.#end += 8;
    }
  }
}
