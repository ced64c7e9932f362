"""The create-bot bodies of both vendors, field by field: the types, the bounds, and what is served of them.

Sources: MeetStream's guides "Per-Participant Audio Streams", "Automatic Leave Configurations" and "Webhook Events" and its
create-bot reference (docs.meetstream.ai); Recall.ai's "Create Bot", "Automatic Leaving Behavior", "Detecting Other Bots",
"Sending Chat Messages" and "How to get Separate Audio per Participant" (docs.recall.ai). All durations are in seconds; what
applies where one is missing is told by worker.job_leave.

``extra`` of a Meta holds what msgspec does not know: ``served`` (False: the field is read and listed as ignored), ``unit`` and
``expected`` (words for the message about a wrong value).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from worker.leave_policy import StartOn
from worker.platforms import meet_link, teams_link

LONGEST_NAME: Final = 100
"""Characters of a bot's name that Recall.ai's API takes."""

LONGEST_MESSAGE: Final = 4096
"""Characters of a chat message that Microsoft Teams takes; Google Meet takes 500 (Recall.ai, "Sending Chat Messages")."""

A_LINK: Final = (
    f"a Google Meet link like https://{meet_link.HOST}/abc-defg-hij "
    f"or a Microsoft Teams link like {teams_link.EXPECTED}"
)
"""Words for what is expected of a link."""

_DAY: Final = 86_400
_UNSERVED: Final = {"served": False}
_NOT_SERVED_YET: Final = "Kept, and listed as ignored: not served yet."


def _seconds(least: int, most: int, about: str) -> Meta:
    return Meta(ge=least, le=most, description=about, extra={"unit": "seconds"})


NotServed: TypeAlias = Annotated[Any, Meta(description=_NOT_SERVED_YET, extra=_UNSERVED)]
"""A field of the vendor's contract that takes any value and has no effect."""

Link: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="The Google Meet or Microsoft Teams call to join.",
        examples=["https://meet.google.com/abc-defg-hij", teams_link.EXPECTED],
        extra={"expected": A_LINK},
    ),
]

BotId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$(?!\n)",
        description="Names the bot in all results. One is made up where it is missing.",
        extra={
            "expected": "1 to 128 letters, digits, dots, hyphens or underscores, the first a letter or digit"
        },
    ),
]

BotName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_NAME,
        description="What the bot is called in the call. Google Meet shows at most 60 characters.",
        extra={"expected": f"1 to {LONGEST_NAME} printable characters"},
    ),
]

JoinAt: TypeAlias = Annotated[
    str,
    Meta(
        description="When to join, in ISO 8601; UTC where no offset is given.",
        extra_json_schema={"format": "date-time"},
        extra={"expected": "a time like 2026-01-31T09:30:00Z"},
    ),
]

CallbackUrl: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description=f"Where webhooks are to go. {_NOT_SERVED_YET}",
        extra={"expected": "an http or https address", **_UNSERVED},
    ),
]

Attributes: TypeAlias = Annotated[dict[str, Any], Meta(description="Given back in every event, as it is.")]

SeparateStreams: TypeAlias = Annotated[bool, Meta(description="One audio file per speaker.")]

Message: TypeAlias = Annotated[
    str,
    Meta(
        max_length=LONGEST_MESSAGE,
        description="What the bot writes into the chat once it is in the call. On Google Meet it is cut to 500.",
        extra={"expected": f"a text of at most {LONGEST_MESSAGE} characters"},
    ),
]

WaitingRoom: TypeAlias = Annotated[
    float, _seconds(0, 3600, "Patience in the waiting room; Google Meet's own ends at 600.")
]
NooneJoined: TypeAlias = Annotated[float, _seconds(0, _DAY, "Patience in a call that nobody else came to.")]
RecordingDenied: TypeAlias = Annotated[float, _seconds(0, _DAY, "Patience after a refusal to be recorded.")]


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a condition has to hold, and how long after joining it starts to count."""

    timeout: Annotated[float, _seconds(0, _DAY, "How long it has to hold.")] | None = None
    activate_after: Annotated[float, _seconds(0, _DAY, "From when on it counts.")] | None = None


class NamedBots(Patience, frozen=True, kw_only=True):
    """Participants that count as bots by their names: one of ``matches`` is in there, in whatever case."""

    matches: list[str] | None = None


class MeetStreamRecordingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``recording_config`` of MeetStream; what is set at the top of the body wins."""

    audio_separate_streams: SeparateStreams | None = None
    video_separate_streams: NotServed = None
    transcript: NotServed = None


