from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import msgspec
import pytest

from tests.support.fault_proxy import REFUSALS, Fault
from tests.support.sqs_rules import as_sqs_answers
from tests.unit.delivery.conftest import PATIENT, Cloud
from worker.delivery.events_queue import EventsQueue
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.retries import RetryPolicy


def received(cloud: Cloud, url: str) -> list[dict[str, Any]]:
    events = []
    while messages := cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        events += [msgspec.json.decode(message["Body"]) for message in messages]
    return events


@pytest.mark.parametrize("fault", [Fault.RESET, *REFUSALS])
def test_events_arrive_in_order_after_a_fault(cloud: Cloud, fault: Fault) -> None:
    """A refusal may end as well as an outage: a permission is granted, credentials are renewed."""
    url = cloud.embedded.events_url
    cloud.proxy.fail(fault)
    with closing(EventsQueue(cloud.sqs, url, retry=PATIENT, pause=0.05)) as events:
        for number in range(10):
            events.send({"bot_id": "b", "sequence": number, "bot_status": "Zoë"})
        cloud.proxy.wait_for_failures(3)
        assert events.waiting == 10
        cloud.proxy.recover()
        assert events.drain(20)
        assert events.waiting == 0
    got = received(cloud, url)
    assert [event["sequence"] for event in got] == list(range(10))
    assert got[0] == {"bot_id": "b", "sequence": 0, "bot_status": "Zoë"}


def test_an_event_may_be_changed_after_send(cloud: Cloud) -> None:
    with closing(EventsQueue(cloud.sqs, cloud.embedded.events_url, retry=PATIENT)) as events:
        event: dict[str, Any] = {"files": [1]}
        cloud.proxy.fail(Fault.RESET)
        events.send(event)
        event["files"].append(2)
        cloud.proxy.recover()
        assert events.drain(20)
    assert received(cloud, cloud.embedded.events_url) == [{"files": [1]}]


def test_without_a_queue_nothing_is_sent(cloud: Cloud) -> None:
    with closing(EventsQueue(cloud.sqs, None)) as events:
        events.send({"bot_id": "b"})
        assert events.drain(0)
        assert events.waiting == 0
    assert cloud.proxy.seen == []


def test_a_fifo_queue_receives_group_and_deduplication_ids(cloud: Cloud) -> None:
    url = cloud.sqs.create_queue(QueueName="events.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    try:
        with closing(EventsQueue(cloud.sqs, url, retry=PATIENT)) as events:
            cloud.proxy.fail(Fault.LOST_ANSWER, times=1)
            events.send({"bot_id": "b", "idempotency_key": "b-1"})
            events.send({"bot_id": "b", "idempotency_key": "b-2"})
            assert events.drain(20)
        assert [event["idempotency_key"] for event in received(cloud, url)] == ["b-1", "b-2"]
    finally:
        cloud.sqs.delete_queue(QueueUrl=url)


def test_drain_returns_false_after_an_event_was_given_up(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    url = cloud.embedded.events_url
    with closing(EventsQueue(cloud.sqs, url, retry=PATIENT)) as events:
        events.send({"idempotency_key": "b-7", "text": "secret" * 300_000})
        events.send({"text": "small"})
        assert not events.drain(20)
        assert events.lost == 1
        events.send({"text": "the next job's"})
        assert events.drain(20)
    assert received(cloud, url) == [{"text": "small"}, {"text": "the next job's"}]
    assert "dropped after an error: b-7" in caplog.text
    assert "secret" not in caplog.text


def test_drain_ends_at_its_timeout_during_an_outage(cloud: Cloud) -> None:
    cloud.proxy.fail(Fault.SLOW_DOWN)
    retry = RetryPolicy(budget=0.05, first_wait=0.01, longest_wait=0.02)
    with closing(EventsQueue(cloud.sqs, cloud.embedded.events_url, retry=retry)) as events:
        events.send({"bot_id": "b"})
        assert not events.drain(0.3)
        assert events.waiting == 1


def test_send_raises_for_a_value_that_is_not_json(cloud: Cloud) -> None:
    with closing(EventsQueue(cloud.sqs, cloud.embedded.events_url)) as events, pytest.raises(TypeError):
        events.send({"x": object()})


def test_events_with_any_character_are_sent_to_sqs(cloud: Cloud) -> None:
    cloud.proxy.change_requests(as_sqs_answers)
    names = [
        "".join(chr(code) for code in range(start, start + 0x4000) if not 0xD800 <= code <= 0xDFFF)
        for start in range(0, sys.maxunicode + 1, 0x4000)
    ]
    with closing(EventsQueue(cloud.sqs, cloud.embedded.events_url, retry=PATIENT)) as events:
        for name in names:
            events.send({"event": "bot.result", "bot_id": "b", "speakers": [{"participant_name": name}]})
        events.send({"event": "bot.result", "bot_id": "b", "speakers": [{"participant_name": "A\ud83d"}]})
        assert events.drain(60)
    got = [event["speakers"][0]["participant_name"] for event in received(cloud, cloud.embedded.events_url)]
    assert got == [*names, "A\ufffd"]


def test_a_fifo_queue_accepts_the_ids_of_any_bot(cloud: Cloud) -> None:
    cloud.proxy.change_requests(as_sqs_answers)
    url = cloud.sqs.create_queue(QueueName="long-ids.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    bot = "b" * 128
    try:
        with closing(EventsQueue(cloud.sqs, url, retry=PATIENT)) as events:
            for sequence in (1001, 1002):
                events.send({"bot_id": bot, "idempotency_key": f"{bot}-{sequence}"})
                events.send({"bot_id": bot, "idempotency_key": f"{bot}-{sequence}"})
            events.send({"bot_id": None, "event": "without a key"})
            events.send({"bot_id": "ä b", "event": "without a key"})
            assert events.drain(20)
        keys = [event.get("idempotency_key") for event in received(cloud, url)]
        assert sorted(map(str, keys)) == ["None", "None", f"{bot}-1001", f"{bot}-1002"]
    finally:
        cloud.sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize("is_fifo", [False, True])
def test_a_server_takes_what_was_sent_as_it_takes_jobs(cloud: Cloud, is_fifo: bool) -> None:
    url = cloud.embedded.events_url
    if is_fifo:
        url = cloud.sqs.create_queue(QueueName="taken.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    with closing(EventsQueue(cloud.sqs, url, retry=PATIENT)) as events:
        for number in range(3):
            events.send({"event": "bot.joining", "bot_id": "b", "idempotency_key": f"b-{number}"})
        assert events.drain(30)
    queue = JobsQueue(cloud.sqs, url, retry=PATIENT)
    keys = set()
    while (message := queue.receive(0)) is not None:
        keys.add(msgspec.json.decode(message.body)["idempotency_key"])
        queue.delete(message.receipt)
    if is_fifo:
        cloud.sqs.delete_queue(QueueUrl=url)
    assert keys == {"b-0", "b-1", "b-2"}
