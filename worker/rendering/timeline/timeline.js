// @ts-check
// The timeline page: plays one track at a time (everyone, or one speaker), keeps the playhead, and zooms.

/**
 * Times are seconds of meeting time.
 * @typedef {{url: string, start: number, duration: number}} Clip
 * @typedef {{name: string, clips: Clip[], speech: [number, number][]}} Track
 * @typedef {{duration: number, tracks: Track[]}} Data
 */

/** @template {Element} T @param {string} id @param {new () => T} type @returns {T} */
function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`#${id} is not a ${type.name}`);
  return element;
}

/** @type {Data} */
const data = JSON.parse(byId("data", HTMLScriptElement).textContent ?? "");
const duration = data.duration;
const canvas = byId("canvas", HTMLDivElement);
const scroll = byId("scroll", HTMLDivElement);
const axis = byId("axis", HTMLDivElement);
const playhead = byId("playhead", HTMLDivElement);
const ghost = byId("ghost", HTMLDivElement);
const nowOutput = byId("now", HTMLOutputElement);
const playingNote = byId("playing", HTMLParagraphElement);
/** @type {HTMLButtonElement[]} */
const playButtons = [...document.querySelectorAll("button[data-track]")].filter((b) => b instanceof HTMLButtonElement);
const labels = [...document.querySelectorAll(".label[data-lane]")];

let now = 0;
/** @type {number | null} */
let playing = null;
let zoom = 1;
/** @type {Map<Clip, HTMLAudioElement>} */
const players = new Map();

/** @param {number} seconds */
function clockTime(seconds) {
  const whole = Math.floor(seconds);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** The first stretch of speech that ends after `at`. @param {[number, number][]} speech @param {number} at */
function stretchAfter(speech, at) {
  let low = 0;
  let high = speech.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (speech[middle][1] > at) high = middle;
    else low = middle + 1;
  }
  return speech[low];
}

// ---- playing

/** @param {Clip} clip */
function playerOf(clip) {
  let player = players.get(clip);
  if (!player) {
    player = new Audio();
    player.preload = "auto";
    player.src = clip.url;
    player.addEventListener("error", () => fail(clip));
    players.set(clip, player);
  }
  return player;
}

/** @param {Clip} clip */
function fail(clip) {
  stop();
  playingNote.textContent = `Cannot play ${clip.url}. Is the file beside this page?`;
  playingNote.classList.add("failed");
}

/** @param {Clip} clip */
const covers = (clip) => now >= clip.start && now < clip.start + clip.duration;

/** Starts what covers the playhead, and nothing else. */
function startClips() {
  if (playing === null) return;
  for (const clip of data.tracks[playing].clips) {
    if (!covers(clip)) continue;
    const player = playerOf(clip);
    player.currentTime = now - clip.start;
    player.play().catch((error) => {
      if (error.name !== "AbortError" && playing !== null) fail(clip);
    });
  }
}

/** @param {number} track */
function play(track) {
  stop();
  const { name, clips, speech } = data.tracks[track];
  if (now >= duration - 0.05) now = 0;
  if (track > 0 && speech.length > 0) {
    const next = stretchAfter(speech, now) ?? speech[0];
    if (next[0] > now || next[1] <= now) now = Math.max(0, next[0] - 0.25);
  }
  playing = track;
  playingNote.classList.remove("failed");
  playingNote.textContent = clips.length > 0 ? `Playing ${name}` : `There is no audio of ${name}`;
  startClips();
  showPlaying();
  moveTo(now);
  requestAnimationFrame(advance);
}

function stop() {
  playing = null;
  for (const player of players.values()) player.pause();
  playingNote.textContent = "";
  playingNote.classList.remove("failed");
  showPlaying();
}

/** @param {number} track */
function toggle(track) {
  if (playing === track) stop();
  else play(track);
}

function advance() {
  if (playing === null) return;
  const clips = data.tracks[playing].clips;
  const leader = clips.find((clip) => covers(clip) && !playerOf(clip).ended);
  if (leader) {
    const player = playerOf(leader);
    if (!player.seeking && player.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
      moveTo(leader.start + player.currentTime);
      keepInView();
    }
  } else {
    const next = clips.filter((clip) => clip.start > now).sort((a, b) => a.start - b.start)[0];
    if (!next) {
      stop();
      return;
    }
    seek(next.start);
  }
  requestAnimationFrame(advance);
}

function showPlaying() {
  for (const button of playButtons) {
    const active = Number(button.dataset.track) === playing;
    button.setAttribute("aria-pressed", String(active));
  }
}

/** @param {number} seconds */
function seek(seconds) {
  moveTo(seconds);
  for (const player of players.values()) player.pause();
  startClips();
}

