/**
 * Reads protobuf by a schema, as generated readers do: a known field of another wire type, a text that is no UTF-8 or an end
 * too early is an error; unknown fields are skipped.
 */

/**
 * @typedef {Record<number, [name: string, kind: "number" | "text" | ForeignSchema, repeated?: "repeated"]>} ForeignSchema
 */

class ForeignProtobuf {
  static #utf8 = new TextDecoder("utf-8", { fatal: true });

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {ForeignSchema} schema
   * @returns {any}
   */
  static read(bytes, schema) {
    const reader = new ForeignProtobuf(bytes);
    /** @type {Record<string, any>} */
    const message = {};
    while (reader.at < bytes.length) {
      const tag = reader.#varint();
      const [number, wireType] = [Math.floor(tag / 8), tag % 8];
      const field = schema[number];
      if (!field) {
        reader.#skip(wireType);
        continue;
      }
      const [name, kind, repeated] = field;
      const value = reader.#value(kind, wireType, name);
      if (repeated) (message[name] ??= []).push(value);
      else message[name] = value;
    }
    return message;
  }

  /** @param {"number" | "text" | ForeignSchema} kind @param {number} wireType @param {string} name */
  #value(kind, wireType, name) {
    if (wireType !== (kind === "number" ? 0 : 2)) throw new Error(`${name}: wire type ${wireType}`);
    if (kind === "number") return this.#varint();
    const bytes = this.#take(this.#varint());
    return kind === "text" ? ForeignProtobuf.#utf8.decode(bytes) : ForeignProtobuf.read(bytes, kind);
  }

  /** @param {number} length */
  #take(length) {
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw new Error("it ends too early");
    return this.bytes.subarray(start, this.at);
  }

  /** As a double: exact up to 2 ** 53. */
  #varint() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const [byte] = this.#take(1);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** @param {number} wireType */
  #skip(wireType) {
    if (wireType === 0) this.#varint();
    else if (wireType === 2) this.#take(this.#varint());
    else if (wireType === 1 || wireType === 5) this.#take(wireType === 1 ? 8 : 4);
    else throw new Error(`wire type ${wireType}`);
  }
}
