"""Assembles the manifest from the sources that were heard and the roster (pure)."""

from __future__ import annotations

import msgspec

from worker.iso_time import iso_utc
from worker.manifest.filenames import file_name, stream_id
from worker.manifest.naming import NamedParticipant, name_sources
from worker.manifest.recording_facts import SessionFacts
from worker.manifest.schema import (
    Attributed,
    GatedMix,
    Interval,
    Manifest,
    Overlap,
    Packets,
    ParticipantStreams,
    Recording,
    Segment,
    Source,
    Stream,
    Summary,
)
from worker.reasons import read_reason
from worker.roster.roster import Roster
from worker.roster.tenures import split_key

FIRST_CAPTION_SOURCE = 2**32
"""Sources from this number on are no CSRCs (32 bits) but stand for users known from captions alone."""

NOBODY_SPOKE = "No per-participant audio streams available for this bot."
"""MeetStream's text for a meeting without speech."""


class HeardSource(msgspec.Struct, frozen=True, kw_only=True):
    """One source that was heard. ``source`` is its stem's key (worker.roster.tenures): its CSRC in its first tenure, a number
    below 0 if it has none, or one from FIRST_CAPTION_SOURCE on.

    ``attribution`` and ``overlaps`` (with the sources of the others) are there only for a gated mix.
    """

    source: int
    sources: list[Source]
    intervals: list[Interval]
    packets: Packets
    isolation: str
    attribution: list[Attributed] | None = None
    overlaps: list[tuple[float, float, tuple[int, ...]]] | None = None


def assemble_manifest(
    heard: list[HeardSource],
    roster: Roster,
    facts: SessionFacts,
    duration: float,
    folder: str,
    mixed_audio: str | None,
    warnings: list[str],
    gated_mix: GatedMix | None = None,
) -> tuple[Manifest, dict[int, str]]:
    """Returns the manifest, and each source's file name in ``folder``.

    ``heard`` is in order of first speech; ``duration`` is that of every stem in seconds. ``warnings`` are added to those of
    ``facts``.
    """
    by_source = {each.source: each for each in heard}
    participants: list[ParticipantStreams] = []
    contested: list[str] = []
    files: dict[int, str] = {}
    people = name_sources(list(by_source), roster)
    names = {source: person.participant_name for person in people for source in person.keys}
    for person in people:
        for source in person.keys:
            files[source] = file_name(person.participant_name, person.participant_id, source)
        if person.contested:
            contested.append(f"Evidence disagreed on whether {person.participant_name} is who spoke.")
        participants.append(
            ParticipantStreams(
                participant_name=person.participant_name,
                participant_id=person.participant_id,
                name_source=person.name_source,
                is_host=person.is_host,
                streams=[
                    _stream(person, by_source[source], duration, folder, files[source], names)
                    for source in person.keys
                ],
            )
        )
    begun, started, ended = facts.begun, facts.started, facts.ended
    manifest = Manifest(
        bot_id=begun.bot_id if begun else "",
        audio_streams_available=bool(participants),
        message=msgspec.UNSET if participants else NOBODY_SPOKE,
        participants=participants,
        summary=Summary(
            total_participants=len(participants),
            total_segments=sum(len(person.streams) for person in participants),
        ),
        recording=Recording(
            platform=begun.platform if begun else "unknown",
            meeting_url=begun.meeting_url if begun else "",
            bot_name=begun.bot_name if begun else "",
            started_at=iso_utc(started.at, "microseconds") if started else "",
            duration_seconds=round(duration, 4),
            complete=ended is not None and not _is_cut_off(ended.reason) and facts.holes is None,
            ended_reason=ended.reason if ended else "cut_off",
            ended_detail=ended.detail if ended else "",
            audio_path=facts.audio_path,
            mixed_audio=mixed_audio,
            unattributed_packets=sum(
                each.packets.received + each.packets.recovered for each in heard if each.source < 0
            ),
            warnings=[*facts.warnings(), *warnings, *contested],
            announcement=facts.announcement or msgspec.UNSET,
            gated_mix=gated_mix or msgspec.UNSET,
            holes=facts.holes or msgspec.UNSET,
            pauses=facts.pauses(round(duration, 4)) or msgspec.UNSET,
        ),
    )
    return manifest, files


def _stream(
    person: NamedParticipant,
    heard: HeardSource,
    duration: float,
    folder: str,
    file: str,
    names: dict[int, str],
) -> Stream:
    return Stream(
        stream_id=stream_id(person.participant_name, person.participant_id, heard.source),
        segments=[
            Segment(
                segment_index=0,
                url=f"{folder}/{file}",
                filename=file,
                duration_seconds=round(duration, 4),
                speech_seconds=round(sum(end - start for start, end in heard.intervals), 4),
                intervals=[(round(start, 4), round(end, 4)) for start, end in heard.intervals],
                isolation=heard.isolation,
                packets=heard.packets,
                sources=heard.sources,
                overlaps=_overlaps(heard, names),
                attribution=_attribution(heard),
            )
        ],
    )


def _attribution(heard: HeardSource) -> list[Attributed] | msgspec.UnsetType:
    if heard.attribution is None:
        return msgspec.UNSET
    return [(round(start, 4), round(end, 4), evidence) for start, end, evidence in heard.attribution]


def _overlaps(heard: HeardSource, names: dict[int, str]) -> list[Overlap] | msgspec.UnsetType:
    if heard.overlaps is None:
        return msgspec.UNSET
    return [
        Overlap(
            start_seconds=round(start, 4),
            end_seconds=round(end, 4),
            participants=[names.get(source, "") for source in others],
            csrcs=[_csrc(source) for source in others],
        )
        for start, end, others in heard.overlaps
    ]


def _csrc(key: int) -> int | None:
    """The CSRC of a stem's key; None for users known from captions alone, and for unknown speakers."""
    source, _ = split_key(key)
    return source if 0 <= source < FIRST_CAPTION_SOURCE else None


def _is_cut_off(reason: str) -> bool:
    known = read_reason(reason)
    return known is not None and known.is_cut_off
