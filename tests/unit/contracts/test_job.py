from __future__ import annotations

import pytest

from tests.support.job_parts import parse
from tests.support.malformed_jobs import LINK
from worker.contracts.job import DEFAULT_BOT_NAME, LONGEST_BOT_NAME, MAX_ATTRIBUTES_BYTES
from worker.contracts.json_body import JobError
from worker.contracts.meetstream import DEFAULT_LEAVE as MEETSTREAM
from worker.contracts.recall import DEFAULT_LEAVE as RECALL


def test_missing_fields_have_defaults() -> None:
    meetstream, recall = parse(meeting_link=LINK), parse(meeting_url=LINK)
    for job in (meetstream, recall):
        assert job.bot_id == "new-id"
        assert job.bot_name == DEFAULT_BOT_NAME
        assert (job.join_at, job.announcement, job.callback_url) == (None, None, None)
        assert (job.custom_attributes, job.ignored) == ({}, [])
    assert (meetstream.leave, recall.leave) == (MEETSTREAM, RECALL)


def test_a_blank_announcement_is_none() -> None:
    assert parse(meeting_link=LINK, bot_message=" \n").announcement is None
    assert parse(meeting_url=LINK, chat={"on_bot_join": {}}).announcement is None


def test_a_time_without_an_offset_is_utc() -> None:
    times = ["2026-01-31T09:30:00", "2026-01-31T09:30", "2026-01-31 09:30:00Z", "20260131T093000Z"]
    assert {parse(meeting_link=LINK, join_at=time).join_at for time in times} == {1769851800.0}


@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_blank_time_is_none(blank: str | None) -> None:
    assert parse(meeting_link=LINK, join_at=blank).join_at is None
    assert parse(meeting_url=LINK, join_at=blank).join_at is None


def test_a_long_bot_name_is_cut() -> None:
    assert parse(meeting_url=LINK, bot_name="N" * 100).bot_name == "N" * LONGEST_BOT_NAME


def test_bot_names_in_every_script_are_accepted() -> None:
    for name in ("Ærøskøbing", "会議の記録", "\U0001f469\u200d\U0001f4bb notes"):
        assert parse(meeting_link=LINK, bot_name=name).bot_name == name


def test_repr_of_a_job_hides_its_secrets() -> None:
    job = parse(meeting_link=LINK, bot_id="b1", callback_url="https://x.example/?token=abc", key="s3cret")
    assert repr(job) == "Job(bot_id='b1', vendor='meetstream')"


def test_attributes_are_counted_as_they_are_sent() -> None:
    largest = {"note": "字" * ((MAX_ATTRIBUTES_BYTES - len('{"note":""}')) // 6)}
    assert parse(meeting_link=LINK, custom_attributes=largest).custom_attributes == largest
    with pytest.raises(JobError, match=r"custom_attributes: 6\d+ bytes; expected at most 65536"):
        parse(meeting_link=LINK, custom_attributes={"note": largest["note"] + "字"})
    with pytest.raises(JobError, match="metadata"):
        parse(meeting_url=LINK, metadata={"note": "é" * (MAX_ATTRIBUTES_BYTES // 4)})
