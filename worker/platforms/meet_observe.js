/**
 * One look at a Google Meet page: what it shows, not what that means. Evaluated by the worker a few times a second, so it reads
 * the page's text, which makes the browser lay it out, only when asked to or when there is no call to be seen.
 *
 * @param {{callControls: string, captions: string, leave: string, tile: string, phantomTile: string, nameField: string,
 *          dialog: string, microphoneOn: string, cameraOn: string, withText: boolean}} wanted  CSS selectors
 */
(wanted) => {
  const MAX_TEXT = 20000;
  const MAX_BUTTONS = 200;
  /** @param {Element} element */
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  /** @param {string} selector */
  const seen = (selector) => [...document.querySelectorAll(selector)].some(visible);
  /** @param {Element} element @returns {string[]} */
  const labels = (element) => {
    const texts = [element, ...element.querySelectorAll("span")].map((part) => (part.textContent ?? "").trim());
    return [element.getAttribute("aria-label") ?? "", ...texts].filter((text) => text && text.length < 100);
  };
  /** @param {ParentNode} root */
  const buttons = (root) =>
    [...root.querySelectorAll("button, [role=button]")].slice(0, MAX_BUTTONS).filter(visible).flatMap(labels);

  const inCallView = seen(wanted.callControls) || seen(wanted.captions);
  const tiles = [...document.querySelectorAll(wanted.tile)].filter((tile) => !tile.matches(wanted.phantomTile));
  const name = /** @type {HTMLInputElement | undefined} */ (
    [...document.querySelectorAll(wanted.nameField)].find(visible)
  );
  return {
    url: location.href,
    language: document.documentElement.lang,
    call_controls: inCallView,
    leave_button: seen(wanted.leave),
    tiles: tiles.length,
    name: name ? name.value : null,
    microphone_on: seen(wanted.microphoneOn),
    camera_on: seen(wanted.cameraOn),
    buttons: buttons(document),
    headings: [...document.querySelectorAll("h1")].filter(visible).map((heading) => (heading.textContent ?? "").trim()),
    dialogs: [...document.querySelectorAll(wanted.dialog)].filter(visible).map((dialog) => ({
      text: /** @type {HTMLElement} */ (dialog).innerText.slice(0, MAX_TEXT),
      buttons: buttons(dialog),
    })),
    text: wanted.withText || !inCallView ? (document.body?.innerText ?? "").slice(0, MAX_TEXT) : "",
  };
}
