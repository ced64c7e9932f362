"""The schema of ``audio_streams.json``: MeetStream's get_audio_streams document with more fields (pure).

The vendor's fields keep their names and meanings (docs.meetstream.ai, guide "Per-Participant Audio Streams"); our own fields
are added to them. All times are seconds of meeting time unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import msgspec

Interval = tuple[float, float]
"""(from, to) in seconds of meeting time."""

Attributed = tuple[float, float, str]
"""(from, to, evidence for the speaker): seconds of meeting time, and ``csrc``, ``dsh``, ``captions`` or ``none``."""

SAMPLE_RATE = 48_000


class _Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that are added field by field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            **{field: getattr(self, field) + getattr(other, field) for field in self.__struct_fields__}
        )


class Packets(_Counts, frozen=True, kw_only=True):
    """Counts of a source's packets.

    ``received`` arrived themselves, ``recovered`` came out of a later packet's redundancy (RFC 2198), ``lost`` never arrived.
    ``late`` arrived after their place was written and were not used; ``duplicate`` arrived again. ``trimmed`` were left out,
    where the speech was quietest, because the sender's clock is fast and it did not pause.
    """

    received: int = 0
    recovered: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    trimmed: int = 0


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One (SSRC, CSRC) pair of a stem's packets; ``csrc`` is None if the source is not known.

    In a gated mix ``csrc`` is the source's id, also if the dominant-speaker history or captions gave it.
    """

    ssrc: int
    csrc: int | None


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a gated mix that belongs to several stems, which hold the same packets there.

    ``participants`` are the names of the other speakers, ``csrcs`` their sources (None if known from captions alone) in the
    same order: the mixer's, which lists the dominant speaker first.
    """

    start_seconds: float
    end_seconds: float
    participants: list[str]
    csrcs: list[int | None]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One file: a speaker's stem from meeting time ``start_seconds`` on.

    ``url`` is where the file is: relative to this document, or a presigned URL. ``isolation`` is ``separated``,
    ``gated-mix`` or ``mixed-only``. ``intervals`` are the stretches that hold speech, ``speech_seconds`` their sum.
    ``overlaps`` (what is shared with others) and ``attribution`` (the evidence for this speaker) exist only for a gated mix,
    and for a file of which a part is one; both are exact to the packet.
    """

    segment_index: int
    url: str
    filename: str
    duration_seconds: float
    sample_rate: int = SAMPLE_RATE
    channels: int = 1
    codec: str = "opus"
    start_seconds: float = 0.0
    speech_seconds: float
    intervals: list[Interval]
    isolation: str = "separated"
    packets: Packets
    sources: list[Source]
    overlaps: list[Overlap] | msgspec.UnsetType = msgspec.UNSET
    attribution: list[Attributed] | msgspec.UnsetType = msgspec.UNSET


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One source of a participant."""

    stream_id: str
    segments: list[Segment]


class ParticipantStreams(msgspec.Struct, frozen=True, kw_only=True):
    """A participant who was heard. ``name_source`` is the evidence for the name: ``collections``, ``rpc``, ``tiles``,
    ``frames``, ``objects`` or ``none``."""

    participant_name: str
    participant_id: str | None
    name_source: str
    is_host: bool
    streams: list[Stream]

    def segments(self) -> Iterator[Segment]:
        """The segments of all streams, stream by stream."""
        for stream in self.streams:
            yield from stream.segments

    def packets(self) -> Packets:
        """The packets of all segments together."""
        return sum((segment.packets for segment in self.segments()), Packets())

    def with_segments(self, change: Callable[[Segment], Segment]) -> ParticipantStreams:
        """The same participant with each segment replaced by ``change(segment)``."""
        streams = [
            msgspec.structs.replace(stream, segments=[change(segment) for segment in stream.segments])
            for stream in self.streams
        ]
        return msgspec.structs.replace(self, streams=streams)


class VideoSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One video file, from meeting time ``start_seconds`` on, without sound. It can begin before 0: a file begins with a key
    frame.

    ``codec`` is ``h264``, ``vp8``, ``vp9`` or ``av1``; the file's container is that of its name. ``width`` and ``height`` are
    the largest in it, in pixels; ``fps`` is the frames per second of its ``intervals``, which are the stretches that hold
    frames. ``lost`` counts the frames that arrived and are in no file, because they need others that did not arrive.
    ``owner_evidence`` is how the owner was learned: ``stream_id``, ``csrc``, ``request`` or ``none``.
    """

    segment_index: int
    url: str
    filename: str
    duration_seconds: float
    width: int
    height: int
    codec: str
    start_seconds: float
    fps: float
    frames: int
    key_frames: int
    lost: int
    size_bytes: int
    intervals: list[Interval]
    owner_evidence: str


