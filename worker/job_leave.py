"""When a job's bot leaves by itself: both vendors' ``automatic_leave``, with their defaults, as one LeavePolicy (pure).

Sources: MeetStream's guide "Automatic Leave Configurations" and its create-bot reference; Recall.ai's "Automatic Leaving
Behavior" and "Create Bot". All durations are in seconds.
"""

from __future__ import annotations

from typing import Final

import msgspec

from worker import job_fields
from worker.job_checks import wrong
from worker.job_fields import MeetStreamAutomaticLeave, NamedBots, RecallAutomaticLeave, RecallRecordingConfig
from worker.leave_policy import LeavePolicy, Patience

MEETSTREAM: Final = LeavePolicy(
    waiting_room=600.0,
    noone_joined=600.0,
    everyone_left=Patience(300.0),
    silence=Patience(100.0),
    recording_denied=60.0,
    max_duration=14_400.0,
)
"""What MeetStream does where nothing is said. It knows no patience with a call that is not recorded; ours stands in for it."""

RECALL: Final = LeavePolicy(
    waiting_room=1200.0,
    noone_joined=1200.0,
    everyone_left=Patience(2.0),
    only_bots_by_events=Patience(600.0, activate_after=1200.0),
    silence=Patience(3600.0, activate_after=1200.0),
    in_call_not_recording=3600.0,
    recording_denied=30.0,
    max_duration=None,
)
"""What Recall.ai does where nothing is said. Bots by their names: none, because no names are said."""

NAMED_BOTS: Final = Patience(3600.0, activate_after=1200.0)
"""Recall.ai's patience with bots known by their names; it stands in where MeetStream's body says none."""

MEETSTREAM_WAITING_ROOM: Final = {"google_meet": 600.0, "microsoft_teams": 1800.0}
"""The longest waiting_room_timeout that MeetStream takes."""


def meetstream_leave(said: MeetStreamAutomaticLeave | None, platform: str) -> LeavePolicy:
    """The policy of a MeetStream body for a call on ``platform``. Raises JobError."""
    said = said or MeetStreamAutomaticLeave()
    longest = MEETSTREAM_WAITING_ROOM[platform]
    if said.waiting_room_timeout is not None and said.waiting_room_timeout > longest:
        raise wrong(
            ["automatic_leave", "waiting_room_timeout"],
            _as_written(said.waiting_room_timeout),
            f"a number of seconds from 0 to {longest:g} on {platform.replace('_', ' ').title()}",
        )
    names = said.bot_detection.using_participant_names if said.bot_detection else None
    return LeavePolicy(
        waiting_room=_or(said.waiting_room_timeout, MEETSTREAM.waiting_room),
        noone_joined=_or(_or(said.no_one_joined_timeout, said.noone_joined_timeout), MEETSTREAM.noone_joined),
        everyone_left=_patience(said.everyone_left_timeout, MEETSTREAM.everyone_left),
        only_bots_by_names=_named_bots(names),
        bot_names=_bot_names(names),
        silence=_patience(said.voice_inactivity_timeout, MEETSTREAM.silence),
        in_call_not_recording=MEETSTREAM.in_call_not_recording,
        recording_denied=_or(said.recording_permission_denied_timeout, MEETSTREAM.recording_denied),
        max_duration=_or(said.in_call_recording_timeout, MEETSTREAM.max_duration),
    )


def recall_leave(said: RecallAutomaticLeave | None, recording: RecallRecordingConfig | None) -> LeavePolicy:
    """The policy of a Recall.ai body."""
    said = said or RecallAutomaticLeave()
    bots = said.bot_detection or job_fields.BotDetection()
    return LeavePolicy(
        waiting_room=_or(said.waiting_room_timeout, RECALL.waiting_room),
        noone_joined=_or(said.noone_joined_timeout, RECALL.noone_joined),
        everyone_left=_patience(said.everyone_left_timeout, RECALL.everyone_left),
        only_bots_by_names=_named_bots(bots.using_participant_names),
        bot_names=_bot_names(bots.using_participant_names),
        only_bots_by_events=_patience(bots.using_participant_events, RECALL.only_bots_by_events),
        silence=_patience(said.silence_detection, RECALL.silence),
        in_call_not_recording=_or(said.in_call_not_recording_timeout, RECALL.in_call_not_recording),
        recording_denied=_or(said.recording_permission_denied_timeout, RECALL.recording_denied),
        max_duration=said.in_call_recording_timeout,
        start_on=(recording and recording.start_recording_on) or RECALL.start_on,
    )


def _as_written(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


def _or(said: float | None, default: float | None) -> float | None:
    """Nought seconds are said, too."""
    return default if said is None else said


def _patience(said: job_fields.Patience | float | None, default: Patience | None) -> Patience | None:
    """What is said, filled up with the default."""
    if said is None or default is None:
        return default
    if not isinstance(said, job_fields.Patience):
        return msgspec.structs.replace(default, timeout=said)
    return Patience(
        default.timeout if said.timeout is None else said.timeout,
        default.activate_after if said.activate_after is None else said.activate_after,
    )


def _named_bots(said: NamedBots | None) -> Patience | None:
    return _patience(said, NAMED_BOTS) if _bot_names(said) else None


def _bot_names(said: NamedBots | None) -> tuple[str, ...]:
    """Every name contains a blank one."""
    matches = said.matches if said else None
    return tuple(name for name in matches or () if name.strip())
