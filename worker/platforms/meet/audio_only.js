/**
 * Has Meet load with incoming video switched off, as its setting "Audio only" does: recordings hold no video, which costs most of
 * the processor's time. Runs before the page's own scripts. Meet keeps its preferences as nested arrays; that [8][5] is 1 then
 * is known from a public bot. A preference of another form is left as it is.
 */
(() => {
  const [KEY, GROUP, INCOMING_VIDEO, AUDIO_ONLY] = ["meet-preferences", 8, 5, 1];
  if (location.hostname !== "meet.google.com") return;
  try {
    /** @type {unknown} */
    const preferences = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (!Array.isArray(preferences)) return;
    const group = preferences[GROUP] ?? [];
    if (!Array.isArray(group)) return;
    group[INCOMING_VIDEO] = AUDIO_ONLY;
    preferences[GROUP] = group;
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // The storage is closed to the page, or holds something else: the video then comes.
  }
})();
