/**
 * Reads what a Google Meet page shows; the worker interprets it. Runs a few times a second, so it reads the page's text, which
 * costs the browser a layout, only when asked to or when no call is visible.
 *
 * @param {{elements: Record<string, string>, inCallView: string[], tile: string, phantomTile: string, nameField: string,
 *          dialog: string, dialogOk: string, withText: boolean}} wanted  CSS selectors; `inCallView` holds names of elements
 */
(wanted) => {
  const MAX_TEXT = 20000;
  const MAX_BUTTONS = 200;
  const MAX_LABEL = 100;
  /** @param {Element} element */
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  /** @param {string} selector */
  const seen = (selector) => [...document.querySelectorAll(selector)].some(visible);
  /** @param {Element} element @returns {string[]} */
  const labels = (element) => {
    const texts = [element, ...element.querySelectorAll("span")].map((part) => (part.textContent ?? "").trim());
    return [element.getAttribute("aria-label") ?? "", ...texts].filter((text) => text && text.length < MAX_LABEL);
  };
  /** @param {Element} element */
  const usable = (element) => visible(element) && !element.matches(":disabled, [aria-disabled=true]");
  /** @param {ParentNode} root */
  const buttons = (root) =>
    [...root.querySelectorAll("button, [role=button]")].slice(0, MAX_BUTTONS).filter(usable).flatMap(labels);
  /** @param {Element} element */
  const lines = (element) => /** @type {HTMLElement} */ (element).innerText.split("\n");

  const elements = Object.entries(wanted.elements).flatMap(([name, selector]) => (seen(selector) ? [name] : []));
  const inCallView = wanted.inCallView.some((name) => elements.includes(name));
  const tiles = [...document.querySelectorAll(wanted.tile)].filter((tile) => !tile.matches(wanted.phantomTile));
  /** The page's text without the lines of tiles, which participants choose. */
  const text = () => {
    const names = new Set(tiles.flatMap(lines));
    const all = document.body ? lines(document.body) : [];
    return all.filter((line) => !names.has(line)).join("\n").slice(0, MAX_TEXT);
  };
  const name = /** @type {HTMLInputElement | undefined} */ (
    [...document.querySelectorAll(wanted.nameField)].find(visible)
  );
  return {
    host: location.hostname,
    language: document.documentElement.lang,
    elements,
    tiles: tiles.length,
    name: name ? name.value : null,
    buttons: buttons(document),
    headings: [...document.querySelectorAll("h1")].filter(visible).map((heading) => (heading.textContent ?? "").trim()),
    dialogs: [...document.querySelectorAll(wanted.dialog)].filter(visible).map((dialog) => ({
      text: /** @type {HTMLElement} */ (dialog).innerText.slice(0, MAX_TEXT),
      buttons: buttons(dialog),
      ok: [...document.querySelectorAll(wanted.dialogOk)].some((button) => dialog.contains(button) && usable(button)),
    })),
    text: wanted.withText || !inCallView ? text() : "",
  };
}
