"use strict";

/**
 * A batch of frames as one MessagePack value: [document, sequence, dropped, [frame, …]]. Each frame is written when it arrives, so
 * that closing a batch costs little; the header has a fixed size and is filled in last. The classes of audio and of video write
 * the frames' fields.
 */
class MessagePackBatch {
  static HEADER_BYTES = 21;

  #bytes = new Uint8Array(16_384);
  #view = new DataView(this.#bytes.buffer);
  #end = MessagePackBatch.HEADER_BYTES;
  #frames = 0;
  /** @type {Map<string, Uint8Array>} */
  #texts = new Map();
  #origin;

  /** @param {number} origin performance.timeOrigin, to which the frames' times are relative, in milliseconds */
  constructor(origin) {
    this.#origin = origin;
  }

  get frames() {
    return this.#frames;
  }

  /** Bytes so far, with the header. */
  get size() {
    return this.#end;
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
    this.array(4);
    for (const value of [document, sequence, dropped]) {
      this.byte(0xce);
      this.#view.setUint32(this.#end, value);
      this.#end += 4;
    }
    this.byte(0xdd);
    this.#view.setUint32(this.#end, this.#frames);
    this.clear();
    return this.#bytes.subarray(0, end).toBase64();
  }

  /** Discards the frames. */
  clear() {
    this.#end = MessagePackBatch.HEADER_BYTES;
    this.#frames = 0;
  }

  /**
   * Begins a frame: an array of `fields`, which must follow.
   * @param {number} fields at most 15
   * @param {number} bytes room that the frame needs at most
   */
  begin(fields, bytes) {
    if (this.#end + bytes > this.#bytes.length) this.#grow(bytes);
    this.#view.setUint8(this.#end++, 0x90 | fields);
    this.#frames += 1;
  }

  /** @param {number} bytes */
  #grow(bytes) {
    const larger = new Uint8Array(2 * (this.#end + bytes));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** @param {number} length at most 15 */
  array(length) {
    this.#view.setUint8(this.#end++, 0x90 | length);
  }

  /** @param {number} value */
  byte(value) {
    this.#view.setUint8(this.#end++, value);
  }

  /** @param {number} value 32-bit */
  uint(value) {
    if (value < 0x80) {
      this.#view.setUint8(this.#end++, value);
    } else {
      this.byte(0xce);
      this.#view.setUint32(this.#end, value);
      this.#end += 4;
    }
  }

  /** @param {number | undefined} value */
  doubleOrNil(value) {
    if (value === undefined || !Number.isFinite(value)) {
      this.byte(0xc0);
    } else {
      this.byte(0xcb);
      this.#view.setFloat64(this.#end, value);
      this.#end += 8;
    }
  }

  /**
   * Unix seconds.
   * @param {number | undefined} milliseconds from the origin
   */
  timeOrNil(milliseconds) {
    this.doubleOrNil(milliseconds === undefined ? undefined : (this.#origin + milliseconds) / 1000);
  }

  /**
   * The text in UTF-8, of which there must be few different ones.
   * @param {string} text
   */
  encoded(text) {
    let encoded = this.#texts.get(text);
    if (!encoded) {
      encoded = new TextEncoder().encode(text).subarray(0, 0xff);
      this.#texts.set(text, encoded);
    }
    return encoded;
  }

  /** @param {Uint8Array} encoded at most 255 bytes */
  text(encoded) {
    this.#view.setUint8(this.#end++, 0xd9);
    this.#view.setUint8(this.#end++, encoded.length);
    this.#copy(encoded);
  }

  /** @param {Uint8Array} bytes */
  binary(bytes) {
    this.byte(0xc6);
    this.#view.setUint32(this.#end, bytes.length);
    this.#end += 4;
    this.#copy(bytes);
  }

  /** @param {Uint8Array} bytes */
  #copy(bytes) {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }
}
