from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_store import Failing, MemoryStore
from worker.contracts.envelopes import open_envelopes
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.parse_job import parse_job
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import UnavailableError
from worker.delivery.queue_text import queue_body
from worker.jobs.bot_claim import BotIdTakenError, body_sha256, claim_bot

KEYS = bot_keys("", "bot-1")
LINK = "https://teams.microsoft.com/meet/25612345678?p=SecretPasscode"

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def job(**fields: Any) -> Job:
    return parse_job(json.dumps({"bot_id": "bot-1", "meeting_link": LINK, **fields}), lambda: "bot-1")


def test_the_same_job_claims_its_id_again_and_again() -> None:
    store = MemoryStore()
    for _ in range(3):
        claim_bot(store, KEYS, job(bot_name="Notes"))
    assert list(store.objects) == ["bots/bot-1/job.json"]


def test_the_claim_of_a_lost_answer_is_the_jobs_own() -> None:
    store = MemoryStore()
    store.before = lambda method, key: claim_bot(MemoryStore(), KEYS, job())
    claim_bot(store, KEYS, job())
    store.before = Failing(UnavailableError("no answer"), wanted=("get ",))
    with pytest.raises(UnavailableError):
        claim_bot(store, KEYS, job())
    claim_bot(store, KEYS, job())


@pytest.mark.parametrize(
    "other",
    [
        {"bot_name": "Other"},
        {"meeting_link": "https://meet.google.com/abc-defg-hij"},
        {"custom_attributes": {"order": "8"}},
        {"join_at": "2027-01-15T09:00:00Z"},
    ],
)
def test_the_same_id_with_another_body_is_an_error_of_the_sender(other: dict[str, object]) -> None:
    store = MemoryStore()
    first = job(bot_name="Notes", custom_attributes={"order": "7"})
    claim_bot(store, KEYS, first)
    before = dict(store.objects)
    with pytest.raises(
        BotIdTakenError, match=r"job: bot_id: 'bot-1' belongs to a job with another body"
    ) as taken:
        claim_bot(store, KEYS, job(**{"bot_name": "Notes", "custom_attributes": {"order": "7"}, **other}))
    assert isinstance(taken.value, JobError)
    # The event about it must not be taken for one of the bot that has the id.
    assert taken.value.bot_id is None
    assert store.objects == before


def test_the_file_names_no_secret_of_the_body() -> None:
    store = MemoryStore()
    claim_bot(store, KEYS, job(bot_name="Notes"))
    assert b"SecretPasscode" not in store.objects["bots/bot-1/job.json"]
    assert set(json.loads(store.objects["bots/bot-1/job.json"])) == {"bot_id", "body_sha256"}


@given(body=st.dictionaries(st.text("abc", max_size=3), VALUES, max_size=4))
def test_a_copy_on_the_queue_is_the_same_job(body: dict[str, Any]) -> None:
    """A job that is put back is encoded again, gets its bot's id, and is sent in ASCII."""
    sent = open_envelopes(json.dumps(body)).values
    copy = queue_body(msgspec.json.encode({**sent, "bot_id": "bot-1"}).decode()).text
    assert body_sha256(open_envelopes(copy).values) == body_sha256(sent)


def test_the_order_of_fields_does_not_matter_but_their_values_do() -> None:
    assert body_sha256({"a": 1, "b": {"c": [1, 2]}}) == body_sha256({"b": {"c": [1, 2]}, "a": 1})
    assert body_sha256({"a": [1, 2]}) != body_sha256({"a": [2, 1]})
    assert body_sha256({"a": {"bot_id": "x"}}) != body_sha256({"a": {"bot_id": "y"}})
