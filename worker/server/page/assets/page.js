// @ts-check
// Keeps the list of bots, or one bot's page, up to date; shows times in the reader's own zone. Pages work without it.

/** @type {Intl.DateTimeFormatOptions} */
const TO_THE_MINUTE = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
const MINUTES = new Intl.DateTimeFormat("en-GB", TO_THE_MINUTE);
const SECONDS = new Intl.DateTimeFormat("en-GB", { ...TO_THE_MINUTE, second: "2-digit" });
const ZONE = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts().find((part) => part.type === "timeZoneName")?.value ?? "";

/** Shows times in the reader's zone. @param {ParentNode} root */
function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (!(time instanceof HTMLTimeElement)) continue;
    const format = "exact" in time.dataset ? SECONDS : MINUTES;
    time.textContent = `${format.format(new Date(time.dateTime))} ${ZONE}`;
  }
}

/** Lets the form's time be in the reader's zone. */
function takeLocalTime() {
  const local = document.getElementById("when");
  const utc = document.getElementById("when_utc");
  const hint = document.getElementById("when-hint");
  if (!(local instanceof HTMLInputElement && utc instanceof HTMLInputElement && hint)) return;
  hint.textContent = `Your time (${ZONE}); empty: now`;
  const convert = () => {
    utc.value = local.value ? new Date(local.value).toISOString() : "";
  };
  convert();
  local.addEventListener("input", convert);
  local.form?.addEventListener("submit", convert);
}

/**
 * The bots' ids in order, and the rows that changed.
 * @typedef {{order: string[], rows: Record<string, string>}} Changes
 */

/** @param {string} html @returns {Element} */
function elementOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const element = template.content.firstElementChild;
  if (!element) throw new TypeError("an empty row");
  showLocalTimes(element);
  return element;
}

/** Puts changed rows in place, and leaves alone what is as it was: a link keeps its focus. @param {Element} list @param {Changes} changes */
function updateList(list, { order, rows }) {
  const wanted = order.map((id) => {
    const shown = document.getElementById(`bot-${id}`);
    if (!(id in rows)) return shown;
    const next = elementOf(rows[id]);
    if (shown?.isEqualNode(next)) return shown;
    if (!shown) return next;
    const hadFocus = shown.contains(document.activeElement);
    shown.replaceWith(next);
    if (hadFocus) next.querySelector("a")?.focus();
    return next;
  });
  for (const row of [...list.children]) if (!wanted.includes(row)) row.remove();
  wanted.forEach((row, index) => {
    if (row && list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  list.toggleAttribute("hidden", order.length === 0);
  document.getElementById("empty")?.toggleAttribute("hidden", order.length > 0);
}

/** Fetches this page again, and takes over its parts that differ, but not one that is being used. */
async function updatePage() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  showLocalTimes(next);
  for (const shown of document.querySelectorAll("[id^=bot-]")) {
    const part = next.getElementById(shown.id);
    if (shown.contains(document.activeElement) || (part && shown.isEqualNode(part))) continue;
    if (part) shown.replaceWith(document.importNode(part, true));
    else shown.remove();
  }
}

/** Listens to the server for as long as the page is open. @param {HTMLElement} target */
function listen(target) {
  const source = new EventSource(target.dataset.live ?? "");
  const note = document.getElementById("live");
  const bot = target.dataset.bot;
  let seen = "";
  source.addEventListener("bots", (event) => {
    /** @type {Changes} */
    const changes = JSON.parse(event.data);
    if (bot === undefined) updateList(target, changes);
    else if (bot in changes.rows && changes.rows[bot] !== seen) {
      updatePage().catch(console.warn);
      seen = changes.rows[bot];
    }
  });
  /** @param {string} text @param {boolean} on */
  const tell = (text, on) => {
    if (!note) return;
    note.hidden = false;
    note.classList.toggle("on", on);
    if (note.textContent !== text) note.textContent = text;
  };
  source.addEventListener("open", () => tell("Live", true));
  source.addEventListener("error", () => {
    tell(source.readyState === EventSource.CLOSED ? "Not live: reload to see changes" : "Connecting again …", false);
  });
  addEventListener("pagehide", () => source.close());
  // A page out of the browser's memory has no stream any more.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

showLocalTimes(document);
takeLocalTime();
const live = document.querySelector("[data-live]");
if (live instanceof HTMLElement) listen(live);
