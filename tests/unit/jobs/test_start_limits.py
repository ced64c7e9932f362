from __future__ import annotations

import json

import msgspec
import pytest

from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.parse_job import parse_job
from worker.jobs.start_limits import (
    FINISH_RESERVE,
    JOIN_LEAD,
    LONGEST_JOB,
    check_lengths,
    due_at,
    is_too_late,
)
from worker.lifecycle.leave_policy import LeavePolicy

SENT = 1_800_000_000.0
HOUR = 3600.0


def job(**fields: object) -> Job:
    return parse_job(json.dumps({"meeting_link": "https://meet.google.com/abc-defg-hij", **fields}), str)


def test_the_longest_job_leaves_time_to_join_and_to_finish_within_sqs_twelve_hours() -> None:
    assert LONGEST_JOB + JOIN_LEAD + FINISH_RESERVE == 12 * HOUR
    assert JOIN_LEAD >= 180, "a new node, the image and Chromium take minutes"


@pytest.mark.parametrize(
    ("policy", "most"),
    [
        (LeavePolicy(waiting_room=600.0, max_duration=LONGEST_JOB - 600), None),
        (LeavePolicy(waiting_room=600.0, max_duration=LONGEST_JOB - 599), LONGEST_JOB - 600),
        (LeavePolicy(waiting_room=None, max_duration=LONGEST_JOB), None),
        (LeavePolicy(waiting_room=None, max_duration=LONGEST_JOB + 1), LONGEST_JOB),
        # The wait for a participant counts only where recording waits for one.
        (
            LeavePolicy(waiting_room=600.0, in_call_not_recording=1000.0, max_duration=LONGEST_JOB - 600),
            None,
        ),
        (
            LeavePolicy(
                waiting_room=600.0,
                in_call_not_recording=1000.0,
                start_on="participant_join",
                max_duration=LONGEST_JOB - 600,
            ),
            LONGEST_JOB - 1600,
        ),
        # Without a limit the worker ends the recording in time by itself.
        (LeavePolicy(waiting_room=11 * HOUR, max_duration=None), None),
        (LeavePolicy(max_duration=24 * HOUR), LONGEST_JOB - 600),
    ],
)
def test_lengths_that_a_queue_cannot_keep_are_refused(policy: LeavePolicy, most: float | None) -> None:
    asked = msgspec.structs.replace(job(), leave=policy)
    if most is None:
        check_lengths(asked)
        return
    with pytest.raises(JobError) as refused:
        check_lengths(asked)
    assert str(refused.value).startswith(
        f"job: automatic_leave.in_call_recording_timeout: {policy.max_duration:g}; expected at most {most:g} seconds"
    )


@pytest.mark.parametrize(
    ("join_at", "due"),
    [
        (None, SENT),
        ("2027-01-15T08:00:00Z", SENT),
        ("2027-01-15T09:00:00Z", SENT + HOUR),
        # In the past when it was sent: it was due at once.
        ("2027-01-15T07:00:00Z", SENT),
    ],
)
def test_a_job_is_due_at_join_at_but_not_before_it_was_sent(join_at: str | None, due: float) -> None:
    assert due_at(job(join_at=join_at), SENT) == due


@pytest.mark.parametrize(
    ("due", "active_until", "now", "too_late"),
    [
        (SENT, None, SENT + HOUR, False),
        (SENT, None, SENT + HOUR + 1, True),
        # It is not due yet.
        (SENT + 5 * HOUR, None, SENT, False),
        # An earlier attempt was there meanwhile: the meeting of this job goes on.
        (SENT, SENT + 3 * HOUR, SENT + 4 * HOUR, False),
        (SENT, SENT + 3 * HOUR, SENT + 4 * HOUR + 1, True),
        # A tape that is older than the time to join says nothing.
        (SENT, SENT - 9 * HOUR, SENT + HOUR, False),
        (SENT, SENT - 9 * HOUR, SENT + HOUR + 1, True),
        (SENT, 0.0, SENT + 60, False),
    ],
)
def test_a_job_is_too_late_an_hour_after_it_was_due_or_last_active(
    due: float, active_until: float | None, now: float, too_late: bool
) -> None:
    assert is_too_late(due, active_until, now, HOUR) == too_late
