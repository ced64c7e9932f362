"""What an event costs that no tape can hold, or that an observer cannot take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tape_samples import EPOCH, batch
from worker.recording.recorder import Recorder
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import PageFault, PageSeen, TapeEvent
from worker.tape.reader import read_tape
from worker.tape.writer import TapeWriter


def test_an_event_that_no_tape_can_hold_is_left_out_and_a_fault_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    observed: list[TapeEvent] = []
    recorder = Recorder(
        TapeWriter(tmp_path / "tape"),
        DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
        lambda: EPOCH,
        [observed.append],
    )
    # A page may cut a text within a surrogate pair.
    odd = PageSeen(at=EPOCH, scene="call", detail="\ud83d", evidence=[], variant="", language="en")
    for event in (batch(0, EPOCH), odd, batch(1, EPOCH)):
        recorder.take(event)
    assert recorder.error is None
    recorder.finish()
    first, fault, last = read_tape(tmp_path / "tape")
    assert (first, last) == (batch(0, EPOCH), batch(1, EPOCH))
    assert isinstance(fault, PageFault)
    assert fault.where == "Recorder.take"
    assert fault.message.startswith("PageSeen: cannot be put on a tape: ")
    assert observed == [first, fault, last]
    assert len(caplog.records) == 1
