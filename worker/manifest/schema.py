"""``audio_streams.json``: MeetStream's get_audio_streams document, with more in it.

The vendor's fields keep their names and meanings (docs.meetstream.ai, guide "Per-Participant Audio Streams"); everything that
is ours is added beside them. All times are seconds of meeting time unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

Interval = tuple[float, float]
"""(from, to) in seconds of meeting time."""

Attributed = tuple[float, float, str]
"""(from, to, what told who speaks there): seconds of meeting time, and ``csrc``, ``dsh``, ``captions`` or ``none``."""

SAMPLE_RATE = 48_000


class Packets(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a source's packets.

    ``received`` came by themselves, ``recovered`` out of a later packet's redundancy (RFC 2198); ``lost`` never came;
    ``late`` came after their place was written and were not used; ``duplicate`` came again; ``trimmed`` were left out, where it
    was quietest, because the sender's clock was fast and it never paused.
    """

    received: int = 0
    recovered: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    trimmed: int = 0

    def __add__(self, other: Packets) -> Packets:
        return Packets(
            **{field: getattr(self, field) + getattr(other, field) for field in self.__struct_fields__}
        )


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One (SSRC, CSRC) pair that fed a stem; ``csrc`` is None where the source is not known.

    Of a gated mix it is the source's id, also where not the packets named it but the dominant-speaker history or captions.
    """

    ssrc: int
    csrc: int | None


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a gated mix that belongs to several stems, which hold the very same packets there.

    ``participants`` are the names of the others who share it, ``csrcs`` their sources (None where only captions name them) in
    the same order: the mixer's, which lists the dominant speaker first.
    """

    start_seconds: float
    end_seconds: float
    participants: list[str]
    csrcs: list[int | None]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One file: a speaker's stem from meeting time ``start_seconds`` on.

    ``url`` is where the file is: relative to this document, or a presigned URL. ``isolation`` is ``separated``,
    ``gated-mix`` or ``mixed-only``. ``intervals`` are the stretches that hold speech, ``speech_seconds`` their sum.
    ``overlaps`` and ``attribution`` are there only for a gated mix, to the packet: what is shared with others, and what told
    that this one speaks.
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
    """Someone who was heard. ``name_source`` says how the name was learned: ``collections``, ``rpc``, ``tiles``,
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
        """The same participant with each segment replaced by what ``change`` gives for it."""
        streams = [
            msgspec.structs.replace(stream, segments=[change(segment) for segment in stream.segments])
            for stream in self.streams
        ]
        return msgspec.structs.replace(self, streams=streams)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor's totals."""

    total_participants: int
    total_segments: int


class RecordedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One uninterrupted stretch of a recording that was interrupted; its ``segment_index`` is that of its segments.

    ``attempt`` is the number of the attempt that it comes from. ``ended_reason`` is why it ended, ``mixed_audio`` its own mix.
    """

    segment_index: int
    attempt: int
    start_seconds: float
    duration_seconds: float
    ended_reason: str
    mixed_audio: str | None


class ByEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a gated mix was attributed by what; ``none`` went to an unknown speaker. Packets, or seconds."""

    csrc: int | float = 0
    dsh: int | float = 0
    captions: int | float = 0
    none: int | float = 0


class GatedMix(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform's own mix came to. ``note`` is a plain sentence about what the files are.

    ``packets`` and ``seconds`` count the mix's sounding packets once each. ``shared_packets`` and ``shared_seconds`` of them
    have several speakers. ``noise_packets`` have no voice in them, by their encoder's own word, and list nobody: they are in
    the mixed audio and in no stem. ``mix`` is what became of the mix's packets.
    """

    note: str
    packets: ByEvidence
    seconds: ByEvidence
    shared_packets: int
    shared_seconds: float
    noise_packets: int
    mix: Packets


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """The recording as a whole. ``started_at`` is ISO 8601 in UTC and names meeting time 0.

    ``complete`` is False where the recording was cut off; ``ended_reason`` is a short code, ``ended_detail`` plain English.
    ``audio_path`` is how the page took its audio: ``receivers`` or ``encoded``. ``warnings`` are plain sentences about what is
    missing or doubtful. ``parts`` are there only where the bot had to join more than once; each has a mix of its own then.
    ``gated_mix`` is there only where the platform sends one mix of everybody (Microsoft Teams).
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
    parts: list[RecordedPart] | msgspec.UnsetType = msgspec.UNSET
    gated_mix: GatedMix | msgspec.UnsetType = msgspec.UNSET


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document. ``message`` is there only when there is nothing to give."""

    bot_id: str
    audio_status: str = "Success"
    audio_streams_available: bool
    message: str | msgspec.UnsetType = msgspec.UNSET
    participants: list[ParticipantStreams]
    summary: Summary
    recording: Recording

    def segments(self) -> Iterator[tuple[ParticipantStreams, Segment]]:
        """Each segment with its participant, in the document's order."""
        for participant in self.participants:
            for segment in participant.segments():
                yield participant, segment

    def packets(self) -> Packets:
        """The packets of all participants together."""
        return sum((participant.packets() for participant in self.participants), Packets())


def encode_manifest(manifest: Manifest) -> bytes:
    """The document as indented UTF-8 JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
