from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.malformed_jobs import (
    LINK,
    NOT_AN_OBJECT,
    NOT_JSON,
    OUT_OF_RANGE,
    TEAMS_LINK,
    WRONG_FIELDS,
)
from worker.errors import InputError
from worker.job import (
    DEFAULT_BOT_NAME,
    LONGEST_BOT_NAME,
    Job,
    JobError,
    json_schema,
    parse_job,
)
from worker.job_body import MAX_BODY_BYTES
from worker.job_checks import MOST_IGNORED
from worker.job_fields import A_LINK
from worker.job_leave import MEETSTREAM, RECALL
from worker.leave_policy import LeavePolicy, Patience

MALFORMED = [*NOT_JSON, *NOT_AN_OBJECT, *OUT_OF_RANGE, *(body for body, _ in WRONG_FIELDS)]


def parse(**fields: Any) -> Job:
    return parse_job(json.dumps(fields), lambda: "new-id")


def _short(value: bytes | str) -> str:
    return ascii(value)[:60]


def refusal(body: bytes | str) -> JobError:
    with pytest.raises(JobError) as caught:
        parse_job(body, lambda: "new-id")
    return caught.value


GUIDES: list[tuple[dict[str, Any], bool, list[str]]] = [
    ({"meeting_link": LINK, "bot_name": "RecorderBot", "audio_separate_streams": True}, True, []),
    (
        {
            "meeting_link": LINK,
            "bot_name": "RecorderBot",
            "audio_separate_streams": True,
            "recording_config": {
                "transcript": {"provider": {"deepgram": {"model": "nova-3", "language": "en"}}}
            },
            "automatic_leave": {"everyone_left_timeout": 5},
        },
        True,
        ["recording_config.transcript"],
    ),
    ({"meeting_link": LINK, "recording_config": {"audio_separate_streams": True}}, True, []),
    ({"meeting_link": LINK, "audio_separate_streams": True}, True, []),
    (
        {"meeting_link": LINK, "audio_separate_streams": True, "video_separate_streams": True},
        True,
        ["video_separate_streams"],
    ),
    (
        {
            "meeting_url": LINK,
            "recording_config": {
                "audio_separate_raw": {},
                "realtime_endpoints": [
                    {
                        "type": "websocket",
                        "url": "wss://receiver.example",
                        "events": ["audio_separate_raw.data"],
                    }
                ],
            },
        },
        True,
        ["recording_config.realtime_endpoints"],
    ),
    ({"meeting_url": LINK, "recording_config": {"audio_separate_raw": {}}}, True, []),
    (
        {
            "meeting_url": LINK,
            "recording_config": {"video_mixed_layout": "gallery_view_v2", "video_separate_mp4": {}},
        },
        False,
        ["recording_config.video_mixed_layout", "recording_config.video_separate_mp4"],
    ),
    (
        {"meeting_url": LINK, "recording_config": {"video_separate_mp4": {}}},
        False,
        ["recording_config.video_separate_mp4"],
    ),
]
"""The create-bot bodies of the vendors' guides, with a link in the place of the placeholder."""


@pytest.mark.parametrize(("body", "separate", "ignored"), GUIDES)
def test_the_bodies_of_the_guides_are_taken(body: dict[str, Any], separate: bool, ignored: list[str]) -> None:
    job = parse(**body)
    assert job.vendor == ("meetstream" if "meeting_link" in body else "recall")
    assert job.meeting_url == LINK
    assert job.separate_audio is separate
    assert sorted(job.ignored) == ignored
    assert job.body == body


