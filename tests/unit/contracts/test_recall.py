from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.job_parts import parse
from tests.support.malformed_jobs import LINK, TEAMS_LINK
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.leave import NAMED_BOTS
from worker.contracts.recall import DEFAULT_LEAVE, RecallAutomaticLeave, RecallRecordingConfig, recall_leave
from worker.contracts.validation import check
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.platforms.registry import Platform


def leave_policy(**fields: Any) -> LeavePolicy:
    return recall_leave(check(fields, RecallAutomaticLeave), None)


GUIDES: list[tuple[dict[str, Any], bool, list[str]]] = [
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
        [],
    ),
    ({"meeting_url": LINK, "recording_config": {"audio_separate_raw": {}}}, True, []),
    (
        {
            "meeting_url": LINK,
            "recording_config": {"video_mixed_layout": "gallery_view_v2", "video_separate_mp4": {}},
        },
        False,
        [],
    ),
    (
        {"meeting_url": LINK, "recording_config": {"video_separate_mp4": {}}},
        False,
        [],
    ),
]
"""The create-bot bodies of Recall.ai's guides, with a link in the place of the placeholder."""


@pytest.mark.parametrize(("body", "separate", "ignored"), GUIDES)
def test_bodies_of_the_guides_are_accepted(body: dict[str, Any], separate: bool, ignored: list[str]) -> None:
    job = parse(**body)
    assert job.vendor == "recall"
    assert job.meeting_url == LINK
    assert job.separate_audio is separate
    assert sorted(job.ignored) == ignored
    assert job.body == body


def test_every_served_field_is_read() -> None:
    body = {
        "meeting_url": TEAMS_LINK,
        "bot_name": "Recorder",
        "join_at": "2026-01-31T09:30:00.500Z",
        "metadata": {"customer": "7"},
        "recording_config": {
            "audio_separate_mp3": {"metadata": {"a": "b"}},
            "audio_mixed_raw": {},
            "start_recording_on": "participant_join",
            "video_mixed_layout": "speaker_view",
            "video_separate_mp4": {"metadata": {"a": "b"}},
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
        platform=Platform.MICROSOFT_TEAMS,
        bot_name="Recorder",
        join_at=1769851800.5,
        separate_audio=True,
        separate_video=True,
        retention=3600.0,
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
            "recording_config.video_mixed_layout",
            "recording_config.video_separate_mp4.metadata",
            "chat.on_bot_join.pin",
            "chat.on_participant_join",
            "output_media",
        ],
        body=body,
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"meeting_url": LINK, "recording_config": {"video_separate_mp4": True}},
            "job: recording_config.video_separate_mp4: true; expected an object",
        ),
        (
            {"meeting_url": LINK, "automatic_leave": {"everyone_left_timeout": "2"}},
            "job: automatic_leave.everyone_left_timeout: '2'; expected an object or a number of seconds from 0 to 86400",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_field_value_and_expectation(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(JobError) as caught:
        parse(**fields)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("config", "separate"),
    [
        ({"video_separate_mp4": {}}, True),
        ({"video_separate_mp4": {}, "video_mixed_layout": "gallery_view_v2"}, True),
        ({"video_separate_mp4": None}, False),
        ({"audio_separate_raw": {}, "video_mixed_layout": "gallery_view_v2"}, False),
        (None, False),
    ],
)
def test_an_object_turns_separate_video_on(config: dict[str, Any] | None, separate: bool) -> None:
    job = parse(meeting_url=LINK, recording_config=config)
    assert job.separate_video is separate
    assert job.ignored == []


@pytest.mark.parametrize("layout", ["speaker_view", "gallery_view", "audio_only", "another", 3])
def test_other_layouts_are_accepted_and_have_no_effect(layout: object) -> None:
    config = {"video_mixed_layout": layout, "video_separate_mp4": {}}
    job = parse(meeting_url=LINK, recording_config=config)
    assert job.separate_video
    assert job.ignored == ["recording_config.video_mixed_layout"]


@pytest.mark.parametrize(
    ("send_to", "ignored"),
    [
        ("everyone", []),
        (None, []),
        ("host", ["chat.on_bot_join.send_to"]),
        ("everyone_except_host", ["chat.on_bot_join.send_to"]),
    ],
)
def test_a_message_is_sent_to_everyone(send_to: str | None, ignored: list[str]) -> None:
    job = parse(meeting_url=LINK, chat={"on_bot_join": {"send_to": send_to, "message": "Hello"}})
    assert (job.announcement, job.ignored) == ("Hello", ignored)


def test_missing_automatic_leave_gives_recalls_defaults() -> None:
    assert (
        leave_policy()
        == recall_leave(None, None)
        == DEFAULT_LEAVE
        == LeavePolicy(
            waiting_room=1200.0,
            noone_joined=1200.0,
            everyone_left=Patience(2.0, 0.0),
            only_bots_by_names=None,
            bot_names=(),
            only_bots_by_events=Patience(600.0, 1200.0),
            silence=Patience(3600.0, 1200.0),
            in_call_not_recording=3600.0,
            recording_denied=30.0,
            max_duration=None,
            start_on="call_join",
        )
    )


@pytest.mark.parametrize(
    ("fields", "leave"),
    [
        ({"everyone_left_timeout": 5}, {"everyone_left": Patience(5.0, 0.0)}),
        ({"everyone_left_timeout": {"timeout": 5}}, {"everyone_left": Patience(5.0, 0.0)}),
        ({"everyone_left_timeout": {"activate_after": 60}}, {"everyone_left": Patience(2.0, 60.0)}),
        ({"silence_detection": {"timeout": 300}}, {"silence": Patience(300.0, 1200.0)}),
        ({"silence_detection": {}}, {}),
        (
            {"bot_detection": {"using_participant_events": {"activate_after": 0}}},
            {"only_bots_by_events": Patience(600.0, 0.0)},
        ),
        (
            {"bot_detection": {"using_participant_names": {"matches": ["tl;dv"]}}},
            {"only_bots_by_names": NAMED_BOTS, "bot_names": ("tl;dv",)},
        ),
        ({"bot_detection": {"using_participant_names": {"matches": ["", " \t"], "timeout": 1}}}, {}),
        ({"bot_detection": {"using_participant_names": {"timeout": 1}}}, {}),
        ({"waiting_room_timeout": 0}, {"waiting_room": 0.0}),
        ({"in_call_recording_timeout": 0}, {}),
    ],
)
def test_missing_parts_of_automatic_leave_have_defaults(
    fields: dict[str, Any], leave: dict[str, Any]
) -> None:
    assert leave_policy(**fields) == msgspec.structs.replace(DEFAULT_LEAVE, **leave)


@pytest.mark.parametrize("start", ["call_join", "participant_join", "participant_speak", "manual"])
def test_start_recording_on_is_read(start: str) -> None:
    recording = check({"start_recording_on": start}, RecallRecordingConfig)
    assert recall_leave(None, recording).start_on == start
