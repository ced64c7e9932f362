"use strict";

/** The page may put its own in place of these later. */
const addListener = EventTarget.prototype.addEventListener;

/**
 * Calls `after` with what a method was called on, and its result, whenever the page calls it. The page sees the method as it
 * was: same name, length, errors and result.
 * @param {any} owner
 * @param {string} name
 * @param {(self: any, result: any) => void} after
 * @param {PageEvents} events
 */
function observeMethod(owner, name, after, events) {
  const descriptor = owner && Object.getOwnPropertyDescriptor(owner, name);
  if (typeof descriptor?.value !== "function") return;
  const value = new Proxy(descriptor.value, {
    apply(native, self, args) {
      const result = Reflect.apply(native, self, args);
      events.guard(name, () => after(self, result));
      return result;
    },
  });
  Object.defineProperty(owner, name, { ...descriptor, value });
}

/**
 * Calls `then` when the promise is fulfilled; a failure stays the page's own affair.
 * @param {unknown} promise
 * @param {(value: any) => void} then
 */
function whenFulfilled(promise, then) {
  if (promise instanceof Promise) promise.then(then, () => {});
}
