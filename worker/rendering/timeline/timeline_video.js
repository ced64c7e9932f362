// @ts-check
// The player of a timeline page with video: shows, without sound, what is shown at the playhead. It reads from the page where that
// is and what plays, and loads nothing before somebody moves or plays.

/**
 * Times are seconds of meeting time. `track` is that of the person's sound, null: there is none.
 * @typedef {{url: string, start: number, duration: number}} Clip
 * @typedef {{name: string, track: number | null, screen: boolean, clips: Clip[], shown: [number, number][]}} Video
 * @typedef {{duration: number, tracks: {speech: [number, number][]}[]}} Sound
 */

/** @template {Element} T @param {string} id @param {new () => T} type @returns {T} */
function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`#${id} is not a ${type.name}`);
  return element;
}

/** @type {Video[]} */
const videos = JSON.parse(byId("videos", HTMLScriptElement).textContent ?? "");
/** @type {Sound} */
const sound = JSON.parse(byId("data", HTMLScriptElement).textContent ?? "");
const playhead = byId("playhead", HTMLDivElement);
const theatre = byId("theatre", HTMLDivElement);
const stage = byId("stage", HTMLDivElement);
const picture = byId("picture", HTMLVideoElement);
const pictured = byId("pictured", HTMLParagraphElement);
const playButtons = [...document.querySelectorAll("button[data-track]")];
/** @type {HTMLButtonElement[]} */
const showButtons = [...document.querySelectorAll("button[data-video]")].filter((b) => b instanceof HTMLButtonElement);

// Seconds out of step: while it plays, more is corrected at once; while it stands, all that is more than a frame.
const FAR = 0.2;
const NEAR = 0.02;

/** @type {Video | null} */
let chosen = null;
/** @type {Video | null} */
let current = null;
/** @type {Clip | null} */
let loaded = null;
let closed = false;

/** Whether one of the stretches, which are in order, covers a time. @param {[number, number][]} stretches @param {number} at */
function covers(stretches, at) {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (stretches[middle][1] > at) high = middle;
    else low = middle + 1;
  }
  return low < stretches.length && stretches[low][0] <= at;
}

/** @param {Video} video @param {number} at */
const clipAt = (video, at) => video.clips.find((clip) => at >= clip.start && at < clip.start + clip.duration);

/** The video that matters most at a time: the chosen one, a screen, who is played alone, who speaks, what is shown already.
 * @param {number} at @param {number | null} playing */
function videoAt(at, playing) {
  /** @type {Video | null} */
  let best = null;
  let most = -1;
  for (const video of videos) {
    if (!covers(video.shown, at) || !clipAt(video, at)) continue;
    const speaks = video.track !== null && covers(sound.tracks[video.track].speech, at);
    const rank =
      16 * Number(video === chosen) +
      8 * Number(video.screen) +
      4 * Number(playing !== null && video.track === playing) +
      2 * Number(speaks) +
      Number(video === current);
    if (rank > most) {
      best = video;
      most = rank;
    }
  }
  return best;
}

/** Shows what is shown at the playhead, in step with what plays. */
function follow() {
  const now = (parseFloat(playhead.style.left) / 100) * sound.duration;
  const pressed = playButtons.find((button) => button.getAttribute("aria-pressed") === "true");
  const playing = pressed ? Number(pressed.getAttribute("data-track")) : null;
  const video = closed ? null : videoAt(now, playing);
  const clip = video ? clipAt(video, now) : undefined;
  current = video;
  stage.hidden = !clip;
  // Its place stays while the playhead is where nothing is shown, so that the lanes below do not jump.
  theatre.hidden = closed || (theatre.hidden && !clip);
  if (!video || !clip) {
    picture.pause();
    return;
  }
  if (loaded !== clip) {
    loaded = clip;
    picture.src = clip.url;
    pictured.classList.remove("failed");
    pictured.textContent = video.name;
  }
  keepStep(now - clip.start, playing !== null);
}

/** @param {number} at seconds of the loaded file @param {boolean} plays */
function keepStep(at, plays) {
  const behind = at - picture.currentTime;
  const unready = picture.readyState < HTMLMediaElement.HAVE_METADATA;
  if (unready || (!picture.seeking && Math.abs(behind) > (plays ? FAR : NEAR))) picture.currentTime = at;
  if (!plays) {
    picture.pause();
    return;
  }
  // What is left is made up for by playing a little faster or slower, which nobody sees.
  picture.playbackRate = Math.min(Math.max(1 + 2 * behind, 0.8), 1.2);
  if (picture.paused) picture.play().catch(() => {});
}

picture.addEventListener("error", () => {
  if (!loaded) return;
  pictured.textContent = `Cannot show ${loaded.url}. Is the file beside this page?`;
  pictured.classList.add("failed");
});
picture.addEventListener("seeked", follow);
for (const button of showButtons) {
  button.addEventListener("click", () => {
    const video = videos[Number(button.dataset.video)];
    chosen = chosen === video && !closed ? null : video;
    closed = false;
    for (const each of showButtons) each.setAttribute("aria-pressed", String(videos[Number(each.dataset.video)] === chosen));
    follow();
  });
}
byId("unstage", HTMLButtonElement).addEventListener("click", () => {
  closed = true;
  follow();
});
const observer = new MutationObserver(follow);
observer.observe(playhead, { attributes: true, attributeFilter: ["style"] });
for (const button of playButtons) observer.observe(button, { attributes: true, attributeFilter: ["aria-pressed"] });
