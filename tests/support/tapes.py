"""Long synthetic meetings for benchmarks and endurance tests: batches of frames with known times, without a browser."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

import msgspec

from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    OPUS_MIME_TYPE,
    TAPE_VERSION,
    Frame,
    FrameBatch,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    VideoBatch,
)

STARTED_AT = 1_790_000_000.0
"""Unix seconds of meeting time 0."""

TICKS = 960
"""An Opus packet of 20 ms."""


class Talker(msgspec.Struct, kw_only=True):
    """Someone who talks in one slot. ``turns`` are (from, to) in seconds; ``ppm`` is how fast the sender's clock runs."""

    csrc: int
    slot: int
    turns: list[tuple[float, float]]
    payloads: list[bytes]
    ppm: float = 0.0
    levels: list[float] | None = None


def synthetic_tape(
    talkers: list[Talker], seconds: float, *, jitter: float = 0.0, seed: int = 1
) -> Iterator[TapeEvent]:
    """The events of a meeting in order, batches of 100 ms.

    The first sequence numbers and timestamps are random, so both wrap. The packet that is meant for time t arrives at
    t + [0, jitter].
    """
    rng = random.Random(seed)
    yield TapeStarted(
        at=STARTED_AT - 5,
        version=TAPE_VERSION,
        platform="google_meet",
        meeting_url="synthetic",
        bot_name="bot",
    )
    yield RecordingStarted(at=STARTED_AT)
    streams = [_packets(talkers, slot, rng, jitter) for slot in sorted({each.slot for each in talkers})]
    heads = [next(stream, None) for stream in streams]
    numbers = itertools.count()
    for tick in range(int(seconds * 10)):
        until = (tick + 1) / 10
        frames: list[Frame] = []
        for index, stream in enumerate(streams):
            head = heads[index]
            while head is not None and head.arrival < STARTED_AT + until:
                frames.append(head)
                head = next(stream, None)
            heads[index] = head
        if frames:
            frames.sort(key=_arrival)
            yield FrameBatch(1, next(numbers), 0, frames)
    yield RecordingEnded(at=STARTED_AT + seconds, reason="meeting_ended")


def with_log_times(events: Iterable[TapeEvent]) -> Iterator[tuple[TapeEvent, float]]:
    """Each event with a log time: when its last frame arrived, or its own time, and never before the event before it.

    The worker's clock never leaps, so a time that is an hour or more ahead of the event before is not taken for one.
    """
    logged = 0.0
    for event in events:
        at = (
            event.at
            if not isinstance(event, FrameBatch | VideoBatch)
            else max((f.arrival for f in event.frames), default=0)
        )
        if logged < at < logged + 3_600 or not logged:
            logged = at
        yield event, logged


def feed_all(renderer: Renderer | DeferredRenderer, events: Iterable[TapeEvent]) -> None:
    """Feeds events as a tape would that was written without delay."""
    for event, logged in with_log_times(events):
        renderer.feed(event, logged)


def _arrival(frame: Frame) -> float:
    return frame.arrival


def _packets(talkers: list[Talker], slot: int, rng: random.Random, jitter: float) -> Iterator[Frame]:
    """One slot's frames in sequence; when another talker takes the slot, its timestamps jump by a random number."""
    turns = sorted(
        ((turn, each) for each in talkers if each.slot == slot for turn in each.turns),
        key=lambda pair: pair[0],
    )
    sequence = rng.randrange(65_536)
    base = rng.randrange(1 << 32)
    last: Talker | None = None
    counts = dict.fromkeys((each.csrc for each in talkers), 0)
    arrival = 0.0
    for (start, end), talker in turns:
        if talker is not last:
            base = rng.randrange(1 << 32)
            last = talker
        pace = 1 - talker.ppm / 1e6
        ticks = int(start * 48_000 / pace)
        while ticks * pace / 48_000 < end:
            number = counts[talker.csrc]
            counts[talker.csrc] = number + 1
            arrival = max(arrival, STARTED_AT + ticks * pace / 48_000 + rng.random() * jitter)
            yield Frame(
                slot,
                6666 + slot,
                (talker.csrc,),
                sequence & 0xFFFF,
                (base + ticks) & 0xFFFF_FFFF,
                111,
                OPUS_MIME_TYPE,
                talker.levels[number % len(talker.levels)] if talker.levels else 0.1,
                arrival,
                None,
                talker.payloads[number % len(talker.payloads)],
            )
            sequence += 1
            ticks += TICKS


def meant_places(talker: Talker) -> list[float]:
    """The intended time of each of a talker's packets, in seconds of meeting time."""
    pace = 1 - talker.ppm / 1e6
    places = []
    for start, end in talker.turns:
        ticks = int(start * 48_000 / pace)
        while ticks * pace / 48_000 < end:
            places.append(ticks * pace / 48_000)
            ticks += TICKS
    return places
