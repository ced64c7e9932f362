"""Calls of the tap's binding, by its own scripts or by hostile ones."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any, cast, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Frame as PageFrame

from tests.support.tape_samples import video_batch, video_frame
from worker.browser.page_clock import Reading
from worker.browser.tap import Tap, TappedEvent
from worker.tape.events import (
    WORKERS_OWN_PLACES,
    Announced,
    AudioPathSeen,
    ChannelMessage,
    ChatReceived,
    ConnectionOpened,
    DocumentClosed,
    Frame,
    FrameBatch,
    PageDropped,
    PageEvent,
    PageFault,
    PageLost,
    PageSeen,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RosterChanged,
    StateChanged,
    TapDeaf,
    TapeStarted,
    Tick,
    Tile,
    TilesSeen,
    VideoBatch,
    VideoRequested,
    VideoRoomChanged,
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
    arrival=1_800_000_099.9,
    captured=None,
    payload=b"\xf8\xff\xfe",
)


def open_tap(*, video: bool = False) -> tuple[Tap, list[TappedEvent]]:
    received: list[TappedEvent] = []
    clock = itertools.chain([NOW - 60], itertools.repeat(NOW))
    return Tap(cast(BrowserContext, None), received.append, clock.__next__, video=video), received


NOW = 1_800_000_100.0
"""When every message is sent and received, by all clocks."""


def encoded(*frames: Frame, document: int = 1, sequence: int = 0, dropped: int = 0) -> str:
    batch = FrameBatch(document=document, sequence=sequence, dropped=dropped, frames=list(frames))
    return sent(base64.b64encode(msgspec.msgpack.encode(batch)).decode())


def sent(content: str, at: float = NOW) -> str:
    return f"{at} {content}"


async def test_batches_are_received_as_they_were_sent() -> None:
    tap, received = open_tap()
    tap.receive("frames", encoded(FRAME, FRAME))
    opened = ConnectionOpened(at=NOW - 1.5, document=1, connection=0)
    tap.receive("events", sent(msgspec.json.encode([opened]).decode()))
    assert received == [
        FrameBatch(document=1, sequence=0, dropped=0, frames=[FRAME, FRAME]),
        opened,
    ]
    assert (tap.counters.frames, tap.counters.batches, tap.counters.events) == (2, 1, 1)


async def test_drops_and_gaps_are_counted_per_document() -> None:
    tap, _ = open_tap()
    tap.receive("frames", encoded(document=1, sequence=0, dropped=3))
    tap.receive("frames", encoded(document=2, sequence=0, dropped=1))
    tap.receive("frames", encoded(document=1, sequence=3, dropped=5))
    assert tap.counters.dropped == 6
    assert tap.counters.batches_missing == 2


@pytest.mark.parametrize(("sequence", "dropped"), [(0xFFFF_FFFF, 7), (0, 7), (1, 0xFFFF_FFFF), (1, 6)])
@pytest.mark.parametrize("kind", ["frames", "video"])
async def test_numbers_that_cannot_be_are_odd_and_do_not_reach_the_tape(
    kind: str, sequence: int, dropped: int
) -> None:
    tap, received = open_tap(video=True)
    make = FrameBatch if kind == "frames" else VideoBatch
    for number, drops in ((0, 7), (sequence, dropped), (1, 8), (2, 9)):
        tap.receive(kind, encoded_video(make(1, number, drops, [])))
    batches = [each for each in received if isinstance(each, make)]
    assert [batch.sequence for batch in batches] == [0, 1, 2, 3]
    assert [batch.dropped for batch in batches][:2] == [7, 7]
    assert batches[3].dropped - batches[2].dropped == 1
    first, *_ = [each for each in received if isinstance(each, PageFault)]
    assert first.message.startswith("a batch's numbers are not believed: ")
    assert 1 <= tap.counters.odd == sum(isinstance(each, PageFault) for each in received) <= 2
    assert tap.counters.batches_missing == tap.counters.video_batches_missing == 0
    assert tap.counters.dropped + tap.counters.video_dropped == batches[3].dropped


def encoded_video(batch: VideoBatch | FrameBatch) -> str:
    return sent(base64.b64encode(msgspec.msgpack.encode(batch)).decode())


async def test_video_is_counted_apart_from_audio() -> None:
    tap, received = open_tap(video=True)
    tap.receive("frames", encoded(FRAME))
    first, second = video_batch(0, NOW - 1), video_batch(3, NOW - 1, frames=2, dropped=5)
    for batch in (first, second):
        tap.receive("video", encoded_video(batch))
    tap.receive("frames", encoded(FRAME, sequence=1))
    assert [type(each) for each in received] == [FrameBatch, VideoBatch, VideoBatch, FrameBatch]
    assert received[1:3] == [first, second]
    counters = tap.counters
    assert (counters.frames, counters.batches, counters.dropped, counters.batches_missing) == (2, 2, 0, 0)
    assert (counters.video_frames, counters.video_batches) == (9, 2)
    assert (counters.video_dropped, counters.video_batches_missing) == (5, 2)


async def test_an_odd_frame_of_video_is_left_out_alone() -> None:
    tap, received = open_tap(video=True)
    odd = msgspec.structs.replace(video_frame(1, NOW), ssrc=-1)
    tap.receive("video", encoded_video(VideoBatch(7, 0, 0, [video_frame(0, NOW), odd])))
    batch, fault = received
    assert batch == VideoBatch(7, 0, 0, [video_frame(0, NOW)])
    assert isinstance(fault, PageFault)
    assert fault.message.startswith("1 items of a batch were left out: ssrc -1")
    assert (tap.counters.odd, tap.counters.video_frames) == (1, 1)


async def test_a_page_that_was_not_asked_for_video_can_send_none() -> None:
    tap, received = open_tap()
    tap.receive("video", encoded_video(video_batch(0, NOW)))
    (fault,) = received
    assert isinstance(fault, PageFault)
    assert tap.counters.invalid == 1
    assert await tap.request_key_frames()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("frames", sent("*")), "frames '*': expected a FrameBatch"),
        (("frames", sent("kw==")), "frames 'kw==': expected a FrameBatch"),
        (("frames", "kw=="), "body 'kw==': expected the time of sending"),
        (("frames", "nan kw=="), "body 'nan kw==': expected the time of sending"),
        (("events", sent("{}")), "expected a list of PageEvents"),
        (("events", sent("[{]")), "expected a list of PageEvents"),
        (("events", sent("\ud800")), "expected a list of PageEvents"),
        (("document", sent("-1")), "document '-1': expected a decimal number"),
        (("other", ""), "expected 'frames', 'events', 'document' or 'heartbeat' and a string"),
        ((), "expected 'frames', 'events', 'document' or 'heartbeat' and a string"),
        (("frames", 7), "expected 'frames', 'events', 'document' or 'heartbeat' and a string"),
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": 65536}, "sequence 65536: expected 0 to 65535"),
        ({"ssrc": -1}, "ssrc -1: expected 0 to 4294967295"),
        ({"csrcs": (1,) * 16}, "csrcs: got 16 of them"),
        ({"csrcs": (2**32,)}, "csrc 4294967296: expected"),
        ({"arrival": float("nan")}, "$[8]"),
        ({"arrival": 1e300}, "$[8]"),
        ({"captured": float("inf")}, "$[9]"),
        ({"audio_level": float("inf")}, "audio_level inf: expected a finite"),
        ({"mime_type": 7}, "$[6]"),
        ({"payload": "text"}, "$[10]"),
    ],
)
async def test_an_odd_frame_is_left_out_alone(changes: dict[str, Any], message: str) -> None:
    tap, received = open_tap()
    odd = msgspec.structs.replace(FRAME, **changes)
    tap.receive("frames", encoded(FRAME, odd, odd, FRAME, document=3, sequence=2, dropped=4))
    batch, fault = received
    assert batch == FrameBatch(document=3, sequence=2, dropped=4, frames=[FRAME, FRAME])
    assert isinstance(fault, PageFault)
    assert fault.document == 3
    assert fault.message.startswith("2 items of a batch were left out: ")
    assert message in fault.message
    assert (tap.counters.frames, tap.counters.odd, tap.counters.invalid) == (2, 2, 0)


@pytest.mark.parametrize(
    "odd",
    [
        '{"type":"bomb\\n"}',
        '{"type":"recording_ended","at":1,"reason":"x"}',
        '{"type":"connection_opened","at":1e999,"document":3,"connection":0}',
        '{"type":"connection_opened","at":1e300,"document":3,"connection":0}',
        '{"type":"connection_opened","at":5,"document":"3","connection":0}',
        '{"type":"channel_message","at":5,"document":3,"connection":0,"label":"\\ud800","payload":""}',
        '{"type":"channel_message","at":5,"document":3,"connection":0,"label":"","payload":"*"}',
        "7",
    ],
)
async def test_an_odd_event_is_left_out_alone(odd: str) -> None:
    tap, received = open_tap()
    opened = ConnectionOpened(at=NOW - 1, document=3, connection=0)
    good = msgspec.json.encode(opened).decode()
    tap.receive("events", sent(f"[{good},{odd},{odd},{good}]"))
    first, second, fault = received
    assert first == second == opened
    assert isinstance(fault, PageFault)
    assert fault.document == 3
    assert fault.message.startswith("2 items of a batch were left out: ")
    assert fault.message.isprintable()
    assert len(fault.message) < 300
    assert (tap.counters.events, tap.counters.odd, tap.counters.invalid) == (2, 2, 0)


@pytest.mark.parametrize(
    ("event", "kept"),
    [
        (
            TilesSeen(at=NOW - 1, document=3, tiles=[Tile(participant_id="a", name="n" * 2**21, sources=[])]),
            False,
        ),
        (
            TilesSeen(at=NOW - 1, document=3, tiles=[Tile(participant_id="a", name="n" * 2**19, sources=[])]),
            True,
        ),
        (ChannelMessage(at=NOW - 1, document=3, connection=0, label="", payload=bytes(6 * 2**20)), True),
        (ChannelMessage(at=NOW - 1, document=3, connection=0, label="", payload=bytes(9 * 2**20)), False),
    ],
)
async def test_an_event_that_no_tape_may_hold_is_left_out(event: PageEvent, kept: bool) -> None:
    tap, received = open_tap()
    opened = ConnectionOpened(at=NOW - 1, document=3, connection=0)
    tap.receive("events", sent(msgspec.json.encode([opened, event]).decode()))
    assert received[0] == opened
    assert (received[-1] == event) is kept
    assert tap.counters.odd == (not kept)


WORKERS_OWN: list[WorkerEvent] = [
    TapeStarted(at=1, version=2, platform="google_meet", meeting_url="", bot_name=""),
    VideoRequested(at=1),
    StateChanged(at=1, state="done"),
    Tick(at=1, wall=1, elapsed=1),
    PageSeen(at=1, scene="over"),
    PageLost(at=1, lost=True, detail="gone"),
    RosterChanged(at=1, change="leave", participant_id="d", name="n"),
    ChatReceived(at=1, message_id="1", participant_id="d", name=None, text="x"),
    DocumentClosed(at=1, document=1),
    TapDeaf(at=1, document=1, receiver=0, packets_received=99, frames_tapped=0),
    VideoRoomChanged(at=1, left=True),
    Announced(at=1),
    RecordingStarted(at=1),
    RecordingEnded(at=1, reason="x"),
    RecordingPaused(at=1),
    RecordingResumed(at=1),
]


def test_every_event_of_the_worker_is_among_the_samples() -> None:
    assert {type(event) for event in WORKERS_OWN} == set(get_args(WorkerEvent))


@pytest.mark.parametrize("event", WORKERS_OWN, ids=lambda event: type(event).__name__)
async def test_a_page_cannot_report_an_event_of_the_worker(event: WorkerEvent) -> None:
    tap, received = open_tap()
    tap.receive("events", sent(msgspec.json.encode([event]).decode()))
    assert [type(each) for each in received] == [PageFault]


@pytest.mark.parametrize("where", sorted(WORKERS_OWN_PLACES))
async def test_a_page_cannot_report_a_fault_of_the_worker(where: str) -> None:
    tap, received = open_tap()
    own, worker = (
        PageFault(at=NOW, document=1, where=each, message="x") for each in ("TapWorker.record", where)
    )
    tap.receive("events", sent(msgspec.json.encode([own, worker]).decode()))
    reported, found = received
    assert reported == own
    assert isinstance(found, PageFault)
    assert (
        found.message
        == f"1 items of a batch were left out: where {where!r}: expected a browser script's function"
    )
    assert tap.counters.odd == 1


@pytest.mark.parametrize(
    ("path", "kept"), [("receivers", True), ("encoded", True), ("<b>", False), ("", False)]
)
async def test_a_page_can_say_only_what_audio_paths_there_are(path: str, kept: bool) -> None:
    tap, received = open_tap()
    seen = AudioPathSeen(at=NOW, document=1, path=path)
    tap.receive("events", sent(msgspec.json.encode([seen]).decode()))
    assert [type(each) for each in received] == [AudioPathSeen if kept else PageFault]


@pytest.mark.parametrize(
    ("count", "kept"), [(0, True), (1_000_000, True), (1_000_001, False), (-1, False), (10**30, False)]
)
async def test_a_page_can_count_only_so_many_dropped_items(count: int, kept: bool) -> None:
    tap, received = open_tap()
    tap.receive(
        "events",
        sent(json.dumps([{"type": "page_dropped", "at": NOW, "document": 1, "what": "x", "count": count}])),
    )
    assert [type(each) for each in received] == [PageDropped if kept else PageFault]


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
    tap.receive("frames", sent(base64.b64encode(body).decode()))
    tap.receive("events", sent(body.decode("latin-1")))
    assert len(received) <= 4


class FakeFrame:
    """A frame of a page, as far as the tap asks."""

    def __init__(self, page: FakePage) -> None:
        self.page = page
        self.detached = False

    def is_detached(self) -> bool:
        return self.detached


class FakePage:
    """Keeps the tap's listeners."""

    def __init__(self) -> None:
        self.main_frame = FakeFrame(self)
        self.listeners: dict[str, Callable[[Any], None]] = {}

    def on(self, event: str, listener: Callable[[Any], None]) -> None:
        self.listeners[event] = listener


