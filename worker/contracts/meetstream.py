"""MeetStream's create-bot body: its form, its defaults of automatic leave, and its reader.

Sources: MeetStream's guides "Per-Participant Audio Streams", "Automatic Leave Configurations" and "Webhook Events" and its
create-bot reference (docs.meetstream.ai). All durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from worker.contracts.fields import (
    DAY,
    Attributes,
    BotId,
    BotName,
    JoinAt,
    Link,
    Message,
    NamedBots,
    NooneJoined,
    NotServed,
    RecordingDenied,
    WebhookUrl,
    seconds,
)
from worker.contracts.job import (
    Job,
    read_announcement,
    read_attributes,
    read_bot_name,
    read_join_at,
    read_meeting,
    read_webhook_url,
)
from worker.contracts.leave import bot_names, named_bots, patience_or, seconds_or
from worker.contracts.live_endpoints import LiveForm
from worker.contracts.live_fields import (
    MEETSTREAM_EVENTS,
    LiveAudioRequired,
    RealtimeEndpoints,
    read_endpoints,
    read_live_audio,
    without_live,
)
from worker.contracts.retention import Retention, retention_seconds
from worker.contracts.validation import check, ignored_fields, wrong
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.platforms.registry import PLATFORMS, Platform

DeduplicationKey: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        description="The API makes one bot for each key and meeting; on the queue it has no effect.",
        extra={"expected": "a text of 1 to 255 characters"},
    ),
]

SeparateStreams: TypeAlias = Annotated[bool, Meta(description="One audio file per speaker.")]

SeparateVideo: TypeAlias = Annotated[bool, Meta(description="One video file per camera and screen share.")]


class MeetStreamRecordingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``recording_config`` of MeetStream; what is set at the top of the body wins."""

    audio_separate_streams: SeparateStreams | None = None
    retention: Retention | None = None
    realtime_endpoints: RealtimeEndpoints | None = None
    video_separate_streams: SeparateVideo | None = None
    transcript: NotServed = None


class MeetStreamBotDetection(msgspec.Struct, frozen=True, kw_only=True):
    """When only bots are left; has to be asked for."""

    using_participant_names: NamedBots | None = None


class MeetStreamAutomaticLeave(msgspec.Struct, frozen=True, kw_only=True):
    """``automatic_leave`` of MeetStream. Its guides spell one field in two ways."""

    waiting_room_timeout: (
        Annotated[
            float,
            seconds(0, 1800, "Patience in the waiting room; at most 600 on Google Meet, 600 if missing."),
        ]
        | None
    ) = None
    no_one_joined_timeout: NooneJoined | None = None
    noone_joined_timeout: NooneJoined | None = None
    everyone_left_timeout: (
        Annotated[float, seconds(0, DAY, "Patience after the last person left.")] | None
    ) = None
    voice_inactivity_timeout: Annotated[float, seconds(0, DAY, "Patience with silence.")] | None = None
    bot_detection: MeetStreamBotDetection | None = None
    in_call_recording_timeout: (
        Annotated[float, seconds(600, 18_000, "The longest recording; 14400 where it is missing.")] | None
    ) = None
    recording_permission_denied_timeout: RecordingDenied | None = None


class MeetStreamBot(msgspec.Struct, frozen=True, kw_only=True):
    """MeetStream's create-bot body."""

    meeting_link: Link
    bot_id: BotId | None = None
    bot_name: BotName | None = None
    audio_separate_streams: SeparateStreams | None = None
    recording_config: MeetStreamRecordingConfig | None = None
    automatic_leave: MeetStreamAutomaticLeave | None = None
    join_at: JoinAt | None = None
    bot_message: Message | None = None
    custom_attributes: Attributes | None = None
    callback_url: WebhookUrl = None
    deduplication_key: DeduplicationKey | None = None
    live_audio_required: LiveAudioRequired | None = None
    video_required: NotServed = None
    video_separate_streams: SeparateVideo | None = None
    bot_image_url: NotServed = None
    live_video_required: NotServed = None
    live_transcription_required: NotServed = None
    socket_connection_url: NotServed = None


