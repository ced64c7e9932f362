/**
 * Has Meet load with incoming video switched off, as its setting "Audio only" does, for recordings that hold no video, which
 * costs most of the processor's time; or on, where the profile has it off. Runs before the page's own scripts. Meet keeps its
 * preferences as nested arrays; that [8][5] is 1 where video is off is known from a public bot, that null stands for the default
 * is inference. A preference of another form is left as it is.
 *
 * @param {boolean} wanted whether video is to come
 */
(wanted) => {
  const [KEY, GROUP, INCOMING_VIDEO, AUDIO_ONLY] = ["meet-preferences", 8, 5, 1];
  if (location.hostname !== "meet.google.com") return;
  try {
    /** @type {unknown} */
    const preferences = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (!Array.isArray(preferences)) return;
    const group = preferences[GROUP] ?? [];
    if (!Array.isArray(group)) return;
    if (wanted && group[INCOMING_VIDEO] !== AUDIO_ONLY) return;
    group[INCOMING_VIDEO] = wanted ? null : AUDIO_ONLY;
    preferences[GROUP] = group;
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // The storage is closed to the page, or holds something else: it then has what it has.
  }
};
