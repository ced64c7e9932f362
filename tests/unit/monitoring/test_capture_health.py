from __future__ import annotations

import pytest

from tests.support.deafness import report
from tests.support.tape_samples import video_batch
from worker.lifecycle.deafness import MOST_RECEIVERS, ReceiverId
from worker.monitoring.capture_health import CaptureHealth, ReceiverCounts
from worker.tape.events import (
    ConnectionClosed,
    DocumentClosed,
    Frame,
    FrameBatch,
    PageLost,
    ReceiverTapped,
    StateChanged,
    TapDeaf,
    TapeEvent,
)


def watch(*events: TapeEvent) -> CaptureHealth:
    watched = CaptureHealth()
    for event in events:
        watched.observe(event)
    return watched


def test_a_receiver_found_deaf_is_so_until_frames_come() -> None:
    deaf = TapDeaf(at=5, document=7, receiver=2, packets_received=60, frames_tapped=0)
    before = report(4, 60, 0, receiver=2)
    assert watch(before, deaf).deaf == {ReceiverId(7, 2)}
    assert watch(before, deaf, report(6, 80, 0, receiver=2)).deaf
    assert not watch(before, deaf, report(6, 80, 20, receiver=2)).deaf


def test_reports_alone_find_no_receiver_deaf() -> None:
    assert not watch(report(0, 100, 100), report(10, 600, 100), report(20, 1100, 100)).deaf


def test_receivers_of_a_closed_connection_are_not_deaf() -> None:
    tapped = ReceiverTapped(at=1, document=7, connection=3, receiver=2, kind="audio", via="track")
    deaf = TapDeaf(at=5, document=7, receiver=2, packets_received=60, frames_tapped=0)
    assert watch(tapped, deaf, ConnectionClosed(at=6, document=7, connection=1)).deaf
    assert not watch(tapped, deaf, ConnectionClosed(at=6, document=7, connection=3)).deaf


@pytest.mark.parametrize("state", ["joining", "leaving", "done", "fatal"])
def test_deafness_ends_with_the_call(state: str) -> None:
    deaf = TapDeaf(at=5, document=7, receiver=2, packets_received=60, frames_tapped=0)
    assert not watch(deaf, StateChanged(at=6, state=state)).deaf
    assert watch(deaf, StateChanged(at=6, state="in_call_recording")).deaf


def test_expected_is_received_and_lost_and_never_less_than_received() -> None:
    assert watch(report(0, 90, 88, lost=10)).counts == {ReceiverId(7, 0): ReceiverCounts(100, 90, 88)}
    assert watch(report(0, 90, 88, lost=-3)).counts == {ReceiverId(7, 0): ReceiverCounts(90, 90, 88)}


def test_a_page_cannot_fill_the_memory() -> None:
    many = [report(0, 1, 1, receiver=index) for index in range(MOST_RECEIVERS + 10)]
    assert len(watch(*many).counts) == MOST_RECEIVERS


def test_the_newest_frame_is_remembered() -> None:
    watched = CaptureHealth()
    frame = Frame(0, 6666, (1,), 1, 960, 111, "audio/opus", None, 12.5, None, b"x")
    watched.observe(FrameBatch(7, 0, 0, [frame]))
    watched.observe(FrameBatch(7, 1, 0, []))
    watched.observe(video_batch(0, 20.0))
    assert watched.last_frame == 12.5


def test_receivers_of_a_closed_document_are_not_deaf() -> None:
    deaf = TapDeaf(at=5, document=7, receiver=2, packets_received=60, frames_tapped=0)
    other = TapDeaf(at=5, document=8, receiver=0, packets_received=60, frames_tapped=0)
    watched = watch(report(1, 9, 9), deaf, other, DocumentClosed(at=6, document=7))
    assert watched.deaf == {ReceiverId(8, 0)}
    assert watched.counts == {}


def test_a_page_is_lost_until_it_is_back_or_the_bot_leaves() -> None:
    lost = PageLost(at=1, lost=True, detail="the page shows no call")
    assert watch().page_lost is None
    assert watch(lost).page_lost == "the page shows no call"
    assert watch(lost, PageLost(at=2, lost=False)).page_lost is None
    assert watch(lost, StateChanged(at=2, state="leaving")).page_lost is None
