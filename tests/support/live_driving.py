"""Drives live sound from a tape's events, as a page would deliver them: in small batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TypeVar

import msgspec

from worker.contracts.live_items import LiveOpus, LivePcm, LivePerson
from worker.platforms.registry import PLATFORMS, Platform, read_platform
from worker.streaming.live_sound import DEADLINE, Delivery, LiveSound, SoundItem
from worker.tape.codec import LoggedEvent
from worker.tape.events import (
    FrameBatch,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    VideoBatch,
)

BATCH = 0.04
"""Seconds of arrivals in a batch."""

ON_THE_WAY = 0.005
"""Seconds from the last arrival in a batch to its log time."""


def recut(events: Iterable[LoggedEvent], seconds: float = BATCH) -> Iterator[LoggedEvent]:
    """The events of a tape with its frames in batches of ``seconds`` of arrivals, in order of their log times."""
    timed: list[tuple[float, int, TapeEvent]] = []
    for number, (logged, event) in enumerate(events):
        if not isinstance(event, FrameBatch):
            timed.append((logged, number, event))
            continue
        cut: dict[int, FrameBatch] = {}
        for frame in event.frames:
            window = int(frame.arrival / seconds)
            if window not in cut:
                cut[window] = msgspec.structs.replace(event, frames=[])
            cut[window].frames.append(frame)
        for window, batch in cut.items():
            timed.append(((window + 1) * seconds + ON_THE_WAY, number, batch))
    timed.sort(key=itemgetter(0, 1))
    for logged, _, event in timed:
        yield LoggedEvent(logged, event)


def a_person(source: int, _at: float) -> LivePerson:
    """Everybody is known by the number of their source."""
    return LivePerson(number=source, participant_id=None, name=None)


class LiveDrive:
    """Feeds events to live sound and keeps what comes out; ``items`` holds (log time, item)."""

    def __init__(
        self,
        platform: Platform,
        rate: int | None = 48_000,
        *,
        mixed: bool = False,
        deadline: float = DEADLINE,
        continuous: bool = False,
    ) -> None:
        self.decoder = PLATFORMS[platform].open_roster_decoder()
        self.sound = LiveSound(
            platform,
            rate,
            self.decoder,
            a_person,
            opus=True,
            mixed=mixed,
            deadline=deadline,
            continuous=continuous,
        )
        self.zero = 0.0
        self.items: list[tuple[float, SoundItem]] = []

    def feed(self, event: TapeEvent, logged: float) -> None:
        """Takes the next event."""
        if isinstance(event, FrameBatch):
            items = self.sound.take(Delivery(event, logged))
        elif isinstance(event, VideoBatch):
            return
        else:
            self.decoder.observe(event)
            self.sound.observe(event)
            if isinstance(event, RecordingStarted):
                self.zero = event.at
                self.sound.begin(event.at)
            items = self.sound.end() if isinstance(event, RecordingEnded) else self.sound.advance(logged)
        self.items += [(logged, item) for item in items]

    @property
    def packets(self) -> dict[int, list[LiveOpus]]:
        """The Opus packets by source."""
        return _by_source(item for _, item in self.items if isinstance(item, LiveOpus))

    @property
    def pcm(self) -> dict[int, list[LivePcm]]:
        """The PCM by source."""
        return _by_source(item for _, item in self.items if isinstance(item, LivePcm))


Item = TypeVar("Item", LiveOpus, LivePcm)


def _by_source(items: Iterable[Item]) -> dict[int, list[Item]]:
    sources: dict[int, list[Item]] = {}
    for item in items:
        sources.setdefault(item.source, []).append(item)
    return sources


def drive(events: Iterable[LoggedEvent], rate: int | None = 48_000, **options: bool) -> LiveDrive:
    """Drives live sound through a whole tape."""
    driven: LiveDrive | None = None
    for logged, event in events:
        if isinstance(event, TapeStarted):
            driven = LiveDrive(read_platform(event.platform), rate, **options)
        assert driven is not None, "a tape begins with TapeStarted"
        driven.feed(event, logged)
    assert driven is not None
    return driven
