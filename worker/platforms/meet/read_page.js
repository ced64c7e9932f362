/**
 * Reads what a Google Meet page shows; the worker interprets it. Runs a few times a second, so it reads the page's text, which
 * costs the browser a layout, only when asked to or when no call is visible.
 *
 * @param {{elements: Record<string, string>, inCallView: string[], tile: string, phantomTile: string, nameField: string,
 *          leave: string, dialog: string, dialogOk: string, written: string, live: string, withText: boolean,
 *          layouts: {dialog: string, choice: string, slider: string} | null}} wanted  CSS selectors; `inCallView` holds names of
 *          elements
 * @param {(root: HTMLElement, leftOut: string) => string} textWithout  page_text.js
 */
(wanted, textWithout) => {
  const MAX_TEXT = 20000;
  const MAX_BUTTONS = 200;
  const MAX_LABEL = 100;
  const MAX_CHOICES = 20;
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
  const own = (element) => !element.closest(wanted.written);
  /** @param {Element} element */
  const usable = (element) => visible(element) && own(element) && !element.matches(":disabled, [aria-disabled=true]");
  const BUTTONS = "button, [role=button], [role=menuitem]";
  /** @param {ParentNode} root @returns {string[][]} */
  const labelsOfButtons = (root) => [...root.querySelectorAll(BUTTONS)].slice(0, MAX_BUTTONS).filter(usable).map(labels);
  /** @param {Element} element @param {string} leftOut */
  const text = (element, leftOut) => textWithout(/** @type {HTMLElement} */ (element), leftOut).slice(0, MAX_TEXT);

  const elements = Object.entries(wanted.elements).flatMap(([name, selector]) => (seen(selector) ? [name] : []));
  const inCallView = wanted.inCallView.some((name) => elements.includes(name));
  const withText = (wanted.withText || !inCallView) && document.body;
  const tiles = [...document.querySelectorAll(wanted.tile)].filter((tile) => !tile.matches(wanted.phantomTile));
  const dialogs = [...document.querySelectorAll(wanted.dialog)].filter((dialog) => visible(dialog) && own(dialog));
  const live = withText
    ? [...document.querySelectorAll(wanted.live)].filter((region) => visible(region) && !region.parentElement?.closest(wanted.live))
    : [];
  /** @param {string} selector */
  const inputs = (selector) => /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll(selector)]);
  const layouts = wanted.layouts ? [...document.querySelectorAll(wanted.layouts.dialog)].filter(visible) : [];
  const choices = wanted.layouts && layouts.length ? inputs(wanted.layouts.choice).slice(0, MAX_CHOICES) : [];
  const [slider] = wanted.layouts && layouts.length ? inputs(wanted.layouts.slider).filter(visible) : [];
  /** @param {Element} tile */
  const isPresentation = (tile) => {
    const media = tile.getAttribute("data-tile-media-id");
    return media !== null && media !== tile.getAttribute("data-participant-id") && visible(tile);
  };
  const name = /** @type {HTMLInputElement | undefined} */ (
    [...document.querySelectorAll(wanted.nameField)].find(visible)
  );
  return {
    host: location.hostname,
    language: document.documentElement.lang,
    elements,
    tiles: new Set(tiles.map((tile) => tile.getAttribute("data-participant-id"))).size,
    names: dialogs.length ? tiles.filter(visible).flatMap((tile) => text(tile, ":not(*)").split("\n")) : [],
    name: name ? name.value : null,
    buttons: labelsOfButtons(document).flat(),
    leave_label: [...document.querySelectorAll(wanted.leave)].filter(usable).flatMap(labels)[0] ?? "",
    headings: [...document.querySelectorAll("h1")]
      .filter((heading) => visible(heading) && own(heading))
      .map((heading) => (heading.textContent ?? "").trim()),
    dialogs: dialogs.map((dialog) => ({
      text: text(dialog, wanted.written),
      question: text(dialog, `${wanted.written}, ${BUTTONS}`),
      buttons: labelsOfButtons(dialog).flat(),
      answers: labelsOfButtons(dialog).map((labels) => labels[0] ?? ""),
      layouts: layouts.includes(dialog),
      ok: [...document.querySelectorAll(wanted.dialogOk)].some((button) => dialog.contains(button) && usable(button)),
    })),
    text: withText ? text(document.body, `${wanted.written}, ${wanted.live}`) : "",
    announced: live.map((region) => text(region, wanted.written)).join("\n"),
    layouts: choices.map((choice) => ({
      label: (choice.labels?.[0]?.textContent ?? choice.getAttribute("aria-label") ?? "").trim().slice(0, MAX_LABEL),
      chosen: choice.checked,
    })),
    slider: slider ? { value: Math.round(Number(slider.value)), most: Math.round(Number(slider.max) || 0) } : null,
    presented: wanted.layouts ? tiles.filter(isPresentation).length : 0,
  };
}