class VideoStreams(msgspec.Struct, frozen=True, kw_only=True):
    """What one participant showed: ``kind`` is ``webcam`` or ``screenshare``. The other fields are those of
    ParticipantStreams; a screen share is its presenter's."""

    participant_name: str
    participant_id: str | None
    name_source: str
    is_host: bool
    kind: str
    segments: list[VideoSegment]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor's totals."""

    total_participants: int
    total_segments: int


class RecordedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One uninterrupted stretch of a recording that was interrupted; its ``segment_index`` is that of its segments.

    ``attempt`` is the number of its attempt, ``ended_reason`` why it ended, ``mixed_audio`` its own mix.
    """

    segment_index: int
    attempt: int
    start_seconds: float
    duration_seconds: float
    ended_reason: str
    mixed_audio: str | None


class ByEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a gated mix each kind of evidence attributed, in packets or seconds; ``none``: to an unknown speaker."""

    csrc: int | float = 0
    dsh: int | float = 0
    captions: int | float = 0
    none: int | float = 0


class GatedMix(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of the platform's own mix. ``note`` is a sentence about what the files are.

    ``packets`` and ``seconds`` count each packet of the mix that is in stems once. ``shared_packets`` and ``shared_seconds`` of
    them have several speakers. ``noise_packets`` list no source, and their encoder found no voice in them: they are in the
    mixed audio and in no stem. ``mix`` counts the mix's packets as ``Packets`` does.
    """

    note: str
    packets: ByEvidence
    seconds: ByEvidence
    shared_packets: int
    shared_seconds: float
    noise_packets: int
    mix: Packets


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the call was told that it is recorded, by the job's message in its chat.

    ``written_at`` is when, in ISO 8601 and UTC; None if it was not, and ``failure`` says why: a value of
    worker.lifecycle.announcement.NotAnnounced.
    """

    written_at: str | None
    failure: str = ""


class Holes(_Counts, frozen=True, kw_only=True):
    """Where sound is missing that the network did not lose.

    ``frames_dropped``: frames for which the page had no room. ``batches_missing``: gaps in the numbers of its batches.
    ``tape_damages``: parts of the tape that are missing, or cannot be read in full. ``receivers_deaf``: receivers at which
    packets arrived that never reached the tap. What is missing counts as ``lost`` in the speakers' packets as well, where a
    later packet tells.
    """

    frames_dropped: int = 0
    batches_missing: int = 0
    tape_damages: int = 0
    receivers_deaf: int = 0


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """The recording as a whole. ``started_at`` is meeting time 0, in ISO 8601 and UTC.

    ``complete`` is False if the recording was cut off or has ``holes``, which exist only then; ``ended_reason`` is a short
    code, ``ended_detail`` plain English. ``audio_path`` is how the page received its audio: ``receivers`` or ``encoded``.
    ``warnings`` are sentences about missing or doubtful content. ``announcement`` exists only if the bot was to announce
    itself. ``parts`` exist only if the bot joined more than once; each has its own mix then. ``gated_mix`` exists only if the
    platform sends one mix of everybody (Microsoft Teams). ``incomplete_files`` exist only if files could not be written in
    full; a replay of the tape may still give them. ``pauses`` exist only if the recording was paused: nothing was recorded
    then, and every file is silent.
    """

    platform: str
    meeting_url: str
    bot_name: str
    started_at: str
    duration_seconds: float
    complete: bool
    ended_reason: str
    ended_detail: str
    audio_path: str
    mixed_audio: str | None
    unattributed_packets: int
    warnings: list[str]
    announcement: Announcement | msgspec.UnsetType = msgspec.UNSET
    parts: list[RecordedPart] | msgspec.UnsetType = msgspec.UNSET
    gated_mix: GatedMix | msgspec.UnsetType = msgspec.UNSET
    incomplete_files: list[str] | msgspec.UnsetType = msgspec.UNSET
    holes: Holes | msgspec.UnsetType = msgspec.UNSET
    pauses: list[Interval] | msgspec.UnsetType = msgspec.UNSET


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document. ``message`` exists only if there are no audio streams, ``video_streams`` only if the job asks for
    video."""

    bot_id: str
    audio_status: str = "Success"
    audio_streams_available: bool
    message: str | msgspec.UnsetType = msgspec.UNSET
    participants: list[ParticipantStreams]
    summary: Summary
    recording: Recording
    video_streams: list[VideoStreams] | msgspec.UnsetType = msgspec.UNSET

    def segments(self) -> Iterator[tuple[ParticipantStreams, Segment]]:
        """Each segment with its participant, in the document's order."""
        for participant in self.participants:
            for segment in participant.segments():
                yield participant, segment

    def video_segments(self) -> Iterator[tuple[VideoStreams, VideoSegment]]:
        """Each video file with its participant, in the document's order."""
        for stream in self.video_streams or []:
            for segment in stream.segments:
                yield stream, segment

    def packets(self) -> Packets:
        """The packets of all participants together."""
        return sum((participant.packets() for participant in self.participants), Packets())


def encode_manifest(manifest: Manifest) -> bytes:
    """The document as indented UTF-8 JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
