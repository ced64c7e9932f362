"use strict";

/** Watches the roster attributes of the DOM and sends all of them whenever one changes. */
class Tiles {
  static #DEBOUNCE_MILLISECONDS = 250;
  static #MAX_TILES = 1000;

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
    window.setTimeout(() => {
      this.#scheduled = false;
      this.#events.guard("Tiles", () => this.#look());
    }, Tiles.#DEBOUNCE_MILLISECONDS);
  }

  #look() {
    const tiles = Tiles.#read();
    const reading = JSON.stringify(tiles);
    if (reading === this.#last) return;
    this.#last = reading;
    this.#events.add("tiles_seen", { tiles });
  }

  /** A participant with several elements (a tile, a line in the list of people) is one tile. */
  static #read() {
    /** @type {Map<string, Tile>} */
    const tiles = new Map();
    for (const element of document.querySelectorAll("[data-participant-id]")) {
      const id = element.getAttribute("data-participant-id");
      if (!id || (tiles.size >= Tiles.#MAX_TILES && !tiles.has(id))) continue;
      const tile = tiles.get(id) ?? { participant_id: id, name: "", sources: [] };
      tiles.set(id, tile);
      tile.name ||= Tiles.#name(element);
      tile.sources = [...new Set([...tile.sources, ...Tiles.#sources(element)])];
    }
    return [...tiles.values()];
  }

  /**
   * The name as the tile shows it, empty where it shows none. The attribute data-self-name comes last: it says "You".
   * @param {Element} tile
   */
  static #name(tile) {
    const self = tile.querySelector("[data-self-name]");
    const candidates = [
      tile.querySelector(".notranslate")?.textContent,
      self?.textContent,
      tile.getAttribute("aria-label"),
      self?.getAttribute("data-self-name"),
      tile.getAttribute("data-self-name"),
    ];
    for (const candidate of candidates) {
      const name = candidate?.trim();
      if (name) return name.slice(0, 1000);
    }
    return "";
  }

  /** @param {Element} tile */
  static #sources(tile) {
    const elements = [tile, ...tile.querySelectorAll("[data-ssrc]")];
    return elements.map((element) => element.getAttribute("data-ssrc") ?? "").filter((source) => source);
  }
}

PLATFORM_PARTS.push(({ events }) => new Tiles(events).start());
