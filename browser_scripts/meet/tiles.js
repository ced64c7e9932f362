"use strict";

/** Watches the roster attributes of the DOM and sends all of them whenever one changes. */
class Tiles {
  static #DEBOUNCE_MILLISECONDS = 250;
  static #MAX_TILES = 1000;
  static #attribute = keptMethod(Element.prototype, "getAttribute");
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
    /** @type {Map<string, {name: string, sources: Set<string>}>} */
    const found = new KeptMap();
    Tiles.#each(document, "[data-participant-id]", (element) => {
      const id = Tiles.#attribute(element, "data-participant-id");
      if (!id || (found.size >= Tiles.#MAX_TILES && !found.has(id))) return;
      const tile = found.get(id) ?? { name: "", sources: new KeptSet() };
      found.set(id, tile);
      tile.name ||= Tiles.#name(element);
      const add = (/** @type {Element} */ each) => {
        const source = Tiles.#attribute(each, "data-ssrc");
        if (source) tile.sources.add(source);
      };
      add(element);
      Tiles.#each(element, "[data-ssrc]", add);
    });
    /** @type {Tile[]} */
    const tiles = plain([]);
    found.forEach(({ name, sources }, id) => {
      /** @type {string[]} */
      const listed = plain([]);
      sources.forEach((source) => void (listed[listed.length] = source));
      tiles[tiles.length] = plain({ participant_id: id, name, sources: listed });
    });
    return tiles;
  }

  /**
   * The name as the tile shows it, empty where it shows none. The attribute data-self-name comes last: it says "You".
   * @param {Element} tile
   */
  static #name(tile) {
    const self = Tiles.#find(tile, "[data-self-name]");
    return (
      Tiles.#shown(Tiles.#find(tile, ".notranslate"), Tiles.#textContent) ||
      Tiles.#shown(self, Tiles.#textContent) ||
      Tiles.#shown(tile, (element) => Tiles.#attribute(element, "aria-label")) ||
      Tiles.#shown(self, (element) => Tiles.#attribute(element, "data-self-name")) ||
      Tiles.#shown(tile, (element) => Tiles.#attribute(element, "data-self-name"))
    );
  }

  /**
   * @param {Element | null} element
   * @param {(element: Element) => string | null} read
   * @returns {string}
   */
  static #shown(element, read) {
    return kept.slice(kept.trim((element && read(element)) ?? ""), 0, 1000);
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