class Pages:
    """A tap whose calls come from fake pages; its clock shows NOW."""

    def __init__(self, *pages: FakePage) -> None:
        self.received: list[TappedEvent] = []
        self.pages = list(pages)
        self.tap = Tap(cast(BrowserContext, self), self.received.append, lambda: NOW)
        for page in pages:
            self.tap._watch_page(cast(Page, page))

    def opens(self, document: int, frame: FakeFrame, *, reports: bool = True) -> None:
        self.tap.receive("document", sent(str(document)), frame=cast(PageFrame, frame))
        if reports:
            self.tap.receive("frames", encoded(FRAME, document=document), frame=cast(PageFrame, frame))

    def beats(self, document: int, frame: FakeFrame) -> None:
        self.tap.receive("heartbeat", sent(str(document)), frame=cast(PageFrame, frame))

    @property
    def closed(self) -> list[int]:
        events = [event for event in self.received if isinstance(event, DocumentClosed)]
        assert all(event.at == NOW for event in events)
        return [event.document for event in events]


async def test_a_document_is_closed_once_another_opens_in_its_frame() -> None:
    page = FakePage()
    pages = Pages(page)
    pages.opens(1, page.main_frame)
    assert pages.closed == []
    pages.opens(2, page.main_frame)
    assert pages.closed == [1]
    pages.opens(3, page.main_frame)
    assert pages.closed == [1, 2]