def test_everything_of_meetstreams() -> None:
    body = {
        "meeting_link": f" {LINK} ",
        "bot_id": "6667fd0c-0165-471a-a880-06a1180be377",
        "bot_name": "  Ada's\tnotes ",
        "audio_separate_streams": False,
        "recording_config": {"audio_separate_streams": True, "video_separate_streams": False},
        "automatic_leave": {
            "waiting_room_timeout": 120,
            "in_call_recording_timeout": 7200,
            "no_one_joined_timeout": 60,
            "voice_inactivity_timeout": 0,
            "bot_detection": {
                "using_participant_names": {
                    "matches": ["Notetaker", " ", "otter"],
                    "timeout": 30,
                    "activate_after": 300,
                }
            },
        },
        "join_at": "2026-01-31T10:30:00+01:00",
        "callback_url": "https://example.org/hook?token=abc",
        "custom_attributes": {"crm": {"deal": 7}, "tags": []},
        "video_required": False,
        "bot_message": "Hello",
        "socket_connection_url": None,
    }
    assert parse(**body) == Job(
        bot_id="6667fd0c-0165-471a-a880-06a1180be377",
        vendor="meetstream",
        meeting_url=LINK,
        platform="google_meet",
        bot_name="Ada's notes",
        join_at=1769851800.0,
        separate_audio=False,
        leave=LeavePolicy(
            waiting_room=120.0,
            noone_joined=60.0,
            everyone_left=Patience(300.0),
            only_bots_by_names=Patience(30.0, activate_after=300.0),
            bot_names=("Notetaker", "otter"),
            silence=Patience(0.0),
            recording_denied=60.0,
            max_duration=7200.0,
        ),
        announcement="Hello",
        callback_url="https://example.org/hook?token=abc",
        custom_attributes={"crm": {"deal": 7}, "tags": []},
        ignored=["callback_url"],
        body=body,
    )


def test_everything_of_recalls() -> None:
    body = {
        "meeting_url": TEAMS_LINK,
        "bot_name": "Recorder",
        "join_at": "2026-01-31T09:30:00.500Z",
        "metadata": {"customer": "7"},
        "recording_config": {
            "audio_separate_mp3": {"metadata": {"a": "b"}},
            "audio_mixed_raw": {},
            "start_recording_on": "participant_join",
            "video_mixed_layout": None,
            "retention": {"type": "timed", "hours": 1},
        },
        "automatic_leave": {
            "silence_detection": {"timeout": 1, "activate_after": 2},
            "bot_detection": {
                "using_participant_events": {"timeout": 3, "activate_after": 4},
                "using_participant_names": {"timeout": 5, "activate_after": 6, "matches": ["bot"]},
            },
            "everyone_left_timeout": {"timeout": 7, "activate_after": 8},
            "waiting_room_timeout": 2400,
            "noone_joined_timeout": 9,
            "in_call_not_recording_timeout": 10,
            "recording_permission_denied_timeout": 11,
            "in_call_recording_timeout": 30,
        },
        "chat": {
            "on_bot_join": {"send_to": "everyone", "message": " Hello\n", "pin": True},
            "on_participant_join": {"message": "Welcome"},
        },
        "output_media": {"camera": {}},
    }
    assert parse(**body) == Job(
        bot_id="new-id",
        vendor="recall",
        meeting_url=TEAMS_LINK,
        platform="microsoft_teams",
        bot_name="Recorder",
        join_at=1769851800.5,
        separate_audio=True,
        leave=LeavePolicy(
            waiting_room=2400.0,
            noone_joined=9.0,
            everyone_left=Patience(7.0, activate_after=8.0),
            only_bots_by_names=Patience(5.0, activate_after=6.0),
            bot_names=("bot",),
            only_bots_by_events=Patience(3.0, activate_after=4.0),
            silence=Patience(1.0, activate_after=2.0),
            in_call_not_recording=10.0,
            recording_denied=11.0,
            max_duration=30.0,
            start_on="participant_join",
        ),
        announcement="Hello",
        callback_url=None,
        custom_attributes={"customer": "7"},
        ignored=[
            "recording_config.audio_separate_mp3.metadata",
            "recording_config.retention",
            "chat.on_bot_join.pin",
            "chat.on_participant_join",
            "output_media",
        ],
        body=body,
    )


@pytest.mark.parametrize(
    ("top", "nested", "separate"),
    [
        (None, None, False),
        (True, None, True),
        (None, True, True),
        (False, True, False),
        (True, False, True),
    ],
)
def test_the_top_level_wins(top: bool | None, nested: bool | None, separate: bool) -> None:
    job = parse(
        meeting_link=LINK,
        audio_separate_streams=top,
        recording_config={"audio_separate_streams": nested},
    )
    assert job.separate_audio is separate


