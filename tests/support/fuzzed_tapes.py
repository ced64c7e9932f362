"""Tapes of two people who speak as anybody does and one whose packets are made to do harm, with every other event as well."""

from __future__ import annotations

import itertools
import random
import types
from collections.abc import Iterator
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from fixtures.replica.voices import load_voice
from tests.support.tapes import STARTED_AT
from worker.platforms.registry import Platform
from worker.tape.events import (
    OPUS_MIME_TYPE,
    RED_MIME_TYPE,
    TAPE_VERSION,
    DocumentClosed,
    Frame,
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    WorkerEvent,
)

ANN, BO = 101, 102
HOSTILE: Final = (666, 667)
SECONDS: Final = 14
HOSTILE_FROM, HOSTILE_UNTIL = 3.0, 9.0
DOCUMENT: Final = 1

SPEECH: Final = {
    ANN: [packet.payload for packet in load_voice("aria").speech],
    BO: [packet.payload for packet in load_voice("bruno").speech],
}

TURNS: Final[tuple[tuple[int, ...], ...]] = ((ANN,), (BO,), (ANN, BO), (BO, ANN))
"""Who speaks at once."""

SIZES: Final = (
    0,
    1,
    2,
    3,
    4,
    50,
    50,
    50,
    100,
    252,
    253,
    254,
    255,
    510,
    1274,
    1275,
    1276,
    1277,
    1278,
    1400,
    1500,
)
"""Bytes of a hostile payload: the limits of Opus's length codes (RFC 6716, section 3.2.1), of its frames, and of Ethernet's."""

TABLES_OF_CONTENTS: Final = (0x78, 0x78, 0x79, 0x7A, 0x7B, 0xF8, 0xFB, 0xE0, 0x18)

NOT_FUZZED: Final = (
    *(TapeStarted, RecordingStarted, RecordingPaused, RecordingResumed, RecordingEnded),
    DocumentClosed,
)
"""Each tape has these at their places; the worker alone writes them, with what it knows."""

EVENT_TYPES: Final = tuple(each for each in get_args(PageEvent | WorkerEvent) if each not in NOT_FUZZED)


VALUES: Final[dict[type, list[Any]]] = {
    bool: [False, True],
    bytes: [b"", b"\x1f\x8b", b"3:::{", b'{"a":1}', b"[[[[", bytes(range(256))],
    int: [0, 1, 2, 255, 1 << 31, (1 << 32) - 1],
    str: ["", "collections", "main-channel", "encoded", "join", "x" * 300, "\0"],
    type(None): [None],
}
"""Contents of events."""