async def test_documents_of_other_frames_stay() -> None:
    page, popup = FakePage(), FakePage()
    frame = FakeFrame(page)
    pages = Pages(page, popup)
    pages.opens(1, page.main_frame)
    pages.opens(2, frame)
    pages.opens(3, popup.main_frame)
    pages.opens(4, frame)
    assert pages.closed == [2]
    pages.opens(5, popup.main_frame)
    assert pages.closed == [2, 3]


async def test_a_detached_frame_and_a_closed_page_close_their_documents() -> None:
    page, popup = FakePage(), FakePage()
    frame, silent = FakeFrame(page), FakeFrame(page)
    pages = Pages(page, popup)
    pages.opens(1, page.main_frame)
    pages.opens(2, frame)
    pages.opens(3, popup.main_frame)
    page.listeners["framedetached"](frame)
    assert pages.closed == [2]
    popup.listeners["close"](popup)
    assert pages.closed == [2, 3]
    pages.opens(4, silent)
    silent.detached = True
    pages.opens(5, page.main_frame)
    assert sorted(pages.closed) == [1, 2, 3, 4]


async def test_a_document_that_reported_nothing_is_closed_silently() -> None:
    page = FakePage()
    pages = Pages(page)
    pages.opens(1, page.main_frame, reports=False)
    pages.beats(1, page.main_frame)
    pages.opens(2, page.main_frame)
    assert pages.received == pages.received[-1:]
    assert pages.closed == []


