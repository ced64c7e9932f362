"""The events of a tape, typed (pure).

Three topics share a tape. ``frames`` holds MessagePack batches of encoded audio as the page's Web Worker sent them; ``video``
holds those of encoded video, where the job asks for it; ``events`` holds everything else as JSON. All ``at`` and ``arrival``
times are seconds since the Unix epoch by the worker's steady clock, which begins with the machine's time and is not set with it
(a double resolves 0.24 µs there). On older tapes the page's times are by the page's own clock.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

TAPE_VERSION = 2
"""Incremented whenever an older reader would misread a newer tape."""

RED_MIME_TYPE = "audio/red"
OPUS_MIME_TYPE = "audio/opus"


UnixSeconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, lt=10_000_000_000)]
"""Seconds since the Unix epoch, before the year 2287: neither infinite nor not a number."""


def _snake(name: str) -> str:
    """ChannelMessage -> channel_message."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


class Frame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One encoded audio frame: the payload of one RTP packet with its metadata (RTCEncodedAudioFrame.getMetadata()).

    ``receiver`` counts the document's RTCRtpReceivers from 0. ``ssrc`` and ``csrcs`` are 32-bit; the order of ``csrcs`` is
    the wire's. ``sequence`` is 0–65535, ``timestamp`` is 32-bit in RTP ticks (48 kHz). ``audio_level`` is linear 0–1, or None
    if ssrc-audio-level was not sent. ``arrival`` is when Chromium received the packet. ``captured`` is the capture time
    if abs-capture-time was negotiated. A padding probe has an empty ``payload``.
    """

    receiver: int
    ssrc: int
    csrcs: tuple[int, ...]
    sequence: int
    timestamp: int
    payload_type: int
    mime_type: str
    audio_level: float | None
    arrival: UnixSeconds
    captured: UnixSeconds | None
    payload: bytes


LONGEST_BATCH = 0.5
"""Seconds that a frame waits for the rest of its batch at most; an event of the page waits as long."""

MOST_FRAMES = 20_000
"""Bound on the frames of a batch; the audio of 300 sources in half a second is 7,500."""


class FrameBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Frames in arrival order, at most LONGEST_BATCH of them.

    ``document`` is a random 32-bit number of the page's document, so that (document, receiver) names a receiver for the whole
    recording. ``sequence`` counts the document's batches from 0. ``dropped`` counts all frames that the page has dropped so
    far because its buffer was full.
    """

    document: int
    sequence: int
    dropped: int
    frames: Annotated[list[Frame], msgspec.Meta(max_length=MOST_FRAMES)]


class VideoFrame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One encoded video frame, as RTCRtpScriptTransform gives it: whole, after RTX. Where a packet came late, a frame of VP8,
    VP9 or AV1 may come after some that follow it.

    ``receiver``, ``ssrc``, ``csrcs`` and ``arrival`` are as in Frame. ``timestamp`` is 32-bit in RTP ticks (90 kHz).
    ``frame_id`` is that of the dependency descriptor; None where the sender has none. ``spatial`` and ``temporal`` are the
    layer's ids, 0 without layers. ``key``: it can be decoded by itself. ``width`` and ``height`` are in pixels, 0 where the
    frame does not say them.
    """

    receiver: int
    ssrc: int
    csrcs: tuple[int, ...]
    timestamp: int
    frame_id: int | None
    spatial: int
    temporal: int
    key: bool
    width: int
    height: int
    payload_type: int
    mime_type: str
    arrival: UnixSeconds
    payload: bytes


MOST_VIDEO_FRAMES = 2_000
"""Bound on the frames of a batch; 17 streams of 60 frames a second give 510 in half a second."""


class VideoBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Video frames in arrival order, at most LONGEST_BATCH of them. The fields are those of FrameBatch; the batches of video
    have their own ``sequence`` and ``dropped``.
    """

    document: int
    sequence: int
    dropped: int
    frames: Annotated[list[VideoFrame], msgspec.Meta(max_length=MOST_VIDEO_FRAMES)]


