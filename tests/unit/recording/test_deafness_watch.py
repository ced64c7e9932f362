from __future__ import annotations

from collections.abc import Iterable

import pytest

from worker.browser.tap import TappedEvent
from worker.lifecycle.media_state import MediaMonitor
from worker.monitoring.capture_health import CaptureHealth
from worker.recording.deafness_watch import DeafnessWatch
from worker.tape.events import (
    DocumentClosed,
    Frame,
    FrameBatch,
    PageEvent,
    ReceiverReport,
    TapDeaf,
    TapeEvent,
)


def report(at: float, received: int, tapped: int) -> ReceiverReport:
    return ReceiverReport(
        at=at, document=1, receiver=0, packets_received=received, packets_lost=0, frames_tapped=tapped
    )


def frames(arrival: float) -> FrameBatch:
    return FrameBatch(1, 0, 0, [Frame(0, 5, (7,), 0, 0, 111, "audio/opus", 0.1, arrival, None, b"speech")])


DEAF: list[FrameBatch | PageEvent] = [report(0, 100, 100), report(2, 200, 100), report(4, 300, 100)]


def watched(events: Iterable[TappedEvent]) -> list[TapeEvent]:
    taken: list[TapeEvent] = []
    watch = DeafnessWatch(taken.append)
    for event in events:
        watch.take(event)
    return taken


def test_a_finding_follows_the_report_that_shows_it() -> None:
    finding = TapDeaf(at=4, document=1, receiver=0, packets_received=300, frames_tapped=100)
    later: list[FrameBatch | PageEvent] = [frames(4.5), report(6, 400, 100)]
    assert watched([*DEAF, *later]) == [*DEAF, finding, *later]


def test_a_closed_document_is_forgotten() -> None:
    closed = DocumentClosed(at=3, document=1)
    events = [*DEAF[:2], closed, *DEAF[2:]]
    assert watched(events) == events


@pytest.mark.parametrize("recovery", [[frames(4.5)], [frames(4.5), report(6, 400, 300)]])
def test_frames_after_a_finding_end_the_deafness(recovery: list[FrameBatch | PageEvent]) -> None:
    media = MediaMonitor()
    for event in watched([*DEAF, *recovery]):
        media.observe(event, 5.0)
    assert media.now.alive


def test_a_report_of_tapped_frames_after_a_finding_makes_the_receiver_well() -> None:
    health = CaptureHealth()
    for event in watched(DEAF):
        health.observe(event)
    assert health.deaf
    for event in watched([*DEAF, report(6, 400, 300)]):
        health.observe(event)
    assert not health.deaf


def test_a_finding_is_not_made_of_an_event_that_was_not_taken() -> None:
    def fail(_: object) -> None:
        raise OSError("full")

    watch = DeafnessWatch(fail)
    for event in DEAF:
        with pytest.raises(OSError, match="full"):
            watch.take(event)