async def test_only_the_main_frame_of_the_first_page_beats() -> None:
    page, popup = FakePage(), FakePage()
    pages = Pages(page, popup)
    assert pages.tap.last_heartbeat is None
    pages.beats(1, popup.main_frame)
    pages.beats(2, FakeFrame(page))
    assert pages.tap.last_heartbeat is None
    pages.beats(3, page.main_frame)
    assert pages.tap.last_heartbeat == NOW
    assert pages.received == []


async def test_an_internal_error_in_a_direct_call_does_not_reach_playwright(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tap, received = open_tap()
    monkeypatch.setattr(tap, "_take", lambda *_: 1 / 0)
    tap._receive_direct("frames", encoded(FRAME))
    (fault,) = received
    assert isinstance(fault, PageFault)
    assert "ZeroDivisionError" in fault.message
    assert tap.counters.invalid == 1
    assert "a call of the direct binding failed" in caplog.text


async def test_a_call_that_names_its_document_is_answered_with_its_direct_calls() -> None:
    pages = Pages(page := FakePage())
    frame = cast(PageFrame, page.main_frame)
    direct = pages.tap._direct
    for _ in range(3):
        direct._on_call({"name": direct.name, "payload": "7 events 1.0 []"})
    heartbeat = ("heartbeat", "1800000000.0 7")
    assert pages.tap._answer(*heartbeat, frame=frame) is None
    assert pages.tap._answer(*heartbeat, "7", frame=frame) == 3
    assert pages.tap._answer("settle", "", "7", frame=frame) == 3
    assert pages.tap._answer("settle", "", "8", frame=frame) == 0
    assert pages.tap.last_heartbeat is not None
    assert pages.tap.counters.invalid == 0


class SteppedMachine:
    """A tap on a machine whose system clock is ``step`` seconds off its steady clock from the tap's beginning on."""

    def __init__(self, step: float, *, video: bool = False) -> None:
        self.now = NOW
        self.step = 0.0
        self.received: list[TappedEvent] = []
        context = cast(BrowserContext, None)
        self.tap = Tap(context, self.received.append, lambda: self.now, self.read, video=video)
        self.now, self.step = NOW + 60, step

    def read(self) -> Reading:
        return Reading(self.now, 0.0, self.now + self.step)

    def receive(self, kind: str, content: str, page_time: float) -> None:
        self.tap.receive(kind, sent(content, page_time))


def in_base64(*arrivals: float) -> str:
    each = [msgspec.structs.replace(FRAME, arrival=arrival, captured=arrival - 0.05) for arrival in arrivals]
    return encoded(*each).split(" ")[1]


@pytest.mark.parametrize("step", [6.0, -6.0, 20.0, -20.0, 60.0, -60.0, 3600.0, -3600.0])
async def test_times_of_a_page_are_translated(step: float) -> None:
    machine = SteppedMachine(step)
    origin = machine.now + step
    machine.receive("document", "1", origin)
    machine.now += 1.0
    opened = ConnectionOpened(at=origin + 0.75, document=1, connection=0)
    machine.receive("events", msgspec.json.encode([opened]).decode(), origin + 0.99)
    machine.receive("frames", in_base64(origin + 0.5, origin + 0.75), origin + 0.99)
    event, batch = machine.received
    assert isinstance(event, ConnectionOpened)
    assert isinstance(batch, FrameBatch)
    assert event.at == pytest.approx(NOW + 60.75, abs=0.001)
    assert [frame.arrival for frame in batch.frames] == pytest.approx([NOW + 60.5, NOW + 60.75], abs=0.001)
    assert batch.frames[0].captured == pytest.approx(NOW + 60.45, abs=0.001)


async def test_times_of_video_are_translated() -> None:
    machine = SteppedMachine(20.0, video=True)
    origin = machine.now + 20.0
    machine.receive("document", "1", origin)
    machine.now += 1.0
    content = encoded_video(msgspec.structs.replace(video_batch(0, origin + 0.5, frames=2), document=1))
    machine.receive("video", content.split(" ")[1], origin + 0.99)
    (batch,) = machine.received
    assert isinstance(batch, VideoBatch)
    times = [NOW + 60.5, NOW + 60.5 + 1 / 15]
    assert [frame.arrival for frame in batch.frames] == pytest.approx(times, abs=0.001)


async def test_the_web_workers_clock_is_another_one_than_the_windows() -> None:
    machine = SteppedMachine(0.0)
    machine.receive("document", "1", machine.now + 777.0)
    machine.now += 1.0
    machine.receive("frames", in_base64(machine.now - 0.5), machine.now)
    (batch,) = machine.received
    assert isinstance(batch, FrameBatch)
    assert batch.frames[0].arrival == pytest.approx(machine.now - 0.5, abs=0.001)


async def test_a_document_is_forgotten_with_its_frame() -> None:
    page = FakePage()
    pages = Pages(page)
    for number in range(100):
        pages.opens(number, page.main_frame)
    assert list(pages.tap._page_clock._documents) == [99]
