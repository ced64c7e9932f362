from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.malformed_jobs import LINK
from worker.contracts.envelopes import MOST_ENVELOPES
from worker.contracts.json_body import JobError
from worker.contracts.parse_job import parse_job

JOB = {
    "meeting_link": LINK,
    "bot_id": "bot-1",
    "bot_name": "Notes — ä",
    "custom_attributes": {"a": [1, None]},
}

ARN = "arn:aws:sns:eu-central-1:123456789012:jobs"


def sns(value: object) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": ARN,
        "Subject": "a job",
        "Message": json.dumps(value),
        "Timestamp": "2026-11-26T10:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "x",
        "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/x.pem",
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
    }


def event_bridge(value: object) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "bot wanted",
        "source": "com.example.calendar",
        "account": "123456789012",
        "time": "2026-11-26T10:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": value,
    }


def sqs_record(value: object) -> dict[str, Any]:
    return {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "x",
        "body": json.dumps(value),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "md5OfBody": "x",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:in",
        "awsRegion": "eu-central-1",
    }


def sns_record(value: object) -> dict[str, Any]:
    return {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": ARN, "Sns": sns(value)}


def pipes(value: object) -> list[Any]:
    return [sqs_record(value)]


def records(value: object) -> dict[str, Any]:
    return {"Records": [sqs_record(value)]}


ENVELOPES: list[Callable[[Any], Any]] = [
    sns,
    event_bridge,
    sqs_record,
    sns_record,
    pipes,
    records,
    json.dumps,
    lambda value: [json.dumps(value)],
]


@given(st.lists(st.sampled_from(ENVELOPES), max_size=3))
def test_a_job_in_envelopes_is_the_job(envelopes: list[Callable[[Any], Any]]) -> None:
    value: Any = JOB
    for envelope in envelopes:
        value = envelope(value)
    assert parse_job(json.dumps(value), str) == parse_job(json.dumps(JOB), str)


def refusal(value: object) -> JobError:
    with pytest.raises(JobError) as caught:
        parse_job(json.dumps(value), str)
    line = str(caught.value)
    assert line.startswith("job: ")
    assert "expected" in line
    assert line.isprintable()
    assert len(line) < 400
    return caught.value


@pytest.mark.parametrize(
    ("value", "begin"),
    [
        (
            {"Type": "SubscriptionConfirmation", "TopicArn": ARN, "Message": "x", "Token": "s3cret"},
            "job: an SNS subscription's confirmation; expected a create-bot body",
        ),
        (
            {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "meetstems", "RequestId": "x"},
            "job: an S3 test notification; expected a create-bot body",
        ),
        (
            {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "s3": {"object": {"key": "x"}}}]},
            "job: in a list of records: an S3 notification; expected a create-bot body",
        ),
        ([sqs_record(JOB), sqs_record(JOB)], "job: a list of 2; expected one job in a message"),
        ([JOB, JOB, JOB], "job: a list of 3; expected one job in a message"),
        ({"Records": []}, "job: a list of records of 0; expected one job in a message"),
        (
            ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "x", "s3Key": "y"}],
            "job: a text that is kept in S3 by the SQS Extended Client; expected a create-bot body",
        ),
        (sns("not JSON") | {"Message": "not JSON"}, "job: in an SNS notification: is not JSON ("),
        (event_bridge(7), "job: in an EventBridge event: a number; expected a JSON object"),
        (event_bridge({"state": "on"}), "job: in an EventBridge event: meeting_link: missing"),
        (sns({**JOB, "bot_name": ""}), "job: in an SNS notification: bot_name: ''; expected 1 to 100"),
        (
            sqs_record(sns({**JOB, "meeting_link": "https://evil.example/?p=s3cret"})),
            "job: in an SNS notification in an SQS record: meeting_link: 'https://evil.example/'; expected",
        ),
    ],
)
def test_what_holds_no_valid_job_is_named(value: object, begin: str) -> None:
    line = str(refusal(value))
    assert line.startswith(begin)
    assert "s3cret" not in line


def test_an_error_in_an_envelope_has_the_bot_id() -> None:
    assert refusal(sns({**JOB, "bot_name": ""})).bot_id == "bot-1"


def test_envelopes_in_each_other_are_bounded() -> None:
    value: Any = JOB
    for _ in range(MOST_ENVELOPES + 1):
        value = event_bridge(value)
    assert f"more than {MOST_ENVELOPES} envelopes; expected" in str(refusal(value))


def test_a_body_with_a_link_is_no_envelope() -> None:
    job = parse_job(json.dumps({**JOB, "Type": "Notification", "TopicArn": ARN, "Message": "{}"}), str)
    assert job.ignored == ["Type", "TopicArn", "Message"]