DEFAULT_LEAVE: Final = LeavePolicy(
    waiting_room=600.0,
    noone_joined=600.0,
    everyone_left=Patience(300.0),
    silence=Patience(100.0),
    recording_denied=60.0,
    max_duration=14_400.0,
)
"""MeetStream's defaults. It has none for a call that is not recorded, so LeavePolicy's own applies there."""


DEFAULT_RETENTION: Final = 720.0
"""Hours, MeetStream's default."""


def read_meetstream(values: dict[str, Any], new_bot_id: Callable[[], str]) -> Job:
    """The job in ``values``, a body in MeetStream's form; ``new_bot_id`` is called if it has no bot_id. Raises JobError."""
    form = check(without_live(values), MeetStreamBot)
    config = form.recording_config or MeetStreamRecordingConfig()
    audio_wanted, video_wanted = (
        nested if top is None else top
        for top, nested in (
            (form.audio_separate_streams, config.audio_separate_streams),
            (form.video_separate_streams, config.video_separate_streams),
        )
    )
    meeting_url, platform = read_meeting("meeting_link", form.meeting_link)
    audio = read_live_audio(values)
    live = audio.and_those_of(
        read_endpoints(values, LiveForm.MEETSTREAM, MEETSTREAM_EVENTS, len(audio.endpoints))
    )
    return Job(
        bot_id=form.bot_id or new_bot_id(),
        vendor="meetstream",
        meeting_url=meeting_url,
        platform=platform,
        bot_name=read_bot_name(form.bot_name),
        join_at=read_join_at(form.join_at),
        separate_audio=bool(audio_wanted),
        separate_video=bool(video_wanted),
        retention=retention_seconds(config.retention, DEFAULT_RETENTION),
        leave=meetstream_leave(form.automatic_leave, platform),
        announcement=read_announcement(form.bot_message),
        callback_url=read_webhook_url(form.callback_url),
        custom_attributes=read_attributes("custom_attributes", form.custom_attributes),
        ignored=ignored_fields(values, MeetStreamBot, live.ignored),
        body=values,
        live=live.endpoints,
        live_faults=live.faults,
    )


def meetstream_leave(given: MeetStreamAutomaticLeave | None, platform: Platform) -> LeavePolicy:
    """The policy of a MeetStream body for a call on ``platform``. Raises JobError."""
    given = given or MeetStreamAutomaticLeave()
    longest = PLATFORMS[platform].longest_wait
    if given.waiting_room_timeout is not None and given.waiting_room_timeout > longest:
        raise wrong(
            ["automatic_leave", "waiting_room_timeout"],
            _as_written(given.waiting_room_timeout),
            f"a number of seconds from 0 to {longest:g} on {PLATFORMS[platform].title}",
        )
    names = given.bot_detection.using_participant_names if given.bot_detection else None
    return LeavePolicy(
        waiting_room=seconds_or(given.waiting_room_timeout, DEFAULT_LEAVE.waiting_room),
        noone_joined=seconds_or(
            seconds_or(given.no_one_joined_timeout, given.noone_joined_timeout), DEFAULT_LEAVE.noone_joined
        ),
        everyone_left=patience_or(given.everyone_left_timeout, DEFAULT_LEAVE.everyone_left),
        only_bots_by_names=named_bots(names),
        bot_names=bot_names(names),
        silence=patience_or(given.voice_inactivity_timeout, DEFAULT_LEAVE.silence),
        in_call_not_recording=DEFAULT_LEAVE.in_call_not_recording,
        recording_denied=seconds_or(
            given.recording_permission_denied_timeout, DEFAULT_LEAVE.recording_denied
        ),
        max_duration=seconds_or(given.in_call_recording_timeout, DEFAULT_LEAVE.max_duration),
    )


def _as_written(duration: float) -> float:
    return int(duration) if duration.is_integer() else duration
