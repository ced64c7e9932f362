"""Collects a tape's facts about the recording as a whole (pure)."""

from __future__ import annotations

from collections import Counter
from typing import Final

from worker.iso_time import iso_utc
from worker.manifest.schema import Announcement, Holes, Interval
from worker.tape.events import (
    Announced,
    AudioPathSeen,
    FrameBatch,
    PageDropped,
    PageEvent,
    PageFault,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    TapDeaf,
    TapeStarted,
    VideoRoomChanged,
    WorkerEvent,
)
from worker.tape.reader import TapeDamage

MOST_DOCUMENTS: Final = 10_000
"""Bound on the documents whose batches are counted, since the page is untrusted."""

MOST_KINDS: Final = 100
"""Kinds of dropped items, and of faults, that are counted apart, since the page is untrusted."""


class _Batches:
    """What is missing by the batches' own counts: ``missing`` batches, and frames that the page ``dropped``."""

    def __init__(self) -> None:
        self.missing = 0
        self.dropped = 0
        self._next: dict[int, tuple[int, int]] = {}
        """By document, the next batch's number and the frames dropped so far."""

    def take(self, batch: FrameBatch, *, counts: bool) -> None:
        """Takes the next batch; where it does not count, what is missing before it does not either."""
        if batch.document not in self._next and len(self._next) >= MOST_DOCUMENTS:
            return
        number, dropped = self._next.get(batch.document, (0, 0))
        if counts:
            self.missing += max(0, batch.sequence - number)
            self.dropped += max(0, batch.dropped - dropped)
        self._next[batch.document] = (batch.sequence + 1, batch.dropped)


class SessionFacts:
    """Collects, event by event, the manifest's facts about the recording itself."""

    def __init__(self) -> None:
        self.begun: TapeStarted | None = None
        self.started: RecordingStarted | None = None
        self.ended: RecordingEnded | None = None
        self.announcement: Announcement | None = None
        self.audio_path = "unknown"
        self.damage: list[TapeDamage] = []
        """What could not be read of the tape."""
        self._pauses: list[tuple[float, float | None]] = []
        """From and to in Unix seconds; None: it goes on."""
        self._without_video: list[tuple[float, float | None]] = []
        """Where the disk had no room for it, likewise."""
        self._batches = _Batches()
        self._deaf: set[tuple[int, int]] = set()
        self._dropped: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio."""
        match event:
            case TapeStarted():
                self.begun = self.begun or event
            case RecordingStarted():
                self.started = self.started or event
            case RecordingEnded():
                self.ended = self.ended or event
            case RecordingPaused() | RecordingResumed():
                self._take_pause(event)
            case Announced():
                written_at = None if event.failure else iso_utc(event.at)
                self.announcement = Announcement(written_at=written_at, failure=event.failure)
            case AudioPathSeen():
                if self.audio_path != "encoded":
                    self.audio_path = event.path
            case TapDeaf():
                self._deaf.add((event.document, event.receiver))
            case PageDropped():
                _count_kind(self._dropped, event.what, event.count)
            case VideoRoomChanged():
                self._take_room(event)
            case PageFault():
                _count_kind(self._faults, event.where, 1)
            case _:
                pass

    def _take_pause(self, event: RecordingPaused | RecordingResumed) -> None:
        goes_on = bool(self._pauses) and self._pauses[-1][1] is None
        if isinstance(event, RecordingPaused) and not goes_on:
            self._pauses.append((event.at, None))
        elif isinstance(event, RecordingResumed) and goes_on:
            self._pauses[-1] = (self._pauses[-1][0], event.at)

    def _take_room(self, event: VideoRoomChanged) -> None:
        left_out = bool(self._without_video) and self._without_video[-1][1] is None
        if event.left and left_out:
            self._without_video[-1] = (self._without_video[-1][0], event.at)
        elif not event.left and not left_out and len(self._without_video) < MOST_KINDS:
            self._without_video.append((event.at, None))

    def observe_frames(self, batch: FrameBatch) -> None:
        """Takes the tape's next batch of frames."""
        self._batches.take(batch, counts=self.started is not None and self.ended is None)

    def pauses(self, duration: float) -> list[Interval]:
        """The pauses of a recording of ``duration`` seconds, in seconds of meeting time."""
        if self.started is None:
            return []
        zero = self.started.at
        within = (
            (max(0.0, start - zero), duration if end is None else min(duration, end - zero))
            for start, end in self._pauses
        )
        return [(round(start, 4), round(end, 4)) for start, end in within if start < end]

    @property
    def holes(self) -> Holes | None:
        """Where sound is missing that the network did not lose; None: nowhere."""
        holes = Holes(
            frames_dropped=self._batches.dropped,
            batches_missing=self._batches.missing,
            tape_damages=sum(damage.sound for damage in self.damage),
            receivers_deaf=len(self._deaf),
        )
        return holes if holes != Holes() else None

    def warnings(self) -> list[str]:
        """Sentences about missing or doubtful content."""
        warnings: list[str] = []
        if self.ended is None:
            warnings.append("The tape ends without an end of the recording: the recorder was cut off.")
        if self.audio_path == "encoded":
            warnings.append("The page took the encoded audio itself: speakers may be missing or mixed.")
        if self._deaf:
            warnings.append(f"{_count(len(self._deaf), 'receiver')} got packets that never reached the tap.")
        warnings += [f"The tape cannot be read in full: {damage.warning}." for damage in self.damage]
        if self._batches.missing:
            warnings.append(
                f"{_count(self._batches.missing, 'batch', 'batches')} of frames are missing on the tape."
            )
        if self._batches.dropped:
            warnings.append(f"The page had to drop {_count(self._batches.dropped, 'frame')} of audio.")
        zero = 0.0 if self.started is None else self.started.at
        for start, end in self._without_video:
            until = "on" if end is None else f"to {max(0.0, end - zero):.1f} s"
            warnings.append(
                f"Video was left out from {max(0.0, start - zero):.1f} s {until}: the disk was nearly full."
            )
        for what, count in sorted(self._dropped.items()):
            warnings.append(f"The page had to drop {count} {what}.")
        for where, count in sorted(self._faults.items()):
            warnings.append(f"{_count(count, 'fault')} in the page's {where}.")
        return warnings


def _count_kind(counts: Counter[str], kind: str, number: int) -> None:
    """Counts by kind; kinds past MOST_KINDS count as one."""
    counts[kind if kind in counts or len(counts) < MOST_KINDS else "other parts"] += number


def _count(number: int, thing: str, things: str = "") -> str:
    """'1 fault', '2 faults'."""
    return f"{number} {thing}" if number == 1 else f"{number} {things or f'{thing}s'}"
