"""Manifests of synthetic meetings, the same at every call."""

from __future__ import annotations

import random

import msgspec

from worker.manifest.filenames import file_name, stream_id, video_file_name
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import (
    Interval,
    Manifest,
    Packets,
    ParticipantStreams,
    Recording,
    Segment,
    Source,
    Stream,
    Summary,
    VideoSegment,
    VideoStreams,
)

NAMES = (
    "Ada Lovelace",
    "Grace Hopper",
    "Alan Turing",
    "Katherine Johnson",
    "Edsger Dijkstra",
    "Barbara Liskov",
    "Donald Knuth",
    "Margaret Hamilton",
    "Linus Torvalds",
    "Radia Perlman",
    "Tim Berners-Lee",
    "Hedy Lamarr",
    "John von Neumann",
    "Annie Easley",
    "Claude Shannon",
    "Mary Jackson",
    "Ken Thompson",
    "Frances Allen",
    "Dennis Ritchie",
    "Shafi Goldwasser",
)


def talk(speakers: int, duration: float, seed: int = 7) -> list[list[Interval]]:
    """Turns that mostly alternate and sometimes overlap; the first speakers talk more."""
    rng = random.Random(seed)
    speech: list[list[Interval]] = [[] for _ in range(speakers)]
    weights = [1 / (rank + 1) ** 0.7 for rank in range(speakers)]
    at = 0.4
    while speakers and at < duration - 1:
        length = min(rng.lognormvariate(1.1, 0.8), duration - at)
        (speaker,) = rng.choices(range(speakers), weights)
        if not speech[speaker] or speech[speaker][-1][1] < at:
            speech[speaker].append((round(at, 3), round(at + length, 3)))
        at += max(0.2, length + rng.gauss(0.1, 0.9))
    return speech


def segment(
    number: int, name: str, intervals: list[Interval], duration: float, url: str | None = None
) -> Segment:
    file = file_name(name, f"spaces/demo/devices/{number}", 1000 + number)
    spoken = sum(end - begin for begin, end in intervals)
    return Segment(
        segment_index=0,
        url=f"streams/{file}" if url is None else url,
        filename=file,
        duration_seconds=duration,
        speech_seconds=spoken,
        intervals=intervals,
        packets=Packets(
            received=int(spoken * 50), recovered=number * 3 % 17, lost=number % 3, late=int(number % 5 == 4)
        ),
        sources=[Source(ssrc=6666 + number % 3, csrc=1000 + number)],
    )


def participant(
    number: int, name: str, *segments: Segment, named_by: str = "collections"
) -> ParticipantStreams:
    device = f"spaces/demo/devices/{number}"
    return ParticipantStreams(
        participant_name=name,
        participant_id=device,
        name_source=named_by,
        is_host=number == 1,
        streams=[Stream(stream_id=stream_id(name, device, 1000 + number), segments=list(segments))],
    )


def video_segment(
    name: str,
    start: float = 0.0,
    duration: float = 5.0,
    *,
    index: int = 0,
    kind: str = "webcam",
    url: str | None = None,
    ending: str = "mp4",
    codec: str = "h264",
) -> VideoSegment:
    """A part of 360p with 15 frames a second."""
    file = video_file_name(name, None, name, index, kind, ending)
    return VideoSegment(
        segment_index=index,
        url=f"video/{file}" if url is None else url,
        filename=file,
        duration_seconds=duration,
        width=640,
        height=360,
        codec=codec,
        start_seconds=start,
        fps=15.0,
        frames=round(duration * 15),
        key_frames=1,
        lost=0,
        size_bytes=10_000,
        intervals=[(start, start + duration)],
        owner_evidence="stream_id",
    )


def shown_segment(name: str, intervals: list[Interval], *, url: str | None = None) -> VideoSegment:
    """A part from the first of ``intervals`` to the end of the last."""
    start, end = intervals[0][0], intervals[-1][1]
    part = video_segment(name, start, end - start, url=url)
    return msgspec.structs.replace(part, intervals=intervals)


def video(
    number: int,
    name: str,
    *segments: VideoSegment,
    kind: str = "webcam",
    named_by: str = "collections",
) -> VideoStreams:
    """What the participant that ``participant`` makes of the same number showed."""
    return VideoStreams(
        participant_name=name,
        participant_id=None if named_by == "none" else f"spaces/demo/devices/{number}",
        name_source=named_by,
        is_host=number == 1,
        kind=kind,
        segments=list(segments),
    )


def with_videos(recording: RecordedAttempt, *videos: VideoStreams) -> RecordedAttempt:
    """The attempt as that of a job that asks for video."""
    shown = msgspec.structs.replace(recording.manifest, video_streams=list(videos))
    return recording._replace(manifest=shown)


def manifest(
    participants: list[ParticipantStreams],
    duration: float,
    *,
    warnings: list[str] | None = None,
    complete: bool = True,
    mixed_audio: str | None = "audio.wav",
    meeting_url: str = "https://meet.google.com/abc-defg-hij",
) -> Manifest:
    return Manifest(
        bot_id="f923cd21-da86-4d77-b37b-0707d37751c8",
        audio_streams_available=bool(participants),
        participants=participants,
        summary=Summary(total_participants=len(participants), total_segments=len(participants)),
        recording=Recording(
            platform="google_meet",
            meeting_url=meeting_url,
            bot_name="Notetaker",
            started_at="2026-11-21T09:30:00.250Z",
            duration_seconds=duration,
            complete=complete,
            ended_reason="meeting_ended" if complete else "browser_died",
            ended_detail="The host ended the meeting." if complete else "Chromium ended unexpectedly.",
            audio_path="receivers",
            mixed_audio=mixed_audio,
            unattributed_packets=0,
            warnings=warnings or [],
        ),
    )


def meeting(speakers: int, duration: float) -> Manifest:
    """An ordinary meeting of up to 20 speakers."""
    speech = talk(speakers, duration)
    return manifest(
        [
            participant(number, name, segment(number, name, intervals, duration))
            for number, (name, intervals) in enumerate(zip(NAMES, speech, strict=False), start=1)
        ],
        duration,
    )


STARTED = "2026-11-21T09:30:{:06.3f}Z"


def recorded(
    attempt: int, at: float, duration: float, *people: ParticipantStreams, reason: str = "meeting_ended"
) -> RecordedAttempt:
    """An attempt that began ``at`` seconds after 09:30 and lasted ``duration`` seconds."""
    whole = manifest(list(people), duration)
    recording = msgspec.structs.replace(
        whole.recording,
        started_at=STARTED.format(at),
        ended_reason=reason,
        complete=reason == "meeting_ended",
    )
    document = msgspec.structs.replace(whole, recording=recording)
    return RecordedAttempt(attempt, document, f"attempts/{attempt:04d}/files")


def someone(number: int, name: str, *intervals: tuple[float, float]) -> ParticipantStreams:
    """A participant who speaks in these intervals of 10 s."""
    return participant(number, name, segment(number, name, list(intervals), 10.0))