/** Shows the playhead at a time. @param {number} seconds */
function moveTo(seconds) {
  now = Math.min(Math.max(seconds, 0), duration);
  playhead.style.left = `${(100 * now) / duration}%`;
  const text = clockTime(now);
  if (nowOutput.textContent !== text) {
    nowOutput.textContent = text;
    axis.setAttribute("aria-valuenow", String(Math.floor(now)));
    axis.setAttribute("aria-valuetext", text);
  }
  for (const label of labels) {
    const track = data.tracks[Number(label.getAttribute("data-lane"))];
    const stretch = stretchAfter(track.speech, now);
    label.classList.toggle("speaking", playing !== null && stretch !== undefined && stretch[0] <= now);
  }
}

// ---- the view

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const PIXELS_PER_TICK = 84;
const MAX_PIXELS_PER_SECOND = 100;

function drawAxis() {
  const width = canvas.clientWidth;
  const perSecond = width / duration;
  const step = STEPS.find((s) => s * perSecond >= PIXELS_PER_TICK) ?? STEPS[STEPS.length - 1];
  const first = Math.max(0, Math.floor(scroll.scrollLeft / perSecond / step) - 1);
  const last = Math.min(Math.floor(duration / step), Math.ceil((scroll.scrollLeft + scroll.clientWidth) / perSecond / step));
  const ticks = [];
  for (let n = first; n <= last; n += 1) {
    const tick = document.createElement("span");
    tick.className = "tick";
    tick.style.left = `${(100 * n * step) / duration}%`;
    const at = n * step;
    const fits = at * perSecond < width - 36;
    if (fits) tick.textContent = step < 1 ? `${clockTime(at + 1e-6)}.${Math.round(at * 10) % 10}` : clockTime(at);
    ticks.push(tick);
  }
  axis.replaceChildren(...ticks);
}

/** Zooms so that the meeting's `anchor` second stays where it is on the screen. @param {number} wanted @param {number} anchor */
function zoomTo(wanted, anchor) {
  const most = Math.max(1, (MAX_PIXELS_PER_SECOND * duration) / scroll.clientWidth);
  const offset = (anchor / duration) * canvas.clientWidth - scroll.scrollLeft;
  zoom = Math.min(Math.max(wanted, 1), most);
  canvas.style.width = `${100 * zoom}%`;
  scroll.scrollLeft = (anchor / duration) * canvas.clientWidth - offset;
  drawAxis();
}

/** What buttons zoom around: the playhead where it can be seen, else the middle. */
function anchor() {
  const perSecond = canvas.clientWidth / duration;
  const from = scroll.scrollLeft / perSecond;
  const to = (scroll.scrollLeft + scroll.clientWidth) / perSecond;
  return now >= from && now <= to ? now : (from + to) / 2;
}

function keepInView() {
  const at = (now / duration) * canvas.clientWidth;
  if (at < scroll.scrollLeft || at > scroll.scrollLeft + scroll.clientWidth - 24) scroll.scrollLeft = at - 48;
}

/** The meeting time under a pointer. @param {MouseEvent} event */
function timeAt(event) {
  const box = canvas.getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * duration;
}

// ---- what people do

for (const button of playButtons) button.addEventListener("click", () => toggle(Number(button.dataset.track)));
canvas.addEventListener("click", (event) => seek(timeAt(event)));
canvas.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const at = timeAt(event);
  ghost.hidden = false;
  ghost.style.left = `${(100 * at) / duration}%`;
  ghost.classList.toggle("flip", event.clientX > scroll.getBoundingClientRect().right - 80);
  /** @type {HTMLElement} */ (ghost.firstElementChild).textContent = clockTime(at);
});
canvas.addEventListener("pointerleave", () => (ghost.hidden = true));
scroll.addEventListener("scroll", () => requestAnimationFrame(drawAxis), { passive: true });
scroll.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomTo(zoom * Math.exp(-event.deltaY / 300), timeAt(event));
  },
  { passive: false },
);
new ResizeObserver(drawAxis).observe(scroll);
byId("zoom-in", HTMLButtonElement).addEventListener("click", () => zoomTo(zoom * 2, anchor()));
byId("zoom-out", HTMLButtonElement).addEventListener("click", () => zoomTo(zoom / 2, anchor()));
byId("zoom-fit", HTMLButtonElement).addEventListener("click", () => zoomTo(1, 0));

/** @type {Record<string, () => void>} */
const KEYS = {
  " ": () => toggle(playing ?? 0),
  ArrowLeft: () => step(-5),
  ArrowRight: () => step(5),
  PageUp: () => step(-60),
  PageDown: () => step(60),
  Home: () => step(-duration),
  End: () => step(duration),
  "+": () => zoomTo(zoom * 2, anchor()),
  "=": () => zoomTo(zoom * 2, anchor()),
  "-": () => zoomTo(zoom / 2, anchor()),
  0: () => zoomTo(1, 0),
};
const SLIDER_ONLY = new Set(["PageUp", "PageDown", "Home", "End"]);

/** @param {number} seconds */
function step(seconds) {
  seek(now + seconds);
  keepInView();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onControl = event.target instanceof Element && event.target.closest("button, a") !== null;
  if (event.key === " " && onControl) return;
  if (SLIDER_ONLY.has(event.key) && event.target !== axis) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

moveTo(0);
drawAxis();
