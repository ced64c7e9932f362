/**
 * The document as HTML, without scripts. In people's names, words and input, letters and digits become "x".
 * @param {string[]} secret selectors of the elements that show these
 * @returns {string}
 */
(secret) => {
  const copy = /** @type {HTMLElement} */ (document.documentElement.cloneNode(true));
  for (const element of copy.querySelectorAll("script, style, link, noscript, template, svg, img, video, canvas, iframe")) {
    element.remove();
  }
  const hide = (/** @type {string} */ text) => text.replace(/[\p{L}\p{N}]/gu, "x");
  for (const element of copy.querySelectorAll(secret.join(", "))) {
    for (const inner of [element, ...element.querySelectorAll("*")]) {
      for (const attribute of inner.attributes) {
        if (!["class", "role", "jsname", "type"].includes(attribute.name)) attribute.value = hide(attribute.value);
      }
      for (const node of inner.childNodes) if (node.nodeType !== Node.ELEMENT_NODE) node.nodeValue = hide(node.nodeValue ?? "");
    }
  }
  for (const element of copy.querySelectorAll("[value]")) element.setAttribute("value", "");
  for (const element of copy.querySelectorAll("[href], [src], [action]")) {
    for (const name of ["href", "src", "action"]) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.split(/[?#]/, 1)[0] ?? "");
    }
  }
  return copy.outerHTML;
}
