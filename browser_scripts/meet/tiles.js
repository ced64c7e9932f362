"use strict";

/** Watches the roster attributes of the DOM and sends all of them whenever one changes. */
class Tiles {
  static #DEBOUNCE_MILLISECONDS = 250;
  static #MAX_TILES = 1000;
  static #MAX_LABELS = 8;
  static #MAX_TEXT = 1000;
  /** Icon fonts write an icon's name as text in elements that are not to be translated either. */
  static #NAMES = '.notranslate:not(i, i *, [aria-hidden="true"], [class*="material-icons"], [class*="symbols"])';
  static #BUTTONS = "button[aria-label], [role=button][aria-label]";
  static #attribute = keptMethod(Element.prototype, "getAttribute");
  static #closest = keptMethod(Element.prototype, "closest");
  static #find = keptMethod(Element.prototype, "querySelector");
  static #findAll = keptMethod(Element.prototype, "querySelectorAll");
  static #findAllInDocument = keptMethod(Document.prototype, "querySelectorAll");
  static #textContent = keptGetter(Node.prototype, "textContent");

  #events;
  #scheduled = false;
  #last = "[]";

  /** @param {PageEvents} events */
  constructor(events) {
    this.#events = events;
  }

  start() {
    new MutationObserver(() => this.#schedule()).observe(document, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeFilter: ["data-participant-id", "data-ssrc", "data-self-name", "aria-label"],
    });
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    kept.setTimeout(() => {
      this.#scheduled = false;
      this.#events.guard("Tiles", () => this.#look());
    }, Tiles.#DEBOUNCE_MILLISECONDS);
  }

  #look() {
    const tiles = Tiles.#read();
    const reading = toJson(tiles);
    if (reading === this.#last) return;
    this.#last = reading;
    this.#events.add("tiles_seen", { tiles });
  }

  /** A participant with several elements (a tile, a line in the list of people) is one tile. */
  static #read() {
    /** @type {Map<string, {name: string, sources: Set<string>, labels: Set<string>, listedIn: string}>} */
    const found = new KeptMap();
    Tiles.#each(document, "[data-participant-id]", (element) => {
      const id = Tiles.#attribute(element, "data-participant-id");
      if (!id || (found.size >= Tiles.#MAX_TILES && !found.has(id))) return;
      const listedIn = Tiles.#label(Tiles.#closest(element, "[role=list]"));
      const tile = found.get(id) ?? { name: "", sources: new KeptSet(), labels: new KeptSet(), listedIn };
      found.set(id, tile);
      tile.name ||= Tiles.#name(element);
      if (tile.listedIn !== listedIn) tile.listedIn = "";
      const add = (/** @type {Element} */ each) => {
        const source = Tiles.#attribute(each, "data-ssrc");
        if (source) tile.sources.add(source);
      };
      add(element);
      Tiles.#each(element, "[data-ssrc]", add);
      Tiles.#each(element, Tiles.#BUTTONS, (button) => {
        if (tile.labels.size < Tiles.#MAX_LABELS) tile.labels.add(Tiles.#label(button));
      });
    });
    /** @type {Tile[]} */
    const tiles = plain([]);
    found.forEach(({ name, sources, labels, listedIn }, id) => {
      tiles[tiles.length] = plain({
        participant_id: id,
        name,
        sources: Tiles.#listed(sources),
        labels: Tiles.#listed(labels),
        listed_in: listedIn,
      });
    });
    return tiles;
  }

  /** @param {Set<string>} values */
  static #listed(values) {
    /** @type {string[]} */
    const listed = plain([]);
    values.forEach((value) => void (listed[listed.length] = value));
    return listed;
  }

  /**
   * The name as the tile shows it, empty where it shows none. The attribute data-self-name comes last: it says "You".
   * @param {Element} tile
   */
  static #name(tile) {
    const self = Tiles.#find(tile, "[data-self-name]");
    const listed = Tiles.#attribute(tile, "role") === "listitem" ? Tiles.#label(tile) : "";
    let shown = "";
    Tiles.#each(tile, Tiles.#NAMES, (element) => void (shown ||= Tiles.#shown(element, Tiles.#textContent)));
    return (
      listed ||
      shown ||
      Tiles.#shown(self, Tiles.#textContent) ||
      Tiles.#label(tile) ||
      Tiles.#shown(self, (element) => Tiles.#attribute(element, "data-self-name")) ||
      Tiles.#shown(tile, (element) => Tiles.#attribute(element, "data-self-name"))
    );
  }

  /** @param {Element | null} element */
  static #label(element) {
    return Tiles.#shown(element, (labelled) => Tiles.#attribute(labelled, "aria-label"));
  }

  /**
   * @param {Element | null} element
   * @param {(element: Element) => string | null} read
   * @returns {string}
   */
  static #shown(element, read) {
    return kept.slice(kept.trim((element && read(element)) ?? ""), 0, Tiles.#MAX_TEXT);
  }

  /**
   * @param {Document | Element} root
   * @param {string} selector
   * @param {(element: Element) => void} take
   */
  static #each(root, selector, take) {
    const elements = (root === document ? Tiles.#findAllInDocument : Tiles.#findAll)(root, selector);
    for (let index = 0; elements[index]; index += 1) take(elements[index]);
  }
}

PLATFORM_PARTS.push(({ events }) => new Tiles(events).start());
