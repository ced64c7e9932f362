"""Merges the manifests of a bot that joined more than once: segment 0 is from before a crash, segment 1 from after (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from worker.manifest.assemble import NOBODY_SPOKE
from worker.manifest.filenames import file_name, stream_id
from worker.manifest.merge_mixes import (
    added_mixes,
    moved_attribution,
    moved_overlaps,
    own_csrcs,
    renamed_overlaps,
    reused_sources,
)
from worker.manifest.merge_videos import merged_videos, moved_videos
from worker.manifest.schema import (
    Announcement,
    Holes,
    Interval,
    Manifest,
    ParticipantStreams,
    RecordedPart,
    Recording,
    Segment,
    Stream,
    Summary,
)
from worker.roster.roster import Evidence
from worker.roster.tenures import MAX_TENURES, tenure_key

_STRENGTH: Final = {evidence.value: evidence.strength for evidence in Evidence}
"""The strength of each ``name_source``."""

_UNKNOWN: Final = "Unknown"


class RecordedAttempt(NamedTuple):
    """The manifest of one attempt. ``folder`` is the folder of its files, relative to the merged document."""

    attempt: int
    manifest: Manifest
    folder: str


def merge_attempts(attempts: list[RecordedAttempt]) -> Manifest:
    """The manifest of all attempts; the files are not changed.

    Meeting time 0 is that of the first attempt; a segment's ``start_seconds`` and ``intervals`` are on that clock. Participants
    are the same if their ids are, or if one has no id and a CSRC is the same that only one participant of each attempt had; the
    strongest evidence names them in all segments. Videos are those of all attempts that were asked for some. Raises ValueError
    for an empty list.
    """
    if not attempts:
        raise ValueError("attempts: got none, expected at least one that was recorded")
    ordered = sorted(attempts, key=lambda each: each.attempt)
    zero = _unix(ordered[0].manifest)
    pieces = [_placed(number, each, _after(each, zero)) for number, each in enumerate(ordered)]
    attempts_people = [list(piece) for piece in pieces]
    changed_hands = {csrc for people in attempts_people for csrc in reused_sources(people)}
    people = [person for each in attempts_people for person in each]
    groups = _same_people(people, changed_hands)
    participants = renamed_overlaps(_renumbered([_joined(group) for group in groups]))
    merged = Manifest(
        bot_id=ordered[-1].manifest.bot_id,
        audio_streams_available=bool(participants),
        message=msgspec.UNSET if participants else NOBODY_SPOKE,
        participants=participants,
        summary=Summary(
            total_participants=len(participants),
            total_segments=sum(1 for each in participants for _ in each.segments()),
        ),
        recording=_recording(ordered, zero),
    )
    if all(each.manifest.video_streams is msgspec.UNSET for each in ordered):
        return merged
    videos = [moved_videos(each.manifest, each.folder, _after(each, zero)) for each in ordered]
    return msgspec.structs.replace(merged, video_streams=merged_videos(videos, merged))


def _placed(number: int, attempt: RecordedAttempt, offset: float) -> Iterator[ParticipantStreams]:
    """The attempt's participants, their segments on the common clock: ``offset`` seconds later."""
    for person in attempt.manifest.participants:
        yield person.with_segments(lambda segment: _moved(segment, number, attempt.folder, offset))


def _moved(segment: Segment, number: int, folder: str, offset: float) -> Segment:
    return msgspec.structs.replace(
        segment,
        segment_index=number,
        url=f"{folder}/{segment.url}",
        start_seconds=round(segment.start_seconds + offset, 4),
        intervals=[(round(start + offset, 4), round(end + offset, 4)) for start, end in segment.intervals],
        overlaps=moved_overlaps(segment.overlaps, offset),
        attribution=moved_attribution(segment.attribution, offset),
    )


def _same_people(people: list[ParticipantStreams], changed_hands: set[int]) -> list[list[ParticipantStreams]]:
    """Groups of entries that are one participant, in order of first appearance.

    Sources that have ``changed_hands`` within an attempt do not show whose they are.
    """
    groups: list[list[ParticipantStreams]] = []
    for person in people:
        for group in groups:
            if _same(group, person, changed_hands):
                group.append(person)
                break
        else:
            groups.append([person])
    return groups


def _same(group: list[ParticipantStreams], person: ParticipantStreams, changed_hands: set[int]) -> bool:
    ids = {each.participant_id for each in group} - {None}
    if ids and person.participant_id is not None:
        return person.participant_id in ids
    return bool((_csrcs([person]) & _csrcs(group)) - changed_hands)


def _csrcs(people: list[ParticipantStreams]) -> set[int]:
    """The CSRCs of the files that are one source's."""
    return {csrc for person in people for segment in person.segments() for csrc in own_csrcs(segment)}


def _joined(group: list[ParticipantStreams]) -> ParticipantStreams:
    # Of equally strong evidence the latest counts.
    best = max(enumerate(group), key=lambda pair: (_STRENGTH.get(pair[1].name_source, 0), pair[0]))[1]
    identity = next((each.participant_id for each in group if each.participant_id is not None), None)
    streams: dict[int | str, list[Stream]] = {}
    for person in group:
        for stream in person.streams:
            streams.setdefault(_key_of(person, stream), []).append(stream)
    return ParticipantStreams(
        participant_name=best.participant_name,
        participant_id=identity,
        name_source=best.name_source,
        is_host=best.is_host,
        streams=[_one_stream(best.participant_name, identity, key, same) for key, same in streams.items()],
    )


