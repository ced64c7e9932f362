from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.job_parts import parse
from tests.support.malformed_jobs import LINK
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.meetstream import DEFAULT_LEAVE, MeetStreamAutomaticLeave, meetstream_leave
from worker.contracts.validation import check
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.platforms.registry import Platform


def leave_policy(platform: Platform = Platform.GOOGLE_MEET, **fields: Any) -> LeavePolicy:
    return meetstream_leave(check(fields, MeetStreamAutomaticLeave), platform)


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
        [],
    ),
]
"""The create-bot bodies of MeetStream's guides, with a link in the place of the placeholder."""


@pytest.mark.parametrize(("body", "separate", "ignored"), GUIDES)
def test_bodies_of_the_guides_are_accepted(body: dict[str, Any], separate: bool, ignored: list[str]) -> None:
    job = parse(**body)
    assert job.vendor == "meetstream"
    assert job.meeting_url == LINK
    assert job.separate_audio is separate
    assert sorted(job.ignored) == ignored
    assert job.body == body


def test_every_served_field_is_read() -> None:
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
        platform=Platform.GOOGLE_MEET,
        bot_name="Ada's notes",
        join_at=1769851800.0,
        separate_audio=False,
        retention=720 * 3600.0,
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
        ignored=[],
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
@pytest.mark.parametrize("what", ["audio", "video"])
def test_what_the_top_level_says_of_separate_streams_wins(
    what: str, top: bool | None, nested: bool | None, separate: bool
) -> None:
    name = f"{what}_separate_streams"
    job = parse(**{"meeting_link": LINK, name: top, "recording_config": {name: nested}})
    wanted = {"audio": job.separate_audio, "video": job.separate_video}
    assert wanted == {"audio": False, "video": False, what: separate}
    assert job.ignored == []


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
            {"meeting_link": LINK, "audio_separate_streams": "true"},
            "job: audio_separate_streams: 'true'; expected true or false",
        ),
        (
            {"meeting_link": LINK, "recording_config": {"video_separate_streams": 1}},
            "job: recording_config.video_separate_streams: 1; expected true or false",
        ),
        ({"meeting_link": LINK, "recording_config": [1]}, "job: recording_config: [1]; expected an object"),
    ],
)
def test_a_wrong_value_is_refused_by_field_value_and_expectation(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(JobError) as caught:
        parse(**fields)
    assert str(caught.value) == line


def test_missing_automatic_leave_gives_meetstreams_defaults() -> None:
    assert (
        leave_policy()
        == meetstream_leave(None, Platform.GOOGLE_MEET)
        == DEFAULT_LEAVE
        == LeavePolicy(
            waiting_room=600.0,
            noone_joined=600.0,
            everyone_left=Patience(300.0, 0.0),
            only_bots_by_names=None,
            bot_names=(),
            only_bots_by_events=None,
            silence=Patience(100.0, 0.0),
            in_call_not_recording=3600.0,
            recording_denied=60.0,
            max_duration=14_400.0,
            start_on="call_join",
        )
    )


def test_both_spellings_of_no_one_joined_timeout_are_read() -> None:
    assert leave_policy(no_one_joined_timeout=7).noone_joined == 7.0
    assert leave_policy(noone_joined_timeout=7).noone_joined == 7.0
    assert leave_policy(no_one_joined_timeout=7, noone_joined_timeout=8).noone_joined == 7.0


@pytest.mark.parametrize(
    ("platform", "most"), [(Platform.GOOGLE_MEET, 600), (Platform.MICROSOFT_TEAMS, 1800)]
)
def test_waiting_room_timeout_is_bounded_by_the_platform(platform: Platform, most: int) -> None:
    assert leave_policy(platform, waiting_room_timeout=most).waiting_room == most
    with pytest.raises(JobError, match=f"waiting_room_timeout: .*from 0 to {most}"):
        leave_policy(platform, waiting_room_timeout=most + 0.5)


TIMES = st.none() | st.floats(0, 600)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "waiting_room_timeout",
                "no_one_joined_timeout",
                "everyone_left_timeout",
                "voice_inactivity_timeout",
                "recording_permission_denied_timeout",
            ]
        ),
        TIMES,
    )
)
def test_every_policy_makes_the_bot_leave_in_the_end(fields: dict[str, Any]) -> None:
    leave = leave_policy(**fields)
    timeouts = [leave.waiting_room, leave.noone_joined, leave.in_call_not_recording, leave.max_duration]
    assert None not in timeouts
    assert leave.everyone_left is not None
    assert leave.silence is not None
