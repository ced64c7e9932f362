/**
 * Reads what a Microsoft Teams page shows; the worker interprets it. Runs a few times a second, so it reads the page's text,
 * which costs the browser a layout, only when asked to or when no call is visible.
 *
 * @param {{elements: [string, string, string[]][], callView: string[], nameField: string, headings: string, notices: string,
 *          modal: string, written: string, noEvidence: string, live: string, withText: boolean}} wanted  `elements`: name,
 *          CSS selector and button labels of each; `callView`: names of elements; the rest CSS selectors
 * @param {(root: HTMLElement, leftOut: string) => string} textWithout  page_text.js
 */
(wanted, textWithout) => {
  const MAX_TEXT = 20000;
  const MAX_BUTTONS = 200;
  const MAX_PARTS = 20;
  const MAX_LABEL = 100;
  /** @param {Element} element */
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  /** @param {string} selector */
  const all = (selector) => [...document.querySelectorAll(selector)].filter(visible);
  /** @param {Element} element */
  const usable = (element) => visible(element) && !element.closest(wanted.written) && !element.matches(":disabled, [aria-disabled=true]");
  /** @param {Element} element */
  const words = (element) => (element.textContent ?? "").trim();
  /** @param {Element} element @returns {string[]} */
  const labels = (element) => {
    const parts = [...element.querySelectorAll("*")].slice(0, MAX_PARTS);
    const texts = [element.getAttribute("aria-label") ?? "", ...[element, ...parts].map(words)];
    return [...new Set(texts)].filter((text) => text && text.length < MAX_LABEL);
  };
  /** @param {ParentNode} root */
  const buttons = (root) =>
    [...root.querySelectorAll("button, [role=button], [role=menuitem]")].slice(0, MAX_BUTTONS).filter(usable).flatMap(labels);
  /** @param {Element} element @param {string} leftOut */
  const text = (element, leftOut) => textWithout(/** @type {HTMLElement} */ (element), leftOut).slice(0, MAX_TEXT);

  const pressable = new Set(buttons(document));
  const elements = wanted.elements.flatMap(([name, selector, known]) =>
    known.some((label) => pressable.has(label)) || (selector && all(selector).length) ? [name] : [],
  );
  const inCallView = wanted.callView.some((call) => elements.includes(call));
  const withText = (wanted.withText || !inCallView) && document.body;
  const headings = withText ? all(wanted.headings).filter((heading) => !heading.closest(wanted.noEvidence)) : [];
  const live = withText ? all(wanted.live).filter((region) => !region.parentElement?.closest(wanted.live)) : [];
  const [name] = /** @type {HTMLInputElement[]} */ (all(wanted.nameField));
  return {
    url: location.href,
    language: document.documentElement.lang,
    elements,
    name: name ? name.value : null,
    headings: headings.map((heading) => text(heading, wanted.noEvidence)),
    notices: all(wanted.notices).map((notice) => ({
      text: text(notice, wanted.written),
      buttons: buttons(notice),
      modal: notice.matches(wanted.modal),
    })),
    text: withText ? text(document.body, `${wanted.noEvidence}, ${wanted.live}`) : "",
    announced: live.map((region) => text(region, wanted.noEvidence)).join("\n"),
  };
}