def test_what_is_not_said() -> None:
    meetstream, recall = parse(meeting_link=LINK), parse(meeting_url=LINK)
    for job in (meetstream, recall):
        assert job.bot_id == "new-id"
        assert job.bot_name == DEFAULT_BOT_NAME
        assert (job.join_at, job.announcement, job.callback_url) == (None, None, None)
        assert (job.custom_attributes, job.ignored) == ({}, [])
    assert (meetstream.leave, recall.leave) == (MEETSTREAM, RECALL)


def test_null_is_as_good_as_absent() -> None:
    fields = json_schema()["$defs"]
    for vendor, link in (("MeetStreamBot", "meeting_link"), ("RecallBot", "meeting_url")):
        body = dict.fromkeys(fields[vendor]["properties"]) | {link: LINK, "unknown": None}
        job = parse(**body)
        assert msgspec.structs.replace(job, body={}) == msgspec.structs.replace(
            parse(**{link: LINK}), body={}
        )


def test_a_blank_announcement_is_none() -> None:
    assert parse(meeting_link=LINK, bot_message=" \n").announcement is None
    assert parse(meeting_url=LINK, chat={"on_bot_join": {}}).announcement is None


def test_an_own_id_is_asked_for_only_when_it_is_needed() -> None:
    def never() -> str:
        raise AssertionError("asked for an id")

    assert parse_job(json.dumps({"meeting_link": LINK, "bot_id": "b.1_x-Y"}), never).bot_id == "b.1_x-Y"


def test_a_time_without_an_offset_is_utc() -> None:
    times = ["2026-01-31T09:30:00", "2026-01-31T09:30", "2026-01-31 09:30:00Z", "20260131T093000Z"]
    assert {parse(meeting_link=LINK, join_at=time).join_at for time in times} == {1769851800.0}


def test_a_long_name_is_cut_to_what_meet_takes() -> None:
    assert parse(meeting_url=LINK, bot_name="N" * 100).bot_name == "N" * LONGEST_BOT_NAME


def test_names_in_every_script_are_taken() -> None:
    for name in ("Ærøskøbing", "会議の記録", "\U0001f469\u200d\U0001f4bb notes"):
        assert parse(meeting_link=LINK, bot_name=name).bot_name == name


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_job(b"\xef\xbb\xbf" + json.dumps({"meeting_link": LINK}).encode(), str).meeting_url == LINK


@pytest.mark.parametrize("nothing", [None, False, "", []])
def test_what_asks_for_nothing_is_not_ignored(nothing: object) -> None:
    assert parse(meeting_link=LINK, video_required=nothing, unknown=nothing).ignored == []


@pytest.mark.parametrize("something", [True, 0, "x", [0], {}])
def test_what_asks_for_something_is_listed(something: object) -> None:
    assert parse(meeting_link=LINK, video_required=something, unknown=something).ignored == [
        "video_required",
        "unknown",
    ]


def test_the_list_of_the_ignored_is_bounded_and_harmless() -> None:
    job = parse(
        meeting_link=LINK, **{f"field\x1b{number}{'x' * 200}": 1 for number in range(MOST_IGNORED + 3)}
    )
    assert len(job.ignored) == MOST_IGNORED + 1
    assert job.ignored[-1] == "… and 3 more"
    assert all(name.isprintable() and len(name) <= 48 for name in job.ignored)


