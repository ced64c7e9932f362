"""Calls of the tap's binding, by its own scripts or by hostile ones."""

from __future__ import annotations

import base64
from typing import Any, cast, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import BrowserContext

from worker.browser.tap import Tap
from worker.tape.events import (
    Announced,
    ConnectionOpened,
    Frame,
    FrameBatch,
    PageEvent,
    PageFault,
    PageSeen,
    RecordingEnded,
    RecordingStarted,
    RosterChanged,
    StateChanged,
    TapDeaf,
    TapeStarted,
    WorkerEvent,
)

FRAME = Frame(
    receiver=0,
    ssrc=6667,
    csrcs=(42, 7),
    sequence=1,
    timestamp=960,
    payload_type=111,
    mime_type="audio/opus",
    audio_level=0.5,
    arrival=1_800_000_000.0,
    captured=None,
    payload=b"\xf8\xff\xfe",
)


def open_tap() -> tuple[Tap, list[FrameBatch | PageEvent]]:
    received: list[FrameBatch | PageEvent] = []
    return Tap(cast(BrowserContext, None), received.append), received


def encoded(*frames: Frame, document: int = 1, sequence: int = 0, dropped: int = 0) -> str:
    batch = FrameBatch(document=document, sequence=sequence, dropped=dropped, frames=list(frames))
    return base64.b64encode(msgspec.msgpack.encode(batch)).decode()


async def test_batches_are_received_as_they_were_sent() -> None:
    tap, received = open_tap()
    tap.receive("frames", encoded(FRAME, FRAME))
    tap.receive("events", '[{"type":"connection_opened","at":1.5,"document":1,"connection":0}]')
    assert received == [
        FrameBatch(document=1, sequence=0, dropped=0, frames=[FRAME, FRAME]),
        ConnectionOpened(at=1.5, document=1, connection=0),
    ]
    assert (tap.counters.frames, tap.counters.batches, tap.counters.events) == (2, 1, 1)


async def test_drops_and_gaps_are_counted_per_document() -> None:
    tap, _ = open_tap()
    tap.receive("frames", encoded(document=1, sequence=0, dropped=3))
    tap.receive("frames", encoded(document=2, sequence=0, dropped=1))
    tap.receive("frames", encoded(document=1, sequence=3, dropped=5))
    assert tap.counters.dropped == 6
    assert tap.counters.batches_missing == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("frames", "*"), "frames '*': expected a FrameBatch"),
        (("frames", "kw=="), "frames 'kw==': expected a FrameBatch"),
        (("events", '[{"type":"bomb"}]'), "expected a list of PageEvents"),
        (("events", '[{"type":"recording_ended","at":1,"reason":"x"}]'), "expected a list of PageEvents"),
        (("events", "\ud800"), "expected a list of PageEvents"),
        (("other", ""), "expected 'frames' or 'events' and a string"),
        ((), "expected 'frames' or 'events' and a string"),
        (("frames", 7), "expected 'frames' or 'events' and a string"),
        (
            ("frames", encoded(msgspec.structs.replace(FRAME, sequence=65536))),
            "sequence 65536: expected 0 to 65535",
        ),
        (("frames", encoded(msgspec.structs.replace(FRAME, ssrc=-1))), "ssrc -1: expected 0 to 4294967295"),
        (("frames", encoded(msgspec.structs.replace(FRAME, csrcs=(1,) * 16))), "csrcs: got 16 of them"),
        (("frames", encoded(msgspec.structs.replace(FRAME, csrcs=(2**32,)))), "csrc 4294967296: expected"),
        (
            ("frames", encoded(msgspec.structs.replace(FRAME, arrival=float("nan")))),
            "arrival nan: expected a finite",
        ),
        (("frames", encoded(document=2**40)), "document 1099511627776: expected 0 to 4294967295"),
    ],
)
async def test_a_call_that_is_not_a_batch_becomes_a_fault(args: tuple[Any, ...], message: str) -> None:
    tap, received = open_tap()
    tap.receive(*args)
    (fault,) = received
    assert isinstance(fault, PageFault)
    assert message in fault.message
    assert "\n" not in fault.message
    assert tap.counters.invalid == 1
    assert tap.counters.frames == tap.counters.events == 0


WORKERS_OWN: list[WorkerEvent] = [
    TapeStarted(at=1, version=2, platform="google_meet", meeting_url="", bot_name=""),
    StateChanged(at=1, state="done"),
    PageSeen(at=1, scene="over"),
    RosterChanged(at=1, change="leave", participant_id="d", name="n"),
    TapDeaf(at=1, document=1, receiver=0, packets_received=99, frames_tapped=0),
    Announced(at=1),
    RecordingStarted(at=1),
    RecordingEnded(at=1, reason="x"),
]


def test_every_event_of_the_worker_is_among_the_samples() -> None:
    assert {type(event) for event in WORKERS_OWN} == set(get_args(WorkerEvent))


@pytest.mark.parametrize("event", WORKERS_OWN, ids=lambda event: type(event).__name__)
async def test_a_page_cannot_report_an_event_of_the_worker(event: WorkerEvent) -> None:
    tap, received = open_tap()
    tap.receive("events", msgspec.json.encode([event]).decode())
    assert [type(each) for each in received] == [PageFault]


async def test_an_exception_of_on_event_is_reported_once_and_ends_its_calls() -> None:
    calls = 0

    def fail(_: object) -> None:
        nonlocal calls
        calls += 1
        raise OSError("disk full")

    tap = Tap(cast(BrowserContext, None), fail)
    tap.receive("frames", encoded(FRAME))
    tap.receive("frames", encoded(FRAME, sequence=1))
    assert calls == 1
    assert str(tap.failed.result()) == "disk full"


anything = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers()))


@given(calls=st.lists(st.lists(anything, max_size=3), max_size=5))
async def test_no_call_of_the_page_raises(calls: list[list[object]]) -> None:
    tap, received = open_tap()
    for args in calls:
        tap.receive(*args)
    assert len(received) == tap.counters.invalid == len(calls)


@given(
    body=st.one_of(
        st.binary(),
        st.lists(st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary()).map(msgspec.msgpack.encode),
    )
)
async def test_no_body_of_a_batch_raises(body: bytes) -> None:
    tap, received = open_tap()
    tap.receive("frames", base64.b64encode(body).decode())
    tap.receive("events", body.decode("latin-1"))
    assert len(received) <= 2
