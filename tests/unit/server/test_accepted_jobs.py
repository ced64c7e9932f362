"""Whatever a create body says: if it is accepted, all documents about its bot can be made."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.api import MEETING, NOW
from tests.support.sample_manifests import meeting
from worker.contracts import meetstream_documents, recall_documents
from worker.contracts.bot_facts import BotFacts
from worker.contracts.deletion_events import deletion_events
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.meetstream import read_meetstream
from worker.contracts.recall import read_recall
from worker.contracts.status import bot_status, state_event, with_change
from worker.contracts.vendor_words import words
from worker.contracts.webhooks import webhooks_of
from worker.delivery.queue_text import ascii_json
from worker.reasons import Reason
from worker.server.creation import read_body, read_job
from worker.server.errors import ApiError
from worker.server.page import views
from worker.states import State

BOT = "0b7e5b5e-54e0-4b1b-8c44-b7a2d1c1a111"
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EDGES = ("9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "2200-12-31T23:59:59.999999Z")
TIMES = (
    st.datetimes(timezones=st.none() | OFFSETS).map(datetime.isoformat)
    | st.datetimes(datetime(1970, 1, 1), datetime(2200, 12, 31), timezones=OFFSETS).map(datetime.isoformat)
    | st.sampled_from(EDGES)
)
NUMBERS = st.integers() | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(st.text(), VALUES, max_size=3)
DURATIONS = st.floats(0, 86_400) | st.integers(0, 86_400) | NUMBERS
RETENTIONS = st.fixed_dictionaries(
    {"type": st.just("timed"), "hours": st.floats(1, 87_600) | NUMBERS}
) | st.just({"type": "forever"})


def bodies(link: str, attributes: str, url: str) -> st.SearchStrategy[dict[str, Any]]:
    leave = st.fixed_dictionaries(
        {}, optional={"waiting_room_timeout": DURATIONS, "in_call_recording_timeout": DURATIONS}
    )
    return st.fixed_dictionaries(
        {link: st.just(MEETING)},
        optional={
            "bot_name": st.text(min_size=1, max_size=100),
            "join_at": TIMES,
            attributes: ATTRIBUTES,
            url: VALUES,
            "recording_config": st.fixed_dictionaries({}, optional={"retention": RETENTIONS}),
            "automatic_leave": leave,
        },
    )


def documents(facts: BotFacts) -> list[Any]:
    def url(kind: str) -> str:
        return f"https://api.example/{kind}"

    recall = recall_documents
    return [
        recall.bot_document(facts, url),
        recall.full_recording_document(facts, url),
        *(recall.artifact_document(facts, kind, url) for kind in recall.ARTIFACTS),
        meetstream_documents.created_document(facts),
        meetstream_documents.status_document(facts),
        meetstream_documents.listed_document(facts),
        meetstream_documents.detail_document(facts),
        msgspec.to_builtins(views.listed(facts)),
        msgspec.to_builtins(views.steps(facts)),
        deletion_events(facts, "anna", NOW),
    ]


def facts_of(job: Job) -> list[BotFacts]:
    """What is known of the job's bot before it begins, and once it has recorded."""
    new = BotFacts(job=job, created_at=NOW, is_dispatched=False)
    done = bot_status(
        job,
        State.DONE,
        Reason.MEETING_ENDED,
        words(State.DONE, Reason.MEETING_ENDED, job.platform),
        1,
        1,
        NOW,
    )
    status = msgspec.structs.replace(with_change(done, []), audio_status="Success", reported=True)
    return [new, msgspec.structs.replace(new, status=status, manifest=meeting(2, 60.0))]


def check(body: dict[str, Any], read: Any) -> None:
    try:
        job = read_job(read_body(json.dumps(body).encode()), read, BOT)
    except ApiError as error:
        assert error.status == 400
        assert "\n" not in error.message
        return
    for facts in facts_of(job):
        json.dumps(documents(facts), allow_nan=False).encode()
        if facts.status is not None:
            names = words(State.DONE, Reason.MEETING_ENDED, job.platform)
            event = state_event(facts.status, names.event, job.custom_attributes)
            ascii_json(event)
            for webhook in webhooks_of(job.vendor, event, facts):
                ascii_json(webhook.body)
    # The record has the body, which is read again each time.
    again = msgspec.json.decode(msgspec.json.encode(job.body))
    assert read(again, lambda: BOT) == job


@given(bodies("meeting_link", "custom_attributes", "callback_url"))
@example({"meeting_link": MEETING, "join_at": EDGES[0]})
@example({"meeting_link": MEETING, "join_at": EDGES[1]})
def test_all_documents_of_an_accepted_job_of_meetstream_can_be_made(body: dict[str, Any]) -> None:
    check(body, read_meetstream)


@given(bodies("meeting_url", "metadata", "webhook_url"))
@example({"meeting_url": MEETING, "join_at": EDGES[0]})
@example({"meeting_url": MEETING, "join_at": EDGES[1]})
def test_all_documents_of_an_accepted_job_of_recall_can_be_made(body: dict[str, Any]) -> None:
    check(body, read_recall)


@pytest.mark.parametrize(
    "at", [*EDGES[:2], "1969-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "2200-12-31T23:59:59-01:00"]
)
def test_a_time_outside_the_years_of_join_at_is_one_wrong_field(at: str) -> None:
    for read, body in (
        (read_meetstream, {"meeting_link": MEETING, "join_at": at}),
        (read_recall, {"meeting_url": MEETING, "join_at": at}),
    ):
        with pytest.raises(JobError, match=r"join_at: .*; expected .*, from 1970 to 2200$") as caught:
            read(body, lambda: BOT)
        assert caught.value.field == ("join_at",)
