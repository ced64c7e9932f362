"""Synthetic streams of packets for live sound, in memory: who sends what, when, and how it arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.support.opus_packets import pack
from worker.audio.red import RedundantBlock
from worker.tape.codec import LoggedEvent
from worker.tape.events import (
    OPUS_MIME_TYPE,
    RED_MIME_TYPE,
    TAPE_VERSION,
    Frame,
    FrameBatch,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    VideoBatch,
)

ZERO = 1_790_000_000.0
"""Unix seconds of meeting time 0."""


def payload_of(csrc: int, number: int) -> bytes:
    """A valid packet of 20 ms of noise that names its sender and its number."""
    return b"\xf8" + csrc.to_bytes(4, "big") + number.to_bytes(4, "big") + bytes(16)


def sent_by(payload: bytes) -> tuple[int, int]:
    """The sender and the number of ``payload_of``."""
    return int.from_bytes(payload[1:5], "big"), int.from_bytes(payload[5:9], "big")


def frame(
    number: int,
    *,
    csrc: int = 7,
    slot: int = 0,
    delay: float = 0.0,
    sequence: int | None = None,
    timestamp: int | None = None,
    at: float | None = None,
    payload: bytes | None = None,
    csrcs: tuple[int, ...] | None = None,
    copies: int = 0,
    level: float | None = 0.1,
) -> Frame:
    """Packet ``number`` of a sender, sent at ``at`` (default: 20 ms each); with RED it repeats ``copies`` before it."""
    sent = 0.02 * number if at is None else at
    own = payload_of(csrc, number) if payload is None else payload
    blocks = [
        RedundantBlock(payload_type=111, timestamp_offset=960 * back, payload=payload_of(csrc, number - back))
        for back in range(min(copies, number), 0, -1)
    ]
    return Frame(
        slot,
        6666 + slot,
        (csrc,) if csrcs is None else csrcs,
        (65_500 + (number if sequence is None else sequence)) & 0xFFFF,
        (0xFFFF_F000 + (960 * number if timestamp is None else timestamp)) & 0xFFFF_FFFF,
        63 if copies else 111,
        RED_MIME_TYPE if copies else OPUS_MIME_TYPE,
        level,
        ZERO + sent + delay,
        None,
        pack(own, blocks) if copies else own,
    )


def batches(frames: Iterable[Frame], seconds: float = 0.04, document: int = 1) -> Iterator[LoggedEvent]:
    """The frames in order of arrival, in batches of ``seconds`` that are logged 5 ms after their end."""
    batch: list[Frame] = []
    window = 0
    for each in sorted(frames, key=lambda each: each.arrival):
        at = int((each.arrival - ZERO) / seconds)
        if batch and at != window:
            yield LoggedEvent(ZERO + (window + 1) * seconds + 0.005, FrameBatch(document, 0, 0, batch))
            batch = []
        window = at
        batch.append(each)
    if batch:
        yield LoggedEvent(ZERO + (window + 1) * seconds + 0.005, FrameBatch(document, 0, 0, batch))


def a_call(
    frames: Iterable[Frame],
    *others: TapeEvent,
    platform: str = "google_meet",
    seconds: float = 30.0,
    batch: float = 0.04,
) -> list[LoggedEvent]:
    """A whole tape with these frames, and other events at their times."""
    started = TapeStarted(
        at=ZERO - 5, version=TAPE_VERSION, platform=platform, meeting_url="synthetic", bot_name="bot"
    )
    timed = [*batches(frames, batch)]
    timed += [LoggedEvent(each.at, each) for each in others if not isinstance(each, FrameBatch | VideoBatch)]
    timed.sort(key=lambda each: each.logged)
    end = RecordingEnded(at=ZERO + seconds, reason="meeting_ended")
    return [
        LoggedEvent(ZERO - 5, started),
        LoggedEvent(ZERO, RecordingStarted(at=ZERO)),
        *timed,
        LoggedEvent(end.at, end),
    ]
