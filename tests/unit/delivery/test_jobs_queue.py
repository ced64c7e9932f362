from __future__ import annotations

import json
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fault_proxy import Answer, AnswerChange, Fault, Request
from tests.support.sqs_rules import LARGEST, as_sqs_answers
from tests.unit.delivery.conftest import IMPATIENT, PATIENT, Cloud
from worker.delivery.aws_clients import sqs_client
from worker.delivery.errors import IncompleteAnswerError, RefusedError
from worker.delivery.jobs_queue import (
    ACTIONS,
    LONGEST_GIVE_BACK,
    MAX_VISIBILITY,
    Delivery,
    JobsQueue,
    MessageLostError,
    QueueUnavailableError,
    VisibilityCapError,
    decide,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def hidden(cloud: Cloud, url: str | None = None) -> int:
    """How many messages of the queue are hidden."""
    answer = cloud.sqs.get_queue_attributes(
        QueueUrl=url or cloud.embedded.jobs_url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])


def test_a_message_is_hidden_until_it_is_given_back_and_gone_once_deleted(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    message_id = jobs.send('{"bot_id": "b"}')
    first = jobs.receive(1)
    assert first is not None
    assert (first.body, first.receive_count, first.message_id) == ('{"bot_id": "b"}', 1, message_id)
    assert abs(first.sent_at - time.time()) < 60
    assert jobs.receive(0) is None
    jobs.give_back(first.receipt)
    second = jobs.receive(1)
    assert second is not None
    assert (second.receive_count, second.message_id) == (2, message_id)
    jobs.delete(second.receipt)
    assert jobs.receive(0) is None
    assert hidden(cloud) == 0


def test_receive_returns_at_once_from_an_empty_queue(cloud: Cloud) -> None:
    began = time.monotonic()
    assert cloud.jobs().receive(0) is None
    assert time.monotonic() - began < 5


def test_a_message_that_is_not_extended_becomes_visible_again(cloud: Cloud) -> None:
    jobs = cloud.jobs(visibility=1)
    jobs.send("{}")
    assert jobs.receive(1) is not None
    again = jobs.receive(5)
    assert again is not None
    assert again.receive_count == 2
    jobs.extend(again.receipt, 100)
    assert jobs.receive(0) is None


def test_a_message_that_was_deleted_cannot_be_extended_or_given_back(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    delivery = jobs.receive(1)
    assert delivery is not None
    jobs.delete(delivery.receipt)
    with pytest.raises(MessageLostError, match="SQS: extend"):
        jobs.extend(delivery.receipt, 10)
    with pytest.raises(MessageLostError, match="SQS: give back"):
        jobs.give_back(delivery.receipt)


def test_extend_raises_beyond_twelve_hours(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    delivery = jobs.receive(1)
    assert delivery is not None
    time.sleep(0.01)  # moto counts from the sending in milliseconds
    with pytest.raises(VisibilityCapError):
        jobs.extend(delivery.receipt, MAX_VISIBILITY)
    jobs.give_back(delivery.receipt, 10 * MAX_VISIBILITY)
    assert hidden(cloud) == 1


def receive(jobs: JobsQueue) -> Delivery:
    delivery = jobs.receive(1)
    assert delivery is not None
    return delivery


def test_a_job_that_is_postponed_repeatedly_never_becomes_poison(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    first = receive(jobs)
    assert not jobs.postpone(first, 3600)
    assert jobs.receive(0) is None
    assert hidden(cloud) == 1
    jobs.extend(first.receipt, 0)
    second = receive(jobs)
    assert second.receive_count == 2
    for postponed in (1, 2, 3, 4):
        assert jobs.postpone(second, 0)
        jobs.delete(second.receipt)
        copy = receive(jobs)
        # The receive before the first postponement counts, those that ended with one do not.
        assert (copy.receive_count, copy.postponed, copy.body) == (2, postponed, "{}")
        assert (copy.sent_at, copy.message_id != first.message_id) == (first.sent_at, True)
        second = copy
    assert hidden(cloud) == 1


def test_a_copy_that_is_postponed_for_long_is_not_hidden_beyond_the_twelve_hours(cloud: Cloud) -> None:
    """Only a message's first receive can hide it for nearly 12 hours; a copy is sent with the longest delay."""
    jobs = cloud.jobs()
    jobs.send("{}")
    copied = receive(jobs)._replace(postponed=1)
    assert jobs.postpone(copied, 3600)


def test_a_copy_carries_how_often_its_job_was_delayed(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    first = receive(jobs)
    assert jobs.postpone(first._replace(delays=3), 0)
    jobs.delete(first.receipt)
    copy = receive(jobs)
    assert (copy.receive_count, copy.postponed, copy.delays) == (1, 1, 3)


@pytest.mark.parametrize("fault", [Fault.ACCESS_DENIED, Fault.EXPIRED_TOKEN])
def test_a_refused_copy_leaves_the_message_alone(cloud: Cloud, fault: Fault) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    delivery = receive(jobs)
    cloud.proxy.fail(fault)
    with pytest.raises(RefusedError, match="SQS: send"):
        jobs.postpone(delivery, 0)
    cloud.proxy.recover()
    assert hidden(cloud) == 1
    assert jobs.receive(0) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"sent_at": "nan"},
        {"sent_at": "inf"},
        {"sent_at": "-1"},
        {"sent_at": "9" * 30},
        {"sent_at": "yesterday"},
        {"receives": "-1"},
        {"receives": "0.5"},
        {"receives": "9" * 30},
        {"postponed": "x", "receives": "2"},
        {"postponed": "-3"},
        {"delays": "9" * 400},
    ],
    ids=str,
)
def test_attributes_of_no_copy_are_ignored(cloud: Cloud, attributes: dict[str, str]) -> None:
    """A sender of jobs can set any attributes, and may only harm that job."""
    began = time.time()
    cloud.sqs.send_message(
        QueueUrl=cloud.embedded.jobs_url,
        MessageBody="{}",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )
    delivery = receive(cloud.jobs())
    assert (delivery.receive_count, delivery.postponed, delivery.delays) == (1, 0, 0)
    assert began - 5 < delivery.sent_at < time.time() + 5


def test_dead_letter_moves_a_message_with_the_reason(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    message_id = jobs.send("not a job")
    delivery = jobs.receive(1)
    assert delivery is not None
    assert jobs.dead_letter(delivery, "meeting_url: missing")
    jobs.delete(delivery.receipt)
    assert (hidden(cloud), jobs.receive(0)) == (0, None)
    dead = cloud.sqs.receive_message(QueueUrl=cloud.embedded.dead_letters_url, MessageAttributeNames=["All"])[
        "Messages"
    ]
    assert [message["Body"] for message in dead] == ["not a job"]
    assert dead[0]["MessageAttributes"]["reason"]["StringValue"] == "meeting_url: missing"
    assert dead[0]["MessageAttributes"]["original_message_id"]["StringValue"] == message_id


def test_dead_letter_returns_false_without_a_redrive_policy(cloud: Cloud) -> None:
    jobs = JobsQueue(cloud.sqs, cloud.embedded.events_url, retry=PATIENT)
    jobs.send("not a job")
    delivery = jobs.receive(1)
    assert delivery is not None
    assert not jobs.dead_letter(delivery, "x")
    assert hidden(cloud, cloud.embedded.events_url) == 1


def test_a_job_that_fails_repeatedly_ends_in_the_dead_letter_queue(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    for count in (1, 2, 3):
        delivery = jobs.receive(1)
        assert delivery is not None
        assert delivery.receive_count == count
        assert decide(delivery.receive_count, 3) == "work"
        jobs.give_back(delivery.receipt)
    assert jobs.receive(0) is None
    dead = JobsQueue(cloud.sqs, cloud.embedded.dead_letters_url, retry=PATIENT).receive(1)
    assert dead is not None
    assert dead.body == "{}"


@given(count=st.integers(1, 100), maximum=st.integers(1, 100))
def test_decide_returns_poison_beyond_the_maximum(count: int, maximum: int) -> None:
    assert (decide(count, maximum) == "poison") == (count > maximum)


@pytest.mark.parametrize("fault", [Fault.INTERNAL_ERROR, Fault.SLOW_DOWN, Fault.RESET])
def test_requests_are_retried_through_an_outage(cloud: Cloud, fault: Fault) -> None:
    jobs = cloud.jobs()
    cloud.proxy.fail(fault, times=3)
    jobs.send("{}")
    cloud.proxy.fail(fault, times=3)
    delivery = jobs.receive(1)
    assert delivery is not None
    cloud.proxy.fail(fault, times=3)
    jobs.extend(delivery.receipt, 60)
    cloud.proxy.fail(fault, times=3)
    jobs.delete(delivery.receipt)
    assert cloud.proxy.failed == 12


def test_delete_succeeds_after_a_lost_answer(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    delivery = jobs.receive(1)
    assert delivery is not None
    cloud.proxy.fail(Fault.LOST_ANSWER, times=1)
    jobs.delete(delivery.receipt)
    assert hidden(cloud) == 0


def test_receive_raises_after_an_outage_longer_than_the_budget(cloud: Cloud) -> None:
    cloud.proxy.fail(Fault.RESET)
    with pytest.raises(QueueUnavailableError, match="SQS: receive"):
        cloud.jobs(IMPATIENT).receive(0)


def test_receive_raises_refused_error_for_a_missing_queue(cloud: Cloud) -> None:
    jobs = JobsQueue(cloud.sqs, cloud.embedded.jobs_url + "-missing", retry=PATIENT)
    with pytest.raises(RefusedError, match="SQS: receive: NonExistentQueue"):
        jobs.receive(0)


def test_the_longest_give_back_is_within_the_cap() -> None:
    assert LONGEST_GIVE_BACK < MAX_VISIBILITY


def test_bodies_are_received_with_the_values_that_were_sent(cloud: Cloud) -> None:
    body = msgspec.json.encode({"bot_name": 'Zoë & "Co" <1>', "emoji": "🎙"}).decode()
    jobs = cloud.jobs()
    jobs.send(body)
    delivery = jobs.receive(1)
    assert delivery is not None
    assert msgspec.json.decode(delivery.body) == msgspec.json.decode(body)


def test_send_raises_refused_error_for_a_body_that_is_too_large(cloud: Cloud) -> None:
    with pytest.raises(RefusedError, match="SQS: send"):
        cloud.jobs().send("x" * 2_000_000)


FORBIDDEN = '{"custom_attributes": {"note": "a\uffffb"}, "bot_name": "Zoë"}'


def test_jobs_with_characters_that_sqs_refuses_are_sent_and_postponed(cloud: Cloud) -> None:
    cloud.proxy.change_requests(as_sqs_answers)
    jobs = cloud.jobs()
    jobs.send(FORBIDDEN)
    delivery = jobs.receive(1)
    assert delivery is not None
    assert msgspec.json.decode(delivery.body) == msgspec.json.decode(FORBIDDEN)
    assert jobs.postpone(delivery._replace(receive_count=2, body=FORBIDDEN), 0)
    jobs.delete(delivery.receipt)
    copy = receive(jobs)
    assert copy.receive_count == 2
    assert msgspec.json.decode(copy.body) == msgspec.json.decode(FORBIDDEN)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (FORBIDDEN, None),
        ("not JSON, but Zoë's", None),
        ("not JSON \ufffe\x00 \ud83d", "json-string"),
        ("", "json-string"),
    ],
    ids=["JSON", "text", "text that SQS refuses", "empty"],
)
def test_a_dead_letter_keeps_any_text(cloud: Cloud, body: str, kept: str | None) -> None:
    cloud.proxy.change_requests(as_sqs_answers)
    jobs = cloud.jobs()
    jobs.send("{}")
    delivery = jobs.receive(1)
    assert delivery is not None
    assert jobs.dead_letter(delivery._replace(body=body), "job: bot_name: 'Notes\uffff\x01'; expected …")
    (dead,) = cloud.sqs.receive_message(
        QueueUrl=cloud.embedded.dead_letters_url, MessageAttributeNames=["All"]
    )["Messages"]
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert attributes["reason"] == "job: bot_name: 'Notes\\uffff\\u0001'; expected …"
    assert attributes.get("body_encoding") == kept
    restored = json.loads(dead["Body"]) if kept else dead["Body"]
    assert restored == body or msgspec.json.decode(restored) == msgspec.json.decode(body)


def test_a_dead_letter_as_large_as_a_message_loses_only_its_reason(cloud: Cloud) -> None:
    cloud.proxy.change_requests(as_sqs_answers)
    jobs = cloud.jobs()
    jobs.send("x" * LARGEST)
    delivery = jobs.receive(1)
    assert delivery is not None
    assert jobs.dead_letter(delivery, "too large for a job")
    (dead,) = cloud.sqs.receive_message(
        QueueUrl=cloud.embedded.dead_letters_url, MessageAttributeNames=["All"]
    )["Messages"]
    assert dead["Body"] == "x" * LARGEST
    assert "MessageAttributes" not in dead


def without_fields(*names: str) -> AnswerChange:
    """Answers of SQS without these fields, at any depth."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: strip(item) for name, item in value.items() if name not in names}
        return [strip(item) for item in value] if isinstance(value, list) else value

    def change(request: Request, answer: Answer) -> Answer:
        body = msgspec.json.encode(strip(msgspec.json.decode(answer.body))) if answer.body else b""
        return answer._replace(body=body)

    return change


@pytest.mark.parametrize(
    "names",
    [
        ["Attributes"],
        ["SentTimestamp"],
        ["ApproximateReceiveCount"],
        ["MessageId"],
        ["Attributes", "MessageId", "MD5OfBody"],
    ],
    ids=" ".join,
)
def test_receive_needs_only_the_body_and_the_receipt(
    cloud: Cloud, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    jobs = cloud.jobs()
    jobs.send('{"bot_id": "b"}')
    cloud.proxy.change_answers(without_fields(*names))
    delivery = jobs.receive(1)
    assert delivery is not None
    assert (delivery.body, delivery.receive_count) == ('{"bot_id": "b"}', 1)
    assert abs(delivery.sent_at - time.time()) < 60
    assert ("no receive count or no time" in caplog.text) == (names != ["MessageId"])
    jobs.give_back(delivery.receipt)
    again = jobs.receive(1)
    assert again is not None
    assert (again.message_id, bool(again.message_id)) == (delivery.message_id, True)
    jobs.delete(again.receipt)


def test_receive_names_a_missing_receipt(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    cloud.proxy.change_answers(without_fields("ReceiptHandle"))
    with pytest.raises(IncompleteAnswerError, match="SQS: receive: the answer has no ReceiptHandle"):
        jobs.receive(1)


def test_a_message_without_a_body_is_received_and_is_no_job(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    cloud.proxy.change_answers(without_fields("Body"))
    delivery = jobs.receive(1)
    assert delivery is not None
    assert delivery.body == ""
    assert jobs.dead_letter(delivery, "job: expected a JSON object")


def test_send_needs_no_message_id(cloud: Cloud) -> None:
    cloud.proxy.change_answers(without_fields("MessageId"))
    assert cloud.jobs().send("{}") == ""


@pytest.mark.parametrize(
    "policy", ["", "[]", "{}", '{"deadLetterTargetArn": 7}', '{"deadLetterTargetArn": "dead"}']
)
def test_an_unreadable_redrive_policy_is_named(cloud: Cloud, policy: str) -> None:
    def change(request: Request, answer: Answer) -> Answer:
        if request.action != "GetQueueAttributes":
            return answer
        return answer._replace(body=msgspec.json.encode({"Attributes": {"RedrivePolicy": policy}}))

    jobs = cloud.jobs()
    jobs.send("not a job")
    delivery = jobs.receive(1)
    assert delivery is not None
    cloud.proxy.change_answers(change)
    with pytest.raises(RefusedError, match="expected the ARN of a dead-letter queue"):
        jobs.dead_letter(delivery, "x")
    cloud.proxy.reset()
    assert hidden(cloud) == 1


def forbid(client: SQSClient, actions: set[str]) -> None:
    """Has ``client`` answer these as AWS does where the role does not allow them."""

    def answer(**_: object) -> Any:
        error = {"Code": "AccessDenied", "Message": "not authorized"}
        return SimpleNamespace(status_code=403), {
            "Error": error,
            "ResponseMetadata": {"HTTPStatusCode": 403},
        }

    for action in actions:
        client.meta.events.register(f"before-call.sqs.{action.removeprefix('sqs:')}", answer)


@pytest.mark.parametrize("forbidden", [{action} for action in ACTIONS] + [set(ACTIONS), set(ACTIONS[1:4])])
def test_check_actions_names_all_that_a_role_does_not_allow(cloud: Cloud, forbidden: set[str]) -> None:
    with closing(sqs_client(cloud.embedded.aws)) as client:
        forbid(client, forbidden)
        with pytest.raises(RefusedError, match="not allowed") as caught:
            JobsQueue(client, cloud.embedded.events_url, retry=PATIENT).check_actions()
    assert {action for action in ACTIONS if action in str(caught.value)} == forbidden
    assert "\n" not in str(caught.value)


def test_check_actions_sends_and_takes_no_message(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.check_actions()
    assert jobs.receive(0) is None
    jobs.send("{}")
    jobs.check_actions()
    delivery = jobs.receive(1)
    assert delivery is not None
    assert (delivery.body, delivery.receive_count) == ("{}", 1)


def test_check_actions_finds_a_missing_queue(cloud: Cloud) -> None:
    jobs = JobsQueue(cloud.sqs, cloud.embedded.events_url + "-missing", retry=PATIENT)
    with pytest.raises(RefusedError, match="NonExistentQueue"):
        jobs.check_actions()
