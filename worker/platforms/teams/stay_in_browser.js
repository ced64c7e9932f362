/**
 * Keeps Teams' launcher from opening the app, which is not there. Put into every frame before the page's own scripts. Chromium
 * answers a link to an app with a question of its own that nobody sees, and until it is answered the page gets no clicks.
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
