from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import inspect

from tests.support.job_parts import parse
from tests.support.malformed_jobs import (
    LINK,
    NOT_AN_OBJECT,
    NOT_JSON,
    OUT_OF_RANGE,
    TEAMS_LINK,
    WRONG_FIELDS,
)
from worker.contracts.job import Job
from worker.contracts.json_body import MAX_BODY_BYTES, JobError
from worker.contracts.meetstream import MeetStreamBot
from worker.contracts.parse_job import json_schema, parse_job
from worker.contracts.recall import RecallBot
from worker.contracts.validation import MOST_IGNORED
from worker.errors import InputError
from worker.platforms.links import EXPECTED_LINK, parse_link

MALFORMED = [*NOT_JSON, *NOT_AN_OBJECT, *OUT_OF_RANGE, *(body for body, _ in WRONG_FIELDS)]


def _short(value: bytes | str) -> str:
    return ascii(value)[:60]


def refusal(body: bytes | str) -> JobError:
    with pytest.raises(JobError) as caught:
        parse_job(body, lambda: "new-id")
    return caught.value


def test_null_means_the_same_as_absent() -> None:
    fields = json_schema()["$defs"]
    for vendor, link in (("MeetStreamBot", "meeting_link"), ("RecallBot", "meeting_url")):
        body = dict.fromkeys(fields[vendor]["properties"]) | {link: LINK, "unknown": None}
        job = parse(**body)
        assert msgspec.structs.replace(job, body={}) == msgspec.structs.replace(
            parse(**{link: LINK}), body={}
        )


def test_new_bot_id_is_called_only_without_a_bot_id() -> None:
    def never() -> str:
        raise AssertionError("asked for an id")

    assert parse_job(json.dumps({"meeting_link": LINK, "bot_id": "b.1_x-Y"}), never).bot_id == "b.1_x-Y"


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_job(b"\xef\xbb\xbf" + json.dumps({"meeting_link": LINK}).encode(), str).meeting_url == LINK


@pytest.mark.parametrize("value", [None, False, "", []])
def test_fields_that_are_not_set_are_not_listed_as_ignored(value: object) -> None:
    assert parse(meeting_link=LINK, video_required=value, unknown=value).ignored == []


@pytest.mark.parametrize("value", [True, 0, "x", [0], {}])
def test_unserved_and_unknown_fields_are_listed_as_ignored(value: object) -> None:
    assert parse(meeting_link=LINK, video_required=value, unknown=value).ignored == [
        "video_required",
        "unknown",
    ]


def test_the_list_of_ignored_fields_is_bounded_and_printable() -> None:
    job = parse(
        meeting_link=LINK, **{f"field\x1b{number}{'x' * 200}": 1 for number in range(MOST_IGNORED + 3)}
    )
    assert len(job.ignored) == MOST_IGNORED + 1
    assert job.ignored[-1] == "… and 3 more"
    assert all(name.isprintable() and len(name) <= 48 for name in job.ignored)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"meeting_url": "https://us02web.zoom.us/j/1?pwd=abc"},
            f"job: meeting_url: 'https://us02web.zoom.us/j/1'; expected {EXPECTED_LINK} (Zoom is not served yet)",
        ),
        (
            {"meeting_link": "https://teams.microsoft.com/l/meetup-join/19?p=abc"},
            f"job: meeting_link: 'https://teams.microsoft.com/l/meetup-join/19'; expected {EXPECTED_LINK} "
            "(it names no meeting)",
        ),
        (
            {"meeting_link": "https://www.google.com/url?q=https%3A%2F%2Fevil.example%2F%3Fp%3Dabc"},
            f"job: meeting_link: 'https://www.google.com/url'; expected {EXPECTED_LINK} (it leads to 'evil.example')",
        ),
        (
            {"meeting_link": "https://ada:abc@meet.google.com/abc-defg-hij"},
            f"job: meeting_link: 'https://***@meet.google.com/abc-defg-hij'; expected {EXPECTED_LINK} "
            "(it names a user or a port)",
        ),
        ({}, f"job: meeting_link: missing, and so is meeting_url; expected {EXPECTED_LINK}"),
    ],
)
def test_a_wrong_link_is_refused_by_field_value_and_expectation(fields: dict[str, Any], line: str) -> None:
    error = refusal(json.dumps(fields))
    assert str(error) == line
    assert isinstance(error, InputError)


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (LINK, LINK),
        (f" {LINK}/?authuser=1", LINK.upper()),
        (TEAMS_LINK, f"<{TEAMS_LINK}&anon=true>"),
        (LINK, ""),
        ("", LINK),
    ],
)
def test_two_links_to_one_call_are_one(link: str, url: str) -> None:
    job = parse(meeting_link=link, meeting_url=url)
    assert parse_link(job.meeting_url).shown == parse_link(link or url).shown
    assert job.ignored == []


def test_of_two_links_the_form_counts_that_knows_more_of_the_body() -> None:
    both = {"meeting_link": LINK, "meeting_url": LINK}
    assert parse(**both).vendor == "meetstream"
    assert parse(**both, bot_message="Hello").vendor == "meetstream"
    assert parse(**both, chat={"on_bot_join": {"message": "Hello"}}).vendor == "recall"


