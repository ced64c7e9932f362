/** Reads who speaks from the outlines of Teams' tiles, and captions as the page shows them. */

(() => {
  const OUTLINE = "[data-tid='voice-level-stream-outline']";
  const CAPTIONS = "[data-tid='closed-caption-renderer-wrapper'], [data-tid='closed-caption-v2-virtual-list-content']";

  /** @param {string} name the tile's, whose outline moved */
  function noteOutline(name) {
    if (!window.foreign.outlined.includes(name)) window.foreign.outlined.push(name);
  }

  /** @param {Element} caption */
  function noteCaption(caption) {
    const text = caption.textContent ?? "";
    const who = caption.parentElement?.querySelector("[data-tid=author]")?.textContent ?? "";
    const shown = window.foreign.captions;
    if (text && !shown.some((each) => each.who === who && each.text === text)) shown.push({ who, text });
  }

  const observer = new MutationObserver((mutations) => {
    for (const { target, type } of mutations) {
      if (!(target instanceof Element)) continue;
      const tile = target.closest("[data-stream-type][data-tid]");
      if (type === "attributes" && target.matches(OUTLINE) && tile) noteOutline(tile.getAttribute("data-tid") ?? "");
    }
    for (const caption of document.querySelectorAll(`:is(${CAPTIONS}) [data-tid=closed-caption-text]`)) noteCaption(caption);
  });
  observer.observe(document, {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
    attributeFilter: ["class", "style"],
  });
})();
