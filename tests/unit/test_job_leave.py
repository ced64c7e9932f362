from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.job_body import JobError
from worker.job_checks import check
from worker.job_fields import MeetStreamAutomaticLeave, RecallAutomaticLeave, RecallRecordingConfig
from worker.job_leave import MEETSTREAM, NAMED_BOTS, RECALL, meetstream_leave, recall_leave
from worker.leave_policy import LeavePolicy, Patience


def meetstream(platform: str = "google_meet", **said: Any) -> LeavePolicy:
    return meetstream_leave(check(said, MeetStreamAutomaticLeave), platform)


def recall(**said: Any) -> LeavePolicy:
    return recall_leave(check(said, RecallAutomaticLeave), None)


def test_meetstreams_defaults() -> None:
    assert (
        meetstream()
        == meetstream_leave(None, "google_meet")
        == MEETSTREAM
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


def test_recalls_defaults() -> None:
    assert (
        recall()
        == recall_leave(None, None)
        == RECALL
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
    ("said", "leave"),
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
    ],
)
def test_what_recall_says_in_part_is_filled_up(said: dict[str, Any], leave: dict[str, Any]) -> None:
    assert recall(**said) == msgspec.structs.replace(RECALL, **leave)


@pytest.mark.parametrize("start", ["call_join", "participant_join", "participant_speak"])
def test_what_recording_waits_for(start: str) -> None:
    recording = check({"start_recording_on": start}, RecallRecordingConfig)
    assert recall_leave(None, recording).start_on == start


def test_both_spellings_of_no_one_joined() -> None:
    assert meetstream(no_one_joined_timeout=7).noone_joined == 7.0
    assert meetstream(noone_joined_timeout=7).noone_joined == 7.0
    assert meetstream(no_one_joined_timeout=7, noone_joined_timeout=8).noone_joined == 7.0


@pytest.mark.parametrize(("platform", "most"), [("google_meet", 600), ("microsoft_teams", 1800)])
def test_the_waiting_room_is_bounded_by_the_platform(platform: str, most: int) -> None:
    assert meetstream(platform, waiting_room_timeout=most).waiting_room == most
    with pytest.raises(JobError, match=f"waiting_room_timeout: .*from 0 to {most}"):
        meetstream(platform, waiting_room_timeout=most + 0.5)


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
def test_whatever_is_said_the_bot_leaves_in_the_end(said: dict[str, Any]) -> None:
    leave = meetstream(**said)
    timeouts = [leave.waiting_room, leave.noone_joined, leave.in_call_not_recording, leave.max_duration]
    assert None not in timeouts
    assert leave.everyone_left is not None
    assert leave.silence is not None