class MeetStreamBotDetection(msgspec.Struct, frozen=True, kw_only=True):
    """When only bots are left; has to be asked for."""

    using_participant_names: NamedBots | None = None


class MeetStreamAutomaticLeave(msgspec.Struct, frozen=True, kw_only=True):
    """``automatic_leave`` of MeetStream. Its guides spell one field in two ways."""

    waiting_room_timeout: (
        Annotated[
            float,
            _seconds(0, 1800, "Patience in the waiting room; at most 600 on Google Meet, 600 if missing."),
        ]
        | None
    ) = None
    no_one_joined_timeout: NooneJoined | None = None
    noone_joined_timeout: NooneJoined | None = None
    everyone_left_timeout: (
        Annotated[float, _seconds(0, _DAY, "Patience after the last person left.")] | None
    ) = None
    voice_inactivity_timeout: Annotated[float, _seconds(0, _DAY, "Patience with silence.")] | None = None
    bot_detection: MeetStreamBotDetection | None = None
    in_call_recording_timeout: (
        Annotated[float, _seconds(600, 18_000, "The longest recording; 14400 where it is missing.")] | None
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
    callback_url: CallbackUrl | None = None
    video_required: NotServed = None
    video_separate_streams: NotServed = None
    bot_image_url: NotServed = None
    live_audio_required: NotServed = None
    live_video_required: NotServed = None
    live_transcription_required: NotServed = None
    socket_connection_url: NotServed = None


class SeparateAudio(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for one audio file per speaker by being there; the files are WebM with Opus, whichever form is asked for."""


class MixedAudio(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for everyone together; the WAV is made in any case."""


RecordingStart: TypeAlias = Annotated[
    StartOn,
    Meta(
        description="What recording waits for. There is no way yet to begin by hand.",
        extra={"expected": "'call_join', 'participant_join' or 'participant_speak'"},
    ),
]


class RecallRecordingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``recording_config`` of Recall.ai. An empty object turns a feature on, null or absence leaves it off."""

    audio_separate_raw: SeparateAudio | None = None
    audio_separate_mp3: SeparateAudio | None = None
    audio_mixed_raw: MixedAudio | None = None
    start_recording_on: RecordingStart | None = None
    video_mixed_layout: NotServed = None
    video_separate_mp4: NotServed = None
    participant_events: NotServed = None
    meeting_metadata: NotServed = None
    realtime_endpoints: NotServed = None
    retention: NotServed = None


class BotDetection(msgspec.Struct, frozen=True, kw_only=True):
    """When only bots are left. By events: everyone who never spoke is one."""

    using_participant_events: Patience | None = None
    using_participant_names: NamedBots | None = None


class RecallAutomaticLeave(msgspec.Struct, frozen=True, kw_only=True):
    """``automatic_leave`` of Recall.ai."""

    waiting_room_timeout: WaitingRoom | None = None
    noone_joined_timeout: NooneJoined | None = None
    everyone_left_timeout: (
        Patience | Annotated[float, _seconds(0, _DAY, "The older form: the timeout alone.")] | None
    ) = None
    silence_detection: Patience | None = None
    bot_detection: BotDetection | None = None
    in_call_not_recording_timeout: (
        Annotated[float, _seconds(0, _DAY, "Patience in a call that is not recorded.")] | None
    ) = None
    in_call_recording_timeout: (
        Annotated[float, _seconds(1, _DAY, "The longest recording; no limit where it is missing.")] | None
    ) = None
    recording_permission_denied_timeout: RecordingDenied | None = None


class ChatOnBotJoin(msgspec.Struct, frozen=True, kw_only=True):
    """What is written once the bot is in the call. Neither Google Meet nor Microsoft Teams lets it write to the host alone."""

    send_to: (
        Annotated[
            Literal["everyone"],
            Meta(extra={"expected": "'everyone', to whom alone Google Meet and Microsoft Teams send"}),
        ]
        | None
    ) = None
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
