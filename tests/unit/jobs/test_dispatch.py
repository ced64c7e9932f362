from __future__ import annotations

import json

import pytest

from tests.support.worker_process import Cloud
from worker.contracts.json_body import JobError
from worker.jobs.dispatch import dispatch
from worker.jobs.start_limits import LONGEST_JOB

LINK = "https://meet.google.com/abc-defg-hij"


def test_a_job_without_an_id_gets_one_that_stays(cloud: Cloud) -> None:
    bot_id = dispatch(cloud.jobs, json.dumps({"meeting_link": LINK, "bot_name": "Zoë"}).encode())
    delivery = cloud.jobs.receive(1)
    assert delivery is not None
    assert json.loads(delivery.body) == {"meeting_link": LINK, "bot_name": "Zoë", "bot_id": bot_id}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"meeting_link": "https://example.com/x"}, "job: meeting_link"),
        (
            {
                "meeting_url": LINK,
                "automatic_leave": {"waiting_room_timeout": 600, "in_call_recording_timeout": LONGEST_JOB},
            },
            r"job: automatic_leave\.in_call_recording_timeout: \d+; expected at most \d+ seconds",
        ),
    ],
)
def test_a_job_that_no_worker_can_do_is_refused_when_it_is_sent(
    cloud: Cloud, body: dict[str, object], problem: str
) -> None:
    with pytest.raises(JobError, match=problem):
        dispatch(cloud.jobs, json.dumps(body).encode())
    assert cloud.waiting_jobs() == 0
