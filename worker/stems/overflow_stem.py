"""The overflow stem of slots that carry one source at a time: each source has a track for the mix while it speaks."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

from worker.audio.opus import SAMPLE_RATE
from worker.manifest.schema import Source
from worker.stems.overflow import OverflowFloor
from worker.stems.separate_slot import SeparateSlot
from worker.stems.speaker_track import SpeakerTrack, SpeechSink
from worker.stems.stem import Stem

PLACED_AFTER = SAMPLE_RATE
"""By one second after its place, in samples, a packet of any slot is placed: the reordering window, and a batch of events."""


class OverflowStem:
    """Writes the packets of all sources past the limit, in order of their places, as far as OverflowFloor allows."""

    def __init__(
        self, stem: Stem, floor: OverflowFloor, open_mix_input: Callable[[], SpeechSink | None]
    ) -> None:
        self._stem = stem
        self._floor = floor
        self._open_mix_input = open_mix_input
        self._voices: dict[int, _Voice] = {}
        """By key, those that spoke lately."""
        self._waiting: list[tuple[int, int, int, bytes]] = []
        """(position, key, samples, payload)."""

    def track(self, key: int, source: Source, settled: int) -> SpeakerTrack:
        """The track of a source, opened when it begins to speak; nothing is placed before ``settled`` (samples) any more."""
        self._floor.add_source(key)
        self._stem.list_source(source)
        voice = self._voices.get(key)
        if voice is None:
            voice = self._voices[key] = _Voice(key, self._open_mix_input(), self._waiting)
            voice.track.be_silent_until(settled)
        return voice.track

    def write_until(self, position: float) -> None:
        """Writes the packets whose place is PLACED_AFTER before ``position`` (samples of meeting time, or infinity)."""
        limit = position - PLACED_AFTER
        if not self._waiting:
            return
        self._waiting.sort(key=itemgetter(0))
        while self._waiting and self._waiting[0][0] < limit:
            self._write(*self._waiting.pop(0))

    def settle(self, position: int) -> None:
        """Frees what the sources need that have been silent since ``position``: speaking again, they get it anew."""
        for key, voice in list(self._voices.items()):
            if voice.track.speech_end < position:
                del self._voices[key]
                self._close(voice)

    def close(self) -> None:
        """Writes what waits, and adds up the counts of all sources."""
        self._waiting.sort(key=itemgetter(0))
        while self._waiting:
            self._write(*self._waiting.pop(0))
        for voice in self._voices.values():
            self._close(voice)
        self._voices.clear()

    def _write(self, position: int, key: int, samples: int, payload: bytes) -> None:
        if self._floor.take(key, position, samples):
            self._stem.track.speak(position, samples, payload)
            self._stem.track.received += 1

    def _close(self, voice: _Voice) -> None:
        self._stem.track.lost += voice.track.lost
        self._stem.track.trimmed += voice.track.trimmed
        if isinstance(voice.track.slot, SeparateSlot):
            voice.track.slot.drop_track(voice.track)


class _Voice:
    """A source while it speaks; its packets wait for their turn in the stem."""

    def __init__(
        self, key: int, mix_input: SpeechSink | None, waiting: list[tuple[int, int, int, bytes]]
    ) -> None:
        self.track = SpeakerTrack(self, [mix_input] if mix_input else [])
        self._key = key
        self._waiting = waiting

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Called by the track: the packet has its place."""
        self._waiting.append((position, self._key, samples, payload))

    def be_silent(self, position: int, samples: int) -> None:
        """Called by the track: the stem's own track lays its silence."""