def test_a_job_does_not_show_its_secrets() -> None:
    job = parse(meeting_link=LINK, bot_id="b1", callback_url="https://x.example/?token=abc", key="s3cret")
    assert repr(job) == "Job(bot_id='b1', vendor='meetstream')"


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"meeting_link": LINK, "automatic_leave": {"waiting_room_timeout": -5}},
            "job: automatic_leave.waiting_room_timeout: -5; expected a number of seconds from 0 to 1800",
        ),
        (
            {"meeting_link": LINK, "automatic_leave": {"waiting_room_timeout": 1800}},
            "job: automatic_leave.waiting_room_timeout: 1800; expected a number of seconds from 0 to 600 on Google Meet",
        ),
        (
            {"meeting_url": LINK, "chat": {"on_bot_join": {"send_to": "host", "message": "Hello"}}},
            "job: chat.on_bot_join.send_to: 'host'; expected 'everyone', to whom alone Google Meet and Microsoft Teams send",
        ),
        (
            {"meeting_url": LINK, "automatic_leave": {"everyone_left_timeout": "2"}},
            "job: automatic_leave.everyone_left_timeout: '2'; expected an object or a number of seconds from 0 to 86400",
        ),
        (
            {"meeting_link": LINK, "audio_separate_streams": "true"},
            "job: audio_separate_streams: 'true'; expected true or false",
        ),
        (
            {"meeting_url": "https://us02web.zoom.us/j/1?pwd=abc"},
            f"job: meeting_url: 'https://us02web.zoom.us/j/1'; expected {A_LINK} (Zoom is not served yet)",
        ),
        (
            {"meeting_link": "https://teams.microsoft.com/l/meetup-join/19?p=abc"},
            f"job: meeting_link: 'https://teams.microsoft.com/l/meetup-join/19'; expected {A_LINK}",
        ),
        ({}, f"job: meeting_link: missing, and so is meeting_url; expected {A_LINK}"),
        ({"meeting_link": LINK, "recording_config": [1]}, "job: recording_config: [1]; expected an object"),
        (
            {"meeting_link": LINK, "callback_url": "ftp://ada:pw@x.example/?token=abc"},
            "job: callback_url: 'ftp://***@x.example/'; expected an http or https address",
        ),
    ],
)
def test_a_refusal_names_field_value_and_what_was_expected(fields: dict[str, Any], line: str) -> None:
    error = refusal(json.dumps(fields))
    assert str(error) == line
    assert isinstance(error, InputError)


@pytest.mark.parametrize(("bot_id", "told"), [("b1", "b1"), ("../b1", None), (7, None), (None, None)])
def test_a_refusal_tells_whose_it_is(bot_id: object, told: str | None) -> None:
    assert refusal(json.dumps({"meeting_link": "x", "bot_id": bot_id})).bot_id == told


def test_there_are_two_hundred_malformed_jobs() -> None:
    assert len(set(MALFORMED)) == len(MALFORMED) >= 200


@pytest.mark.parametrize("body", MALFORMED, ids=_short)
def test_each_malformed_job_gets_one_clear_line(body: bytes) -> None:
    line = str(refusal(body))
    assert line.startswith("job: ")
    assert "expected" in line
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize(("body", "field"), WRONG_FIELDS, ids=_short)
def test_each_refusal_names_its_field(body: bytes, field: str) -> None:
    assert str(refusal(body)).startswith(f"job: {field}: ")


def test_text_that_is_no_unicode_is_refused() -> None:
    assert str(refusal('{"x": "\ud800"}')) == "job: is not UTF-8; expected a JSON object in UTF-8"


def test_a_body_of_the_largest_size_is_taken() -> None:
    body = json.dumps({"meeting_link": LINK, "x": ""})
    body = body[:-2] + "x" * (MAX_BODY_BYTES - len(body)) + body[-2:]
    assert parse_job(body, str).ignored == ["x"]
    assert f"expected at most {MAX_BODY_BYTES}" in str(refusal(body + " "))


def check_any(body: bytes | str) -> None:
    """It is taken, and can be passed on, or it is refused in one line; nothing else happens."""
    try:
        job = parse_job(body, lambda: "new-id")
    except JobError as error:
        assert str(error).isprintable()
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
def test_any_text_is_taken_or_refused(body: bytes | str) -> None:
    check_any(body)


@given(VALUES)
def test_any_json_is_taken_or_refused(value: object) -> None:
    check_any(json.dumps(value))


@given(
    st.sampled_from(["meeting_link", "meeting_url"]),
    st.dictionaries(
        st.sampled_from(FIELD_NAMES),
        VALUES | st.dictionaries(st.sampled_from(FIELD_NAMES), VALUES, max_size=3),
        max_size=5,
    ),
)
def test_any_value_in_any_field_is_taken_or_refused(link: str, fields: dict[str, Any]) -> None:
    check_any(json.dumps({**fields, link: LINK}))


@given(st.data())
def test_a_damaged_body_is_taken_or_refused(data: st.DataObject) -> None:
    body = bytearray(json.dumps(GUIDES[1][0]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    check_any(bytes(body[: data.draw(st.integers(0, len(body)))]))


def test_the_schema_is_complete() -> None:
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
