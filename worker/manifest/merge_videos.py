"""Merges what manifests contain about cameras and screen shares: each participant's files become further segments (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from worker.manifest.filenames import renumbered_video
from worker.manifest.schema import Manifest, VideoSegment, VideoStreams
from worker.roster.roster import Evidence

_STRENGTH: Final = {evidence.value: evidence.strength for evidence in Evidence}
"""The strength of each ``name_source``."""

_UNKNOWN: Final = "Unknown"


def moved_videos(manifest: Manifest, folder: str, offset: float) -> list[VideoStreams]:
    """The videos of one attempt, ``offset`` seconds later, with URLs below ``folder``."""
    return [
        msgspec.structs.replace(
            stream, segments=[_moved(segment, folder, offset) for segment in stream.segments]
        )
        for stream in manifest.video_streams or []
    ]


def merged_videos(attempts: Iterable[list[VideoStreams]], named: Manifest) -> list[VideoStreams]:
    """The videos of all attempts, each as ``moved_videos`` returns it, in order.

    Videos of one kind are one participant's if their ids are the same; those of a participant without an id stay apart. A
    participant of ``named``, the merged audio, has the name and the evidence that they have there; any other one those of the
    strongest evidence. Those whom none names are counted on from the unknown speakers. Segments are numbered from 0 on for
    each participant and kind, in order of time.
    """
    known = {person.participant_id: person for person in named.participants if person.participant_id}
    groups: dict[tuple[str, str | int], list[VideoStreams]] = {}
    for stream in (each for attempt in attempts for each in attempt):
        identity = stream.participant_id
        groups.setdefault((stream.kind, len(groups) if identity is None else identity), []).append(stream)
    unknown = sum(person.name_source == "none" for person in named.participants)
    merged = []
    for group in groups.values():
        # Of equally strong evidence the latest counts.
        best = max(enumerate(group), key=lambda pair: (_STRENGTH.get(pair[1].name_source, 0), pair[0]))[1]
        person = known.get(best.participant_id or "")
        name = best.participant_name if person is None else person.participant_name
        if person is None and best.name_source == "none":
            unknown += 1
            name = f"{_UNKNOWN} {unknown}"
        segments = sorted(
            (segment for stream in group for segment in stream.segments),
            key=lambda segment: segment.start_seconds,
        )
        merged.append(
            VideoStreams(
                participant_name=name,
                participant_id=best.participant_id,
                name_source=best.name_source if person is None else person.name_source,
                is_host=best.is_host if person is None else person.is_host,
                kind=best.kind,
                segments=[_numbered(segment, index) for index, segment in enumerate(segments)],
            )
        )
    return merged


def without_videos(manifest: Manifest) -> Manifest:
    """The manifest as that of a job that asks for no video."""
    return msgspec.structs.replace(manifest, video_streams=msgspec.UNSET)


def only_videos(manifest: Manifest, urls: Iterable[str]) -> Manifest:
    """The manifest with those of its videos that ``urls`` name, and the participants who have one."""
    if manifest.video_streams is msgspec.UNSET:
        return manifest
    kept = frozenset(urls)
    return _with_segments(manifest, lambda segments: [segment for segment in segments if segment.url in kept])


def replaced_videos(manifest: Manifest, replaced: Mapping[str, VideoSegment]) -> Manifest:
    """The manifest with other files: the keys of ``replaced`` are the URLs of those in whose place they are."""
    if manifest.video_streams is msgspec.UNSET:
        return manifest
    return _with_segments(
        manifest, lambda segments: [replaced.get(segment.url, segment) for segment in segments]
    )


def _with_segments(
    manifest: Manifest, change: Callable[[list[VideoSegment]], list[VideoSegment]]
) -> Manifest:
    streams = [
        msgspec.structs.replace(stream, segments=segments)
        for stream in manifest.video_streams or []
        if (segments := change(stream.segments))
    ]
    return msgspec.structs.replace(manifest, video_streams=streams)


def _moved(segment: VideoSegment, folder: str, offset: float) -> VideoSegment:
    return msgspec.structs.replace(
        segment,
        url=f"{folder}/{segment.url}",
        start_seconds=round(segment.start_seconds + offset, 4),
        intervals=[(round(start + offset, 4), round(end + offset, 4)) for start, end in segment.intervals],
    )


def _numbered(segment: VideoSegment, index: int) -> VideoSegment:
    filename = renumbered_video(segment.filename, index)
    return msgspec.structs.replace(segment, segment_index=index, filename=filename)
