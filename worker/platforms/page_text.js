/**
 * The text that `root` shows, line by line, without the elements that `leftOut` selects. Where nothing is left out it is
 * innerText, which the browser computes much faster than this can.
 *
 * @param {HTMLElement} root
 * @param {string} leftOut a CSS selector
 * @returns {string}
 */
(root, leftOut) => {
  const omitted = new Set(root.querySelectorAll(leftOut));
  /** @type {Set<Element | null>} */
  const around = new Set();
  for (const element of omitted) {
    for (let outer = element.parentElement; outer && !around.has(outer); outer = outer.parentElement) around.add(outer);
  }
  /** @param {HTMLElement} element @returns {string} */
  const read = (element) => {
    if (!around.has(element)) return element.innerText;
    const isVisible = getComputedStyle(element).visibility === "visible";
    let text = "";
    for (const node of element.childNodes) {
      if (node instanceof Text && isVisible) text += node.data.replace(/\s+/g, " ");
      if (!(node instanceof HTMLElement) || omitted.has(node)) continue;
      const { display } = getComputedStyle(node);
      if (display === "none") continue;
      text += display.startsWith("inline") || display === "contents" ? read(node) : `\n${read(node)}\n`;
    }
    return text;
  };
  return root.closest(leftOut) ? "" : read(root);
}