def _key_of(person: ParticipantStreams, stream: Stream) -> int | str:
    """The key by which streams of one participant continue: the stem's, or the stream's id if it is no single CSRC's."""
    own = own_csrcs(stream.segments[0]) if stream.segments else []
    if not own:
        return stream.stream_id
    keys = (tenure_key(own[0], tenure) for tenure in range(MAX_TENURES))
    name, identity = person.participant_name, person.participant_id
    return next((key for key in keys if stream_id(name, identity, key) == stream.stream_id), own[0])


def _one_stream(name: str, identity: str | None, source: int | str, same: list[Stream]) -> Stream:
    """Joins the streams; the final name of the participant gives the id and the file names."""
    own_id = stream_id(name, identity, source) if isinstance(source, int) else same[-1].stream_id
    segments = []
    for segment in (each for stream in same for each in stream.segments):
        named = (
            file_name(name, identity, source, segment.segment_index)
            if isinstance(source, int)
            else _numbered(segment.filename, segment.segment_index)
        )
        segments.append(msgspec.structs.replace(segment, filename=named))
    return Stream(stream_id=own_id, segments=segments)


def _numbered(filename: str, segment_index: int) -> str:
    """``Speaker_abc123de_0.webm`` -> ``Speaker_abc123de_1.webm``."""
    front, _, _ = filename.rpartition("_")
    return f"{front or filename}_{segment_index}.webm"


def _renumbered(participants: list[ParticipantStreams]) -> list[ParticipantStreams]:
    """Numbers the unknown speakers of the document from 1; each attempt has numbered its own."""
    unknown = 0
    counted = []
    for person in participants:
        if person.name_source == "none":
            unknown += 1
            person = msgspec.structs.replace(person, participant_name=f"{_UNKNOWN} {unknown}")  # noqa: PLW2901
        counted.append(person)
    return counted


def _recording(ordered: list[RecordedAttempt], zero: float) -> Recording:
    first, last = ordered[0].manifest.recording, ordered[-1].manifest.recording
    parts = [_part(number, each, zero) for number, each in enumerate(ordered)]
    warnings = [_gap(before, after) for before, after in pairwise(parts)]
    for each in ordered:
        warnings += [warning for warning in each.manifest.recording.warnings if warning not in warnings]
    return Recording(
        platform=last.platform,
        meeting_url=last.meeting_url,
        bot_name=last.bot_name,
        started_at=first.started_at,
        duration_seconds=round(max(part.start_seconds + part.duration_seconds for part in parts), 4),
        complete=len(parts) == 1 and last.complete,
        ended_reason=last.ended_reason,
        ended_detail=last.ended_detail,
        audio_path=last.audio_path,
        mixed_audio=parts[0].mixed_audio,
        unattributed_packets=sum(each.manifest.recording.unattributed_packets for each in ordered),
        warnings=warnings,
        announcement=merged_announcement(each.manifest.recording.announcement for each in ordered)
        or msgspec.UNSET,
        parts=parts if len(parts) > 1 else msgspec.UNSET,
        holes=_added_holes(ordered),
        pauses=[pause for each in ordered for pause in _pauses(each, zero)] or msgspec.UNSET,
        gated_mix=added_mixes([each.manifest.recording.gated_mix for each in ordered]),
        incomplete_files=[
            f"{each.folder}/{file}"
            for each in ordered
            for file in each.manifest.recording.incomplete_files or ()
        ]
        or msgspec.UNSET,
    )


def _pauses(attempt: RecordedAttempt, zero: float) -> list[Interval]:
    offset = _after(attempt, zero)
    pauses = attempt.manifest.recording.pauses or ()
    return [(round(start + offset, 4), round(end + offset, 4)) for start, end in pauses]


def _added_holes(attempts: list[RecordedAttempt]) -> Holes | msgspec.UnsetType:
    holes = [each.manifest.recording.holes or Holes() for each in attempts]
    added = sum(holes, Holes())
    return added if added != Holes() else msgspec.UNSET


def merged_announcement(
    of_attempts: Iterable[Announcement | msgspec.UnsetType | None],
) -> Announcement | None:
    """Whether any attempt told the call: the first that did, else the last one's failure; None: nothing is known."""
    known = [each for each in of_attempts if isinstance(each, Announcement)]
    written = [each for each in known if each.written_at is not None]
    return next(iter(written or reversed(known)), None)


def _part(number: int, attempt: RecordedAttempt, zero: float) -> RecordedPart:
    recording = attempt.manifest.recording
    return RecordedPart(
        segment_index=number,
        attempt=attempt.attempt,
        start_seconds=round(_after(attempt, zero), 4),
        duration_seconds=recording.duration_seconds,
        ended_reason=recording.ended_reason,
        mixed_audio=f"{attempt.folder}/{recording.mixed_audio}" if recording.mixed_audio else None,
    )


def _gap(before: RecordedPart, after: RecordedPart) -> str:
    ended = before.start_seconds + before.duration_seconds
    return (
        f"Nothing was recorded from {ended:.1f} s to {after.start_seconds:.1f} s: "
        f"the bot was out of the call ({before.ended_reason})."
    )


def _after(attempt: RecordedAttempt, zero: float) -> float:
    """Seconds of meeting time at which the attempt began; at least 0, since the machines' clocks may differ."""
    return max(0.0, _unix(attempt.manifest) - zero)


def _unix(manifest: Manifest) -> float:
    return datetime.fromisoformat(manifest.recording.started_at).timestamp()