Batch: TypeAlias = FrameBatch | VideoBatch
"""What has frames, which have the times, in place of one time."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_snake):
    """The base of every event of the ``events`` topic. ``at`` is in seconds since the Unix epoch."""

    at: UnixSeconds


class TapeStarted(Event, frozen=True, kw_only=True):
    """The first event of every tape."""

    version: int
    bot_id: str = ""
    platform: str
    meeting_url: str
    bot_name: str


class VideoRequested(Event, frozen=True, kw_only=True):
    """The job asks for separate video. The second event of its tape; other tapes have none."""


class StateChanged(Event, frozen=True, kw_only=True):
    """The bot's state changed: joining, waiting_room, in_call_not_recording, in_call_recording, leaving, done or fatal.

    ``evidence`` names the reasons: entries of the platform's table of texts and selectors, or facts of roster and media.
    """

    state: str
    reason: str = ""
    detail: str = ""
    evidence: list[str] = []


class PageSeen(Event, frozen=True, kw_only=True):
    """The page's view changed; the fields are those of worker.lifecycle.page_view.View."""

    scene: str
    reason: str = ""
    detail: str = ""
    evidence: list[str] = []
    variant: str = ""
    language: str = ""


class RosterChanged(Event, frozen=True, kw_only=True):
    """A participant joined, left, was renamed, muted or unmuted, or began or ceased to show screen or camera by the decoded
    roster: ``change`` is ``join``, ``leave``, ``rename``, ``mute``, ``unmute``, ``screenshare_on``,
    ``screenshare_off``, ``webcam_on`` or ``webcam_off``; the last four are not on older tapes. The raw messages are on the
    tape as well."""

    change: str
    participant_id: str
    name: str | None


class ChatReceived(Event, frozen=True, kw_only=True):
    """Somebody wrote a message into the call's chat, also the bot itself; not on older tapes, nor of every platform.

    ``at`` is when the page received it, in the call. ``sent_at`` is the platform's own time, None where it gives none. The raw
    messages are on the tape as well.
    """

    message_id: str
    participant_id: str
    name: str | None
    text: str
    sent_at: UnixSeconds | None = None


class Announced(Event, frozen=True, kw_only=True):
    """The bot wrote the job's announcement into the call's chat. With a ``failure`` (a value of
    worker.lifecycle.announcement.NotAnnounced) it did not, and will not. ``confirmed_by``: the message came back (``echo``), or
    the page was seen sending it (``sent``); empty where neither was seen, which says nothing, and on older tapes.
    """

    failure: str = ""
    confirmed_by: str = ""


class RecordingStarted(Event, frozen=True, kw_only=True):
    """``at`` is meeting time 0. Frames that arrived before do not count."""


class RecordingEnded(Event, frozen=True, kw_only=True):
    """``at`` is the end of every stem. ``reason`` is a short code such as ``meeting_ended``, ``interrupted``."""

    reason: str
    detail: str = ""


class RecordingPaused(Event, frozen=True, kw_only=True):
    """The recording is paused from ``at`` on, or from meeting time 0 where that is later; not on older tapes.

    Frames that arrive until the next RecordingResumed, or the end, are not on the tape. Everything else is.
    """


class RecordingResumed(Event, frozen=True, kw_only=True):
    """The pause ends at ``at``; not on older tapes. The packets' redundant copies of earlier ones are left out for a moment."""


class DocumentClosed(Event, frozen=True, kw_only=True):
    """A document of the page went away with all its connections and receivers: another took its frame, or the frame is gone.

    The worker finds it. It is written for documents that sent frames or events; not on older tapes.
    """

    document: int


class PageLost(Event, frozen=True, kw_only=True):
    """In the call, the page stopped (``lost``) or began again to show the call and to send packets; not on older tapes.

    ``detail`` is the reason in plain English, empty where the page is not lost.
    """

    lost: bool
    detail: str = ""


class Tick(Event, frozen=True, kw_only=True):
    """The worker's clocks, every few seconds while the bot attends: a quiet tape says how long it is; not on older tapes.

    ``wall`` is the system's time, in Unix seconds. ``elapsed`` are seconds that are never set and include those for which the
    machine was suspended (CLOCK_BOOTTIME). ``page`` is the newest time of the page's events and frames; None: there was none.
    """

    wall: float
    elapsed: float
    page: float | None = None


class ConnectionOpened(Event, frozen=True, kw_only=True):
    """The page made an RTCPeerConnection; ``connection`` counts them per document."""

    document: int
    connection: int


class ConnectionClosed(Event, frozen=True, kw_only=True):
    """An RTCPeerConnection was closed. On older tapes it may have failed instead, and have come back."""

    document: int
    connection: int


class ConnectionStateChanged(Event, frozen=True, kw_only=True):
    """The state of an RTCPeerConnection changed; not on older tapes.

    ``state`` is its connectionState, ``ice`` its iceConnectionState. After ``failed`` an ICE restart can bring it back.
    """

    document: int
    connection: int
    state: str
    ice: str


class ReceiverTapped(Event, frozen=True, kw_only=True):
    """A transform was set on a receiver. ``via`` is how the receiver was found: ``track`` or ``addTransceiver``."""

    document: int
    connection: int
    receiver: int
    kind: str
    via: str


