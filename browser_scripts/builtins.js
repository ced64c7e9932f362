"use strict";

/*
 * The built-ins that our scripts use after the page's own began, kept before the page can replace them. Everything that is reached
 * by a name at that time may be the page's: globals, methods, getters, the iterators behind `for of`, spread and array patterns,
 * and toJSON of what is turned into JSON. So these are called in their place, arrays are read by index, and promises are awaited.
 */

const { apply, construct, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys, setPrototypeOf } = Reflect;

/**
 * A function that calls the method as it is now.
 * @param {any} owner
 * @param {string} name
 * @returns {(self: any, ...args: any[]) => any}
 */
function keptMethod(owner, name) {
  const method = owner[name];
  return (self, ...args) => apply(method, self, args);
}

/**
 * A function that reads the property, with the getter as it is now.
 * @param {any} owner
 * @param {string | symbol} name
 * @returns {(self: any) => any}
 */
function keptGetter(owner, name) {
  const get = getOwnPropertyDescriptor(owner, name)?.get;
  return get ? (self) => apply(get, self, []) : (self) => self[name];
}

/**
 * A subclass with own methods, which are as they are now.
 * @template {new (...args: any[]) => any} Constructor
 * @param {Constructor} constructor
 * @returns {Constructor}
 */
function keptClass(constructor) {
  const kept = class extends constructor {};
  for (const name of ownKeys(constructor.prototype)) {
    const descriptor = getOwnPropertyDescriptor(constructor.prototype, name);
    if (name !== "constructor" && descriptor) defineProperty(kept.prototype, name, descriptor);
  }
  return kept;
}

/** They have no arguments: `new KeptMap(entries)` would iterate. Read them with forEach. */
const KeptMap = keptClass(Map);
const KeptSet = keptClass(Set);
const KeptWeakMap = keptClass(WeakMap);

/** What all typed arrays inherit. */
const TypedArray = /** @type {any} */ (getPrototypeOf(Uint8Array.prototype));

const kept = Object.freeze({
  __proto__: null,
  addListener: keptMethod(EventTarget.prototype, "addEventListener"),
  /** @type {(constructor: any, value: unknown) => boolean} */
  isInstance: keptMethod(Function.prototype, /** @type {any} */ (Symbol.hasInstance)),
  isArray: Array.isArray,
  isView: ArrayBuffer.isView,
  createObject: Object.create,
  text: String,
  stringify: JSON.stringify,
  setTimeout: window.setTimeout.bind(window),
  setInterval: window.setInterval.bind(window),
  now: performance.now.bind(performance),
  timeOrigin: performance.timeOrigin,
  slice: keptMethod(String.prototype, "slice"),
  trim: keptMethod(String.prototype, "trim"),
  includes: keptMethod(String.prototype, "includes"),
  startsWith: keptMethod(String.prototype, "startsWith"),
  toWellFormed: keptMethod(String.prototype, "toWellFormed"),
  exec: keptMethod(RegExp.prototype, "exec"),
  toBase64: keptMethod(Uint8Array.prototype, "toBase64"),
  setBytes: keptMethod(TypedArray, "set"),
  byteLength: keptGetter(TypedArray, "byteLength"),
  encode: ((encoder, encode) => (/** @type {string} */ text) => encode(encoder, text))(
    new TextEncoder(),
    keptMethod(TextEncoder.prototype, "encode"),
  ),
  decode: ((decoder, decode) => (/** @type {Uint8Array} */ bytes) => decode(decoder, bytes))(
    new TextDecoder(),
    keptMethod(TextDecoder.prototype, "decode"),
  ),
  /** The origin and the path of an address, without its query. */
  location: ((Address, origin, path) => (/** @type {string} */ address) => {
    const url = new Address(address);
    return origin(url) + path(url);
  })(URL, keptGetter(URL.prototype, "origin"), keptGetter(URL.prototype, "pathname")),
  Uint8Array,
  messageData: keptGetter(MessageEvent.prototype, "data"),
});

/**
 * The value as JSON. Objects and arrays in it must have no prototype: see plain().
 * @param {unknown} value
 * @returns {string}
 */
function toJson(value) {
  return kept.stringify(value, wellFormed);
}

/**
 * Half a surrogate pair, in a name or where it was cut, is invalid Unicode and would make what contains it invalid.
 * @param {string} _key
 * @param {unknown} value
 */
function wellFormed(_key, value) {
  return typeof value === "string" ? kept.toWellFormed(value) : value;
}

/**
 * Takes the prototype away, so that no toJSON of the page is found.
 * @template {object} T
 * @param {T} value
 */
function plain(value) {
  setPrototypeOf(value, null);
  return value;
}

/**
 * A copy of the bytes of an ArrayBuffer or a view; slice() would ask the page which constructor to use.
 * @param {ArrayBuffer | ArrayBufferView} data
 */
const copyBytes = ((typeName, typed, dataView) => (/** @type {any} */ data) => {
  let bytes;
  if (kept.isView(data)) {
    const view = typeName(data) === undefined ? dataView : typed;
    bytes = new kept.Uint8Array(view.buffer(data), view.byteOffset(data), view.byteLength(data));
  } else {
    bytes = new kept.Uint8Array(data);
  }
  const copy = new kept.Uint8Array(kept.byteLength(bytes));
  kept.setBytes(copy, bytes);
  return copy;
})(keptGetter(TypedArray, Symbol.toStringTag), keptView(TypedArray), keptView(DataView.prototype));

/** @param {object} prototype */
function keptView(prototype) {
  return {
    buffer: keptGetter(prototype, "buffer"),
    byteOffset: keptGetter(prototype, "byteOffset"),
    byteLength: keptGetter(prototype, "byteLength"),
  };
}

/** Unix time in seconds, on the clock that also stamps the frames. */
function unixNow() {
  return (kept.timeOrigin + kept.now()) / 1000;
}
