"""Assembles the manifest's video streams from the sources that were shown and the roster (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Final, NamedTuple

import msgspec

from worker.manifest.filenames import video_file_name
from worker.manifest.naming import name_of
from worker.manifest.schema import Interval, ParticipantStreams, VideoSegment, VideoStreams
from worker.roster.roster import Evidence, Roster
from worker.roster.video_sources import VideoKind, VideoOwner

SHARE_PAUSE: Final = 5.0
"""Seconds without a frame that still belong to a screen share: a still screen sends one now and then."""


class VideoFileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it is: ``filename`` is its present name, times are seconds of meeting time. See VideoSegment."""

    filename: str
    codec: str
    start: float
    end: float
    width: int
    height: int
    frames: int
    key_frames: int
    lost: int
    size_bytes: int
    runs: list[Interval]


class ShownSource(msgspec.Struct, frozen=True, kw_only=True):
    """One source that was shown. ``key`` is that of worker.roster.video_sources; ``files`` are in order of time."""

    key: str
    owner: VideoOwner
    files: list[VideoFileFacts]


class _Person(NamedTuple):
    name: str
    name_source: str
    is_host: bool


class _Showing(NamedTuple):
    """Who shows what: ``device`` or, where that is not known, ``source``."""

    device: str | None
    source: str
    kind: VideoKind


def assemble_video(
    shown: Sequence[ShownSource], roster: Roster, heard: Sequence[ParticipantStreams], folder: str
) -> tuple[list[VideoStreams], dict[str, str]]:
    """Returns the streams, and for each file's present name its final one in ``folder``.

    ``shown`` is in order of first frames, which is that of the participants. ``heard`` are the manifest's participants: who is
    heard and shown has one name. Sources of one device and kind are one stream, whose segments are in order of time.
    """
    groups: dict[_Showing, list[tuple[ShownSource, VideoFileFacts]]] = {}
    for each in shown:
        device = each.owner.device_id
        showing = _Showing(device, "" if device is not None else each.key, each.owner.kind)
        for file in each.files:
            groups.setdefault(showing, []).append((each, file))
    people = _people(groups, roster, heard)
    streams: list[VideoStreams] = []
    names: dict[str, str] = {}
    for showing, files in groups.items():
        person = people[showing[:2]]
        files.sort(key=lambda pair: pair[1].start)
        for index, (_, file) in enumerate(files):
            names[file.filename] = video_file_name(
                person.name,
                showing.device,
                showing.source,
                index,
                showing.kind.value,
                file.filename.rpartition(".")[2],
            )
        streams.append(
            VideoStreams(
                participant_name=person.name,
                participant_id=showing.device,
                name_source=person.name_source,
                is_host=person.is_host,
                kind=showing.kind.value,
                segments=[
                    _segment(index, file, each.owner, folder) for index, (each, file) in enumerate(files)
                ],
            )
        )
    return streams, names


def _people(
    groups: dict[_Showing, list[tuple[ShownSource, VideoFileFacts]]],
    roster: Roster,
    heard: Sequence[ParticipantStreams],
) -> dict[tuple[str | None, str], _Person]:
    known = {
        each.participant_id: _Person(each.participant_name, each.name_source, each.is_host)
        for each in heard
        if each.participant_id is not None
    }
    taken = {each.participant_name for each in heard}
    free = (name for number in count(1) if (name := f"Unknown {number}") not in taken)
    people: dict[tuple[str | None, str], _Person] = {}
    for showing in groups:
        if showing[:2] in people:
            continue
        person = known.get(showing.device) if showing.device is not None else None
        people[showing[:2]] = (
            person
            or _person(showing.device, roster)
            or _Person(next(free), Evidence.NONE.value, _is_host(showing.device, roster))
        )
    return people


def _person(device_id: str | None, roster: Roster) -> _Person | None:
    """The person of a device; None if the roster has no name for it."""
    if device_id is None:
        return None
    device = roster.device(device_id)
    name = name_of(device, roster)
    return _Person(name, device.name_evidence.value, device.is_host) if name else None


def _is_host(device_id: str | None, roster: Roster) -> bool:
    return device_id is not None and roster.device(device_id).is_host


def _segment(index: int, file: VideoFileFacts, owner: VideoOwner, folder: str) -> VideoSegment:
    intervals = _joined(file.runs, SHARE_PAUSE if owner.kind is VideoKind.SCREENSHARE else 0.0)
    seconds = sum(end - start for start, end in intervals)
    return VideoSegment(
        segment_index=index,
        url=f"{folder}/{file.filename}",
        filename=file.filename,
        duration_seconds=round(file.end - file.start, 4),
        width=file.width,
        height=file.height,
        codec=file.codec,
        start_seconds=round(file.start, 4),
        fps=round(file.frames / seconds, 2) if seconds > 0 else 0.0,
        frames=file.frames,
        key_frames=file.key_frames,
        lost=file.lost,
        size_bytes=file.size_bytes,
        intervals=[(round(start, 4), round(end, 4)) for start, end in intervals],
        owner_evidence=owner.evidence.value,
    )


def _joined(runs: Sequence[Interval], pause: float) -> list[Interval]:
    """The stretches, those joined between which there are at most ``pause`` seconds."""
    joined: list[Interval] = []
    for start, end in runs:
        if joined and start - joined[-1][1] <= pause:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
