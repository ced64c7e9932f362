/**
 * Keeps Teams' launcher from opening the app, which is not installed. Runs in every frame before the page's own scripts. For a
 * link to an app, Chromium opens an invisible dialog, and the page gets no clicks until it is answered.
 */
(() => {
  /** @param {unknown} url */
  const opensApp = (url) => /^\s*msteams:/i.test(String(url));

  const src = Object.getOwnPropertyDescriptor(HTMLIFrameElement.prototype, "src");
  if (src?.set) {
    const { set } = src;
    Object.defineProperty(HTMLIFrameElement.prototype, "src", {
      ...src,
      /** @this {HTMLIFrameElement} @param {string} url */
      set(url) {
        if (!opensApp(url)) set.call(this, url);
      },
    });
  }

  const { setAttribute } = Element.prototype;
  /** @param {string} name @param {string} value */
  HTMLIFrameElement.prototype.setAttribute = function (name, value) {
    if (String(name).toLowerCase() !== "src" || !opensApp(value)) setAttribute.call(this, name, value);
  };

  const { navigation } = /** @type {{navigation?: EventTarget}} */ (/** @type {unknown} */ (window));
  navigation?.addEventListener("navigate", (event) => {
    const { destination } = /** @type {Event & {destination: {url: string}}} */ (event);
    if (opensApp(destination.url)) event.preventDefault();
  });
})();