def unserved(form: inspect.StructType, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The fields without effect of a form and of the objects in it."""
    for field in form.fields:
        if isinstance(field.type, inspect.Metadata) and (field.type.extra or {}).get("served") is False:
            yield (*path, field.encode_name)
        for kind in field.type.types if isinstance(field.type, inspect.UnionType) else [field.type]:
            if isinstance(kind, inspect.StructType):
                yield from unserved(kind, (*path, field.encode_name))


UNSERVED = [
    (link, path)
    for link, form in (("meeting_link", MeetStreamBot), ("meeting_url", RecallBot))
    if isinstance(kind := inspect.type_info(form), inspect.StructType)
    for path in unserved(kind)
]


def test_the_fields_without_effect_are_found() -> None:
    assert ("meeting_link", ("video_required",)) in UNSERVED
    assert ("meeting_url", ("chat", "on_bot_join", "send_to")) in UNSERVED
    assert len(UNSERVED) >= 10


@pytest.mark.parametrize(("link", "path"), UNSERVED)
@pytest.mark.parametrize("value", ["", "x", 0, -1.5, True, [], [1], {}, {"a": {}}, "\n", None], ids=repr)
def test_a_field_without_effect_never_costs_the_meeting(
    link: str, path: tuple[str, ...], value: object
) -> None:
    for name in reversed(path):
        value = {name: value}
    assert isinstance(value, dict)
    job, without = parse(**{link: LINK}, **value), parse(**{link: LINK})
    assert set(job.ignored) <= {".".join(path)}
    assert msgspec.structs.replace(job, ignored=[], body={}) == msgspec.structs.replace(without, body={})


@pytest.mark.parametrize(("bot_id", "read"), [("b1", "b1"), ("../b1", None), (7, None), (None, None)])
def test_an_error_has_the_bot_id_of_the_body_if_it_is_valid(bot_id: object, read: str | None) -> None:
    assert refusal(json.dumps({"meeting_link": "x", "bot_id": bot_id})).bot_id == read


def test_there_are_two_hundred_malformed_jobs() -> None:
    assert len(set(MALFORMED)) == len(MALFORMED) >= 200


@pytest.mark.parametrize("body", MALFORMED, ids=_short)
def test_each_malformed_job_is_refused_in_one_line(body: bytes) -> None:
    line = str(refusal(body))
    assert line.startswith("job: ")
    assert "expected" in line
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize(("body", "field"), WRONG_FIELDS, ids=_short)
def test_each_wrong_field_is_named(body: bytes, field: str) -> None:
    assert str(refusal(body)).startswith(f"job: {field}: ")


def test_unpaired_surrogates_are_refused() -> None:
    assert str(refusal('{"x": "\ud800"}')) == "job: is not UTF-8; expected a JSON object in UTF-8"


def test_only_bodies_up_to_the_largest_size_are_accepted() -> None:
    body = json.dumps({"meeting_link": LINK, "x": ""})
    body = body[:-2] + "x" * (MAX_BODY_BYTES - len(body)) + body[-2:]
    assert parse_job(body, str).ignored == ["x"]
    assert f"expected at most {MAX_BODY_BYTES}" in str(refusal(body + " "))


JOINERS = {0x200C: None, 0x200D: None}
"""Characters that some scripts need: worker.safe_text.printable leaves them, and str.isprintable does not count them."""


def check_accepted_or_refused(body: bytes | str) -> None:
    """The body is accepted and its values can be parsed again, or it is refused in one line; nothing else happens."""
    try:
        job = parse_job(body, lambda: "new-id")
    except JobError as error:
        assert str(error).translate(JOINERS).isprintable()
        assert len(str(error)) < 400
    else:
        again = parse_job(msgspec.json.encode(job.body), lambda: job.bot_id)
        assert again == job
        assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELD_NAMES = sorted(
    {name for form in json_schema()["$defs"].values() for name in form.get("properties", {})}
)


@given(st.binary() | st.text())
def test_any_text_is_accepted_or_refused(body: bytes | str) -> None:
    check_accepted_or_refused(body)


@given(VALUES)
def test_any_json_is_accepted_or_refused(value: object) -> None:
    check_accepted_or_refused(json.dumps(value))


@given(
    st.sampled_from(["meeting_link", "meeting_url"]),
    st.dictionaries(
        st.sampled_from(FIELD_NAMES),
        VALUES | st.dictionaries(st.sampled_from(FIELD_NAMES), VALUES, max_size=3),
        max_size=5,
    ),
)
@example("meeting_link", {"audio_separate_streams": {"\u200c": None}})
def test_any_value_in_any_field_is_accepted_or_refused(link: str, fields: dict[str, Any]) -> None:
    check_accepted_or_refused(json.dumps({**fields, link: LINK}))


BODY = {
    "meeting_link": LINK,
    "bot_name": "RecorderBot",
    "audio_separate_streams": True,
    "recording_config": {"transcript": {"provider": {"deepgram": {"model": "nova-3", "language": "en"}}}},
    "automatic_leave": {"everyone_left_timeout": 5},
}


@given(st.data())
def test_a_damaged_body_is_accepted_or_refused(data: st.DataObject) -> None:
    body = bytearray(json.dumps(BODY).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    check_accepted_or_refused(bytes(body[: data.draw(st.integers(0, len(body)))]))


def test_the_schema_defines_all_that_it_refers_to_and_describes_each_form() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["oneOf"] == [{"$ref": "#/$defs/MeetStreamBot"}, {"$ref": "#/$defs/RecallBot"}]
    text = json.dumps(schema)
    for name in set(text.split('"#/$defs/')[1:]):
        assert name.split('"')[0] in schema["$defs"]
    meetstream = schema["$defs"]["MeetStreamBot"]
    assert meetstream["required"] == ["meeting_link"]
    assert "not served yet" in meetstream["properties"]["video_required"]["description"]
    timeout = schema["$defs"]["MeetStreamAutomaticLeave"]["properties"]["waiting_room_timeout"]["anyOf"][0]
    assert (timeout["minimum"], timeout["maximum"]) == (0, 1800)
    for form in schema["$defs"].values():
        assert form["description"]
