from __future__ import annotations

import pytest

from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome


def outcome(reason: Reason, error: Exception | None = None, *, admitted: bool = True) -> RecordingOutcome:
    return RecordingOutcome(Ending(reason, "", 0.0), admitted, None, error, None, None, None)


@pytest.mark.parametrize("reason", Reason)
def test_a_recording_failed_if_its_reason_cut_it_off(reason: Reason) -> None:
    assert outcome(reason).failed is reason.is_cut_off


@pytest.mark.parametrize("reason", [Reason.MEETING_ENDED, Reason.DENIED_BY_HOST, Reason.BROWSER_DIED])
def test_a_recording_failed_if_tape_or_files_could_not_be_written(reason: Reason) -> None:
    assert outcome(reason, OSError("the disk is full")).failed


def test_a_bot_that_was_not_admitted_has_not_failed() -> None:
    assert not outcome(Reason.DENIED_BY_HOST, admitted=False).failed
