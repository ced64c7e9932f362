"""Finds the audio tracks of a mix that carried no speech while others did: a page's main track may be silent (pure)."""

from __future__ import annotations

from collections import Counter

from worker.audio.opus import SAMPLE_RATE

SPEECH_BESIDE = 20 * SAMPLE_RATE
"""A track counts as silent once other tracks of its document carried 20 s of speech meanwhile."""

MOST_TRACKS = 1_000
"""Bound on the tracks that are followed, since the page is untrusted."""

Track = tuple[int, int]
"""(document, receiver)."""


class SilentTracks:
    """Counts the speech of each track, and that of the others of its document since it was opened, in samples."""

    def __init__(self) -> None:
        self._opened_at: dict[Track, int] = {}
        """The speech that its document's tracks had carried when each track was opened."""
        self._speech: Counter[Track] = Counter()
        self._of_document: Counter[int] = Counter()

    def open(self, track: Track) -> None:
        """A track was found, or brought its first packet."""
        if track not in self._opened_at and len(self._opened_at) < MOST_TRACKS:
            self._opened_at[track] = self._of_document[track[0]]

    def add_speech(self, track: Track, samples: int) -> None:
        """A track that was opened carried speech."""
        if track in self._opened_at:
            self._speech[track] += samples
            self._of_document[track[0]] += samples

    def warnings(self) -> list[str]:
        """A sentence about the silent tracks, if there are any."""
        count = sum(
            not self._speech[track] and self._of_document[track[0]] - before >= SPEECH_BESIDE
            for track, before in self._opened_at.items()
        )
        if not count:
            return []
        tracks = "1 audio track was" if count == 1 else f"{count} audio tracks were"
        return [f"{tracks} silent while another carried speech; all tracks are in the files."]