class VideoTrackSeen(Event, frozen=True, kw_only=True):
    """A ``track`` event of a video receiver, or a new description of its line; only on tapes of jobs that ask for video.

    ``streams`` are the ids of the track's media streams, ``mid`` is the line's, ``slot`` its ``a=x-source-streamid``; both are
    empty where there is none yet.
    """

    document: int
    connection: int
    receiver: int
    streams: list[str]
    mid: str = ""
    slot: str = ""


class ReceiverReport(Event, frozen=True, kw_only=True):
    """The watchdog's report on one audio receiver: inbound-rtp.packetsReceived, and the number of frames that were tapped."""

    document: int
    receiver: int
    packets_received: int
    packets_lost: int
    frames_tapped: int


class VideoRoomChanged(Event, frozen=True, kw_only=True):
    """The disk has room for video again (``left``), or has none any more: then video is left out of the tape. Its batches'
    numbers go on, so that those left out are missing.
    """

    left: bool


class TapDeaf(Event, frozen=True, kw_only=True):
    """Packets arrive at a receiver but none of them reach the tap. The worker finds it; on older tapes the page did."""

    document: int
    receiver: int
    packets_received: int
    frames_tapped: int


class ChannelMessage(Event, frozen=True, kw_only=True):
    """One message of a data channel, raw. ``sent``: the page sent it itself."""

    document: int
    connection: int
    label: str
    payload: bytes
    sent: bool = False


class SocketMessage(Event, frozen=True, kw_only=True):
    """One message that the page received over its WebSocket, raw. ``url`` is without its query."""

    document: int
    url: str
    payload: bytes


class PageObjects(Event, frozen=True, kw_only=True):
    """The call's participants in the page's own objects, as JSON; sent whenever they change. ``origin`` names the object."""

    document: int
    origin: str
    payload: bytes


class RosterResponse(Event, frozen=True, kw_only=True):
    """The response body of a roster request that the page itself made, raw. ``url`` is without its query."""

    document: int
    url: str
    payload: bytes


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One participant's tile in the DOM. ``sources`` are the data-ssrc values inside it, ``labels`` the accessible names of its
    buttons, ``listed_in`` that of the list that all its elements are in; older tapes have neither.
    """

    participant_id: str
    name: str
    sources: list[str]
    labels: list[str] = []
    listed_in: str = ""


class TilesSeen(Event, frozen=True, kw_only=True):
    """The roster attributes of the DOM, sent whenever they change."""

    document: int
    tiles: list[Tile]


class AudioPathSeen(Event, frozen=True, kw_only=True):
    """How the page receives its audio: ``receivers`` (plain RTCRtpReceivers) or ``encoded`` (its own encoded transform)."""

    document: int
    path: str


class PageDropped(Event, frozen=True, kw_only=True):
    """A bounded buffer of the page was full; ``count`` items were dropped since the last such event."""

    document: int
    what: str
    count: int


class PageFault(Event, frozen=True, kw_only=True):
    """A browser script caught an unexpected error and continued; ``where`` is its function. With one of WORKERS_OWN_PLACES, the
    worker could not use what the page sent.
    """

    document: int
    where: str
    message: str


TAP_RECEIVE: Final = "Tap.receive"
RECORDER_TAKE: Final = "Recorder.take"

WORKERS_OWN_PLACES: Final = frozenset({TAP_RECEIVE, RECORDER_TAKE})
"""``where`` of the faults that the worker finds; a page cannot report one there."""


PageEvent: TypeAlias = (
    ConnectionOpened
    | ConnectionClosed
    | ConnectionStateChanged
    | ReceiverTapped
    | VideoTrackSeen
    | ReceiverReport
    | ChannelMessage
    | SocketMessage
    | PageObjects
    | RosterResponse
    | TilesSeen
    | AudioPathSeen
    | PageDropped
    | PageFault
)
"""Events that the page reports, as JSON with ``at`` in Unix seconds and payloads in base64."""

WorkerEvent: TypeAlias = (
    TapeStarted
    | VideoRequested
    | StateChanged
    | Tick
    | PageSeen
    | PageLost
    | RosterChanged
    | ChatReceived
    | DocumentClosed
    | TapDeaf
    | VideoRoomChanged
    | Announced
    | RecordingStarted
    | RecordingPaused
    | RecordingResumed
    | RecordingEnded
)
"""Events that the worker adds itself."""

TapeEvent: TypeAlias = Batch | PageEvent | WorkerEvent
