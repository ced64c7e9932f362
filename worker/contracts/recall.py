"""Recall.ai's create-bot body: its form, its defaults of automatic leave, and its reader.

Sources: Recall.ai's "Create Bot", "Automatic Leaving Behavior", "Detecting Other Bots", "Sending Chat Messages", "How to get
Separate Audio per Participant" and "How to get Separate Videos per Participant" (docs.recall.ai). All durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from worker.contracts.fields import (
    DAY,
    UNSERVED,
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
from worker.contracts.fields import Patience as PatienceField
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
from worker.contracts.live_fields import RECALL_EVENTS, RealtimeEndpoints, read_endpoints, without_live
from worker.contracts.retention import Retention, retention_seconds
from worker.contracts.validation import check, ignored_fields
from worker.lifecycle.leave_policy import LeavePolicy, Patience, StartOn


class SeparateAudio(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for one audio file per speaker by being there. The stored files are WebM with Opus; the API converts them."""


class SeparateVideo(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for one video file per camera and screen share by being there. The frames are stored as they were sent."""


VideoLayout: TypeAlias = Annotated[
    Any,
    Meta(
        description="There is no mixed video, so that it has no effect; separate video needs gallery_view_v2 at Recall.ai.",
        extra={**UNSERVED, "served_value": "gallery_view_v2"},
    ),
]

MixedAudio: TypeAlias = Annotated[
    Any, Meta(description="Everyone together; the stored WAV is made in any case, the API converts it.")
]

Document: TypeAlias = Annotated[Any, Meta(description="Made in any case; null hides it in the API.")]

SendTo: TypeAlias = Annotated[
    Any,
    Meta(
        description="To whom. Google Meet and Microsoft Teams send to everyone, so other values have no effect.",
        extra={**UNSERVED, "served_value": "everyone"},
    ),
]

RecordingStart: TypeAlias = Annotated[
    StartOn,
    Meta(
        description="What recording waits for; with manual for start_recording.",
        extra={"expected": "'call_join', 'participant_join', 'participant_speak' or 'manual'"},
    ),
]


class RecallRecordingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``recording_config`` of Recall.ai. An empty object turns a feature on, null or absence leaves it off."""

    audio_separate_raw: SeparateAudio | None = None
    audio_separate_mp3: SeparateAudio | None = None
    audio_mixed_raw: MixedAudio = None
    audio_mixed_mp3: MixedAudio = None
    start_recording_on: RecordingStart | None = None
    retention: Retention | None = None
    video_mixed_layout: VideoLayout = None
    video_separate_mp4: SeparateVideo | None = None
    participant_events: Document = None
    meeting_metadata: Document = None
    realtime_endpoints: RealtimeEndpoints | None = None


class BotDetection(msgspec.Struct, frozen=True, kw_only=True):
    """When only bots are left. By events: everyone who never spoke is one."""

    using_participant_events: PatienceField | None = None
    using_participant_names: NamedBots | None = None


class RecallAutomaticLeave(msgspec.Struct, frozen=True, kw_only=True):
    """``automatic_leave`` of Recall.ai."""

    waiting_room_timeout: (
        Annotated[float, seconds(0, 3600, "Patience in the waiting room; Google Meet's own ends at 600.")]
        | None
    ) = None
    noone_joined_timeout: NooneJoined | None = None
    everyone_left_timeout: (
        PatienceField | Annotated[float, seconds(0, DAY, "The older form: the timeout alone.")] | None
    ) = None
    silence_detection: PatienceField | None = None
    bot_detection: BotDetection | None = None
    in_call_not_recording_timeout: (
        Annotated[float, seconds(0, DAY, "Patience in a call that is not recorded.")] | None
    ) = None
    in_call_recording_timeout: (
        Annotated[float, seconds(0, DAY, "The longest recording; no limit where it is missing or 0.")] | None
    ) = None
    recording_permission_denied_timeout: RecordingDenied | None = None


class ChatOnBotJoin(msgspec.Struct, frozen=True, kw_only=True):
    """What is written once the bot is in the call."""

    send_to: SendTo = None
    message: Message | None = None
    pin: NotServed = None


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """``chat`` of Recall.ai."""

    on_bot_join: ChatOnBotJoin | None = None
    on_participant_join: NotServed = None


class RecallBot(msgspec.Struct, frozen=True, kw_only=True):
    """Recall.ai's create-bot body."""

    meeting_url: Link
    bot_id: BotId | None = None
    bot_name: BotName | None = None
    recording_config: RecallRecordingConfig | None = None
    automatic_leave: RecallAutomaticLeave | None = None
    join_at: JoinAt | None = None
    chat: Chat | None = None
    metadata: Attributes | None = None
    webhook_url: WebhookUrl = None


DEFAULT_LEAVE: Final = LeavePolicy(
    waiting_room=1200.0,
    noone_joined=1200.0,
    everyone_left=Patience(2.0),
    only_bots_by_events=Patience(600.0, activate_after=1200.0),
    silence=Patience(3600.0, activate_after=1200.0),
    in_call_not_recording=3600.0,
    recording_denied=30.0,
    max_duration=None,
)
"""Recall.ai's defaults. Bot detection by names is off, as it needs a list of names."""


DEFAULT_RETENTION: Final = 168.0
"""Hours, Recall.ai's default."""


def read_recall(values: dict[str, Any], new_bot_id: Callable[[], str]) -> Job:
    """The job in ``values``, a body in Recall.ai's form; ``new_bot_id`` is called if it has no bot_id. Raises JobError."""
    form = check(without_live(values), RecallBot)
    recording = form.recording_config
    on_join = form.chat.on_bot_join if form.chat else None
    meeting_url, platform = read_meeting("meeting_url", form.meeting_url)
    live = read_endpoints(values, LiveForm.RECALL, RECALL_EVENTS)
    return Job(
        bot_id=form.bot_id or new_bot_id(),
        vendor="recall",
        meeting_url=meeting_url,
        platform=platform,
        bot_name=read_bot_name(form.bot_name),
        join_at=read_join_at(form.join_at),
        separate_audio=recording is not None
        and (recording.audio_separate_raw is not None or recording.audio_separate_mp3 is not None),
        separate_video=recording is not None and recording.video_separate_mp4 is not None,
        retention=retention_seconds(recording.retention if recording else None, DEFAULT_RETENTION),
        leave=recall_leave(form.automatic_leave, recording),
        announcement=read_announcement(on_join.message if on_join else None),
        callback_url=read_webhook_url(form.webhook_url),
        custom_attributes=read_attributes("metadata", form.metadata),
        ignored=ignored_fields(values, RecallBot, live.ignored),
        body=values,
        live=live.endpoints,
        live_faults=live.faults,
    )


def recall_leave(given: RecallAutomaticLeave | None, recording: RecallRecordingConfig | None) -> LeavePolicy:
    """The policy of a Recall.ai body."""
    given = given or RecallAutomaticLeave()
    bots = given.bot_detection or BotDetection()
    return LeavePolicy(
        waiting_room=seconds_or(given.waiting_room_timeout, DEFAULT_LEAVE.waiting_room),
        noone_joined=seconds_or(given.noone_joined_timeout, DEFAULT_LEAVE.noone_joined),
        everyone_left=patience_or(given.everyone_left_timeout, DEFAULT_LEAVE.everyone_left),
        only_bots_by_names=named_bots(bots.using_participant_names),
        bot_names=bot_names(bots.using_participant_names),
        only_bots_by_events=patience_or(bots.using_participant_events, DEFAULT_LEAVE.only_bots_by_events),
        silence=patience_or(given.silence_detection, DEFAULT_LEAVE.silence),
        in_call_not_recording=seconds_or(
            given.in_call_not_recording_timeout, DEFAULT_LEAVE.in_call_not_recording
        ),
        recording_denied=seconds_or(
            given.recording_permission_denied_timeout, DEFAULT_LEAVE.recording_denied
        ),
        max_duration=given.in_call_recording_timeout or None,
        start_on=(recording and recording.start_recording_on) or DEFAULT_LEAVE.start_on,
    )
