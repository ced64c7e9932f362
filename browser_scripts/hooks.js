"use strict";

/**
 * Calls `after` with the object, the result and the arguments of each call that the page makes of a method. To the page the
 * method looks unchanged: same name, length, errors and result.
 * @param {any} owner
 * @param {string} name
 * @param {(self: any, result: any, args: any[]) => void} after
 * @param {PageEvents} events
 */
function observeMethod(owner, name, after, events) {
  const descriptor = owner && getOwnPropertyDescriptor(owner, name);
  if (typeof descriptor?.value !== "function") return;
  const value = new Proxy(
    descriptor.value,
    plain({
      apply(/** @type {any} */ native, /** @type {any} */ self, /** @type {any[]} */ args) {
        const result = apply(native, self, args);
        events.guard(name, () => after(self, result, args));
        return result;
      },
    }),
  );
  defineProperty(owner, name, { ...descriptor, value });
}

/**
 * Calls `after` with each object that the page makes with the constructor `window[name]`, which looks unchanged to it.
 * @param {string} name
 * @param {(made: any) => void} after
 * @param {PageEvents} events
 */
function observeConstructor(name, after, events) {
  const native = window[name];
  /** @type {any} */
  const hooked = new Proxy(
    native,
    plain({
      construct(/** @type {any} */ target, /** @type {any[]} */ args, /** @type {any} */ newTarget) {
        const made = construct(target, args, newTarget === hooked ? target : newTarget);
        events.guard(name, () => after(made));
        return made;
      },
    }),
  );
  /** @type {[object, string][]} */
  const places = [
    [native.prototype, "constructor"],
    [window, name],
  ];
  for (const [owner, key] of places) {
    const descriptor = getOwnPropertyDescriptor(owner, key);
    if (descriptor) defineProperty(owner, key, { ...descriptor, value: hooked });
  }
}

const NativePromise = Promise;

/**
 * Calls `then` when the promise is fulfilled; a rejection is left to the page. `then` must not throw.
 * @param {unknown} promise
 * @param {(value: any) => void} then
 */
async function whenFulfilled(promise, then) {
  if (!kept.isInstance(NativePromise, promise)) return;
  let value;
  try {
    value = await promise;
  } catch {
    return;
  }
  then(value);
}
