from __future__ import annotations

from typing import Any, cast

import pytest

from tests.support.fault_proxy import Fault
from tests.unit.delivery.conftest import Cloud
from worker.delivery import queue_counts
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.queue_counts import QueueCounts, read_queue
from worker.delivery.retries import RetryPolicy

COUNTED = {
    "ApproximateNumberOfMessages": "3",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "1",
}


class ScriptedSqs:
    """Answers GetQueueAttributes."""

    def __init__(self, attributes: dict[str, str] | None) -> None:
        self._answer = {} if attributes is None else {"Attributes": attributes}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return self._answer


def read(
    attributes: dict[str, str] | None, url: str = "https://sqs.example/1/jobs"
) -> queue_counts.QueueState:
    return read_queue(cast(Any, ScriptedSqs(attributes)), url)


def test_each_state_of_a_message_is_counted(cloud: Cloud) -> None:
    url = cloud.embedded.jobs_url
    for _ in range(3):
        cloud.sqs.send_message(QueueUrl=url, MessageBody="{}")
    cloud.sqs.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=600)
    assert cloud.jobs().receive(0) is not None
    assert read_queue(cloud.sqs, url).counts == QueueCounts(visible=2, hidden=1, delayed=1)


def test_the_redrive_policy_names_the_dead_letter_queue(cloud: Cloud) -> None:
    state = read_queue(cloud.sqs, cloud.embedded.jobs_url)
    assert state.dead_letters_url == cloud.embedded.dead_letters_url
    assert read_queue(cloud.sqs, cloud.embedded.events_url).dead_letters_url is None


def test_a_queue_that_does_not_answer_is_unavailable(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_counts, "RETRY", RetryPolicy(budget=0.1, first_wait=0.01, longest_wait=0.05))
    cloud.proxy.fail(Fault.INTERNAL_ERROR)
    with pytest.raises(UnavailableError):
        read_queue(cloud.sqs, cloud.embedded.jobs_url)


def test_a_queue_that_does_not_exist_is_refused(cloud: Cloud) -> None:
    with pytest.raises(RefusedError, match=r"NonExistentQueue|QueueDoesNotExist"):
        read_queue(cloud.sqs, f"{cloud.embedded.jobs_url}-gone")


@pytest.mark.parametrize("left_out", [*COUNTED, None])
def test_a_count_that_is_missing_is_not_taken_for_0(left_out: str | None) -> None:
    attributes = None if left_out is None else {k: v for k, v in COUNTED.items() if k != left_out}
    with pytest.raises(RefusedError, match="is missing"):
        read(attributes)


@pytest.mark.parametrize("policy", ["{", "[]", "{}", '"x"'])
def test_a_redrive_policy_that_cannot_be_read_is_refused(policy: str) -> None:
    with pytest.raises(RefusedError, match="RedrivePolicy"):
        read(COUNTED | {"RedrivePolicy": policy})


@pytest.mark.parametrize(
    ("jobs", "dead_letters"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/1/jobs", "https://sqs.eu-central-1.amazonaws.com/1/dead"),
        ("http://elasticmq:9324/queue/jobs", "http://elasticmq:9324/queue/dead"),
    ],
)
def test_the_dead_letter_queue_is_beside_the_jobs_queue(jobs: str, dead_letters: str) -> None:
    policy = '{"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:1:dead", "maxReceiveCount": 3}'
    assert read(COUNTED | {"RedrivePolicy": policy}, jobs).dead_letters_url == dead_letters
