"""Virtual streams packet by packet, for tapes of the unusual: any CSRC list, many SSRCs, a second connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from tests.support.tapes import STARTED_AT
from worker.tape.events import (
    OPUS_MIME_TYPE,
    TAPE_VERSION,
    Frame,
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
)

TICKS = 960
"""An Opus packet of 20 ms."""


class Stream:
    """One SSRC of a receiver. Its sequence goes on from call to call, and its clock is that of the meeting."""

    def __init__(self, receiver: int, ssrc: int, *, sequence: int = 100, timestamp: int = 5_000) -> None:
        self._receiver = receiver
        self._ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp

    def frames(
        self,
        start: float,
        end: float,
        csrcs: Sequence[int],
        payloads: Sequence[bytes],
        *,
        delay: float = 0.0,
        level: float | None = 0.1,
    ) -> list[Frame]:
        """Packets from ``start`` to ``end`` (seconds of meeting time), each ``delay`` seconds late."""
        frames = []
        for number in range(round((end - start) * 48_000 / TICKS)):
            at = start + number * TICKS / 48_000
            frames.append(
                Frame(
                    receiver=self._receiver,
                    ssrc=self._ssrc,
                    csrcs=tuple(csrcs),
                    sequence=self._sequence % 2**16,
                    timestamp=(self._timestamp + round(at * 48_000)) % 2**32,
                    payload_type=111,
                    mime_type=OPUS_MIME_TYPE,
                    audio_level=level,
                    arrival=STARTED_AT + at + delay,
                    captured=None,
                    payload=payloads[number % len(payloads)],
                )
            )
            self._sequence += 1
        return frames


def tape(
    platform: str, seconds: float, frames: Iterable[Frame], events: Iterable[PageEvent] = ()
) -> Iterator[TapeEvent]:
    """The tape of a meeting: ``frames`` in batches of 100 ms, and ``events``, in order of time."""
    yield TapeStarted(
        at=STARTED_AT - 5, version=TAPE_VERSION, platform=platform, meeting_url="synthetic", bot_name="bot"
    )
    yield RecordingStarted(at=STARTED_AT)
    yield from (event for _, event in sorted([*_batches(frames), *_timed(events)], key=lambda pair: pair[0]))
    yield RecordingEnded(at=STARTED_AT + seconds, reason="meeting_ended")


def _batches(frames: Iterable[Frame]) -> Iterator[tuple[float, TapeEvent]]:
    ordered = sorted(frames, key=attrgetter("arrival"))
    groups = groupby(ordered, key=lambda frame: int((frame.arrival - STARTED_AT) * 10))
    for number, (tick, group) in enumerate(groups):
        yield STARTED_AT + (tick + 1) / 10, FrameBatch(1, number, 0, list(group))


def _timed(events: Iterable[PageEvent]) -> Iterator[tuple[float, TapeEvent]]:
    for event in events:
        yield event.at, event