class FuzzedTape:
    """A tape made of a seed. ``sent`` has the payloads of Ann and Bo, in order."""

    def __init__(self, seed: int, platform: Platform) -> None:
        self._rng = random.Random(seed)
        self._platform = platform
        self.sent: dict[int, list[bytes]] = {ANN: [], BO: []}

    def events(self) -> Iterator[TapeEvent]:
        """All events, in order of time: batches of 100 ms, and between them the others."""
        frames = [*self._people(), *self._hostile()]
        frames.sort(key=lambda frame: frame.arrival)
        yield TapeStarted(
            at=STARTED_AT - 5,
            version=TAPE_VERSION,
            platform=self._platform,
            meeting_url="fuzzed",
            bot_name="bot",
        )
        yield RecordingStarted(at=STARTED_AT)
        batches = itertools.groupby(frames, key=lambda frame: int((frame.arrival - STARTED_AT) * 10))
        for number, (tick, batch) in enumerate(batches):
            at = STARTED_AT + (tick + 1) / 10
            if self._rng.random() < 0.5:
                yield self._event(at)
            yield FrameBatch(DOCUMENT, number, 0, list(batch))
        yield RecordingEnded(at=STARTED_AT + SECONDS, reason="meeting_ended")

    def _people(self) -> Iterator[Frame]:
        """Ann and Bo in turns or both at once, without a pause; on Meet each in a slot, on Teams in one mix."""
        rng = self._rng
        separate = self._platform is Platform.GOOGLE_MEET
        clocks = {person: [rng.randrange(1 << 16), rng.randrange(1 << 32)] for person in SPEECH}
        turn_ends, speaking = 0.0, TURNS[0]
        for number in range(50 * (SECONDS - 1)):
            at = number * 0.02
            if at >= turn_ends:
                turn_ends, speaking = (
                    at + rng.uniform(0.5, 3),
                    rng.choice([each for each in TURNS if each != speaking]),
                )
            for csrcs in [(person,) for person in speaking] if separate else [speaking]:
                slot = csrcs[0] if separate else ANN
                payload = SPEECH[csrcs[0]][number % len(SPEECH[csrcs[0]])]
                for person in csrcs:
                    self.sent[person].append(payload)
                sequence, timestamp = clocks[slot]
                clocks[slot][0] += 1
                yield Frame(
                    receiver=slot - ANN,
                    ssrc=slot,
                    csrcs=csrcs,
                    sequence=sequence & 0xFFFF,
                    timestamp=(timestamp + number * 960) & 0xFFFF_FFFF,
                    payload_type=111,
                    mime_type=OPUS_MIME_TYPE,
                    audio_level=0.1,
                    arrival=STARTED_AT + at + rng.random() * 0.005,
                    captured=None,
                    payload=payload,
                )

    def _hostile(self) -> Iterator[Frame]:
        """Packets with wild sequences, times, formats and payloads, on slots of their own."""
        rng = self._rng
        sequences = [rng.randrange(1 << 16) for _ in range(2)]
        timestamps = [rng.randrange(1 << 32) for _ in range(2)]
        lists = [HOSTILE[:1]] * 5 + [HOSTILE[1:], HOSTILE, (42, *HOSTILE[:1])] + [()] * rng.randrange(2)
        at = HOSTILE_FROM
        while at < HOSTILE_UNTIL:
            at += rng.choice([0.0, 0.001, 0.02, 0.02, 0.02, 0.02, 0.06, 0.5])
            slot = rng.randrange(2)
            sequences[slot] += rng.choice([1] * 12 + [2, 3, 0, -1, 200, 5_000])
            timestamps[slot] += rng.choice([960] * 12 + [0, 120, 480, 2_880, -960, 48_000, 1 << 31, 7])
            mime = rng.choice([OPUS_MIME_TYPE] * 8 + [RED_MIME_TYPE] * 3 + ["audio/cn", "audio/pcmu", ""])
            yield Frame(
                receiver=2,
                ssrc=9_000 + slot,
                csrcs=rng.choice(lists),
                sequence=sequences[slot] & 0xFFFF,
                timestamp=timestamps[slot] & 0xFFFF_FFFF,
                payload_type=rng.choice([111, 111, 63, 0, 13, 126]),
                mime_type=mime,
                audio_level=rng.choice([None, 0.0, 0.1, 1.0]),
                arrival=STARTED_AT + at,
                captured=None,
                payload=self._payload(red=mime == RED_MIME_TYPE),
            )

    def _payload(self, *, red: bool) -> bytes:
        rng = self._rng
        size = rng.choice(SIZES)
        toc = rng.choice([*TABLES_OF_CONTENTS, rng.randrange(256)])
        payload = bytes([toc, *rng.randbytes(size - 1)]) if size else b""
        if rng.random() < 0.2:
            payload = rng.choice(SPEECH[ANN])
        if not red or rng.random() < 0.2:
            return payload
        copied = rng.randbytes(rng.choice([0, 1, 3, 50]))
        header = (0x80 | 111) << 24 | rng.choice([960, 1_920, 1, 0]) << 10 | len(copied)
        return header.to_bytes(4, "big") + bytes([111]) + copied + payload

    def _event(self, at: float) -> TapeEvent:
        """An event of any type but NOT_FUZZED, with any content; its times are the tape's."""
        kind = self._rng.choice(EVENT_TYPES)
        hints = get_type_hints(kind)
        fields = {name: self._value(hints[name], at) for name in kind.__struct_fields__}
        event: TapeEvent = kind(**fields)
        return event

    def _value(self, kind: Any, at: float) -> Any:
        rng = self._rng
        if get_origin(kind) in (Union, types.UnionType):
            return self._value(rng.choice(get_args(kind)), at)
        if get_origin(kind) is list:
            return [self._value(get_args(kind)[0], at) for _ in range(rng.randrange(3))]
        if issubclass(kind, msgspec.Struct):
            hints = get_type_hints(kind)
            return kind(**{name: self._value(hints[name], at) for name in kind.__struct_fields__})
        return rng.choice([at] if kind is float else VALUES[kind])
