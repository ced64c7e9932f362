"""Merges what manifests contain about gated mixes: stretches on the common clock, and totals (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from worker.manifest.schema import (
    Attributed,
    ByEvidence,
    GatedMix,
    Overlap,
    ParticipantStreams,
    Segment,
)


def moved_overlaps(
    overlaps: list[Overlap] | msgspec.UnsetType, offset: float
) -> list[Overlap] | msgspec.UnsetType:
    """The overlaps, ``offset`` seconds later."""
    if overlaps is msgspec.UNSET:
        return msgspec.UNSET
    return [
        msgspec.structs.replace(
            each,
            start_seconds=round(each.start_seconds + offset, 4),
            end_seconds=round(each.end_seconds + offset, 4),
        )
        for each in overlaps
    ]


def moved_attribution(
    attribution: list[Attributed] | msgspec.UnsetType, offset: float
) -> list[Attributed] | msgspec.UnsetType:
    """The attribution, ``offset`` seconds later."""
    if attribution is msgspec.UNSET:
        return msgspec.UNSET
    return [
        (round(start + offset, 4), round(end + offset, 4), evidence) for start, end, evidence in attribution
    ]


def own_csrcs(segment: Segment) -> list[int]:
    """The CSRCs of a file that is one source's; none for a file that several share, or an unknown one's."""
    if segment.isolation == "mixed-only":
        return []
    return list(dict.fromkeys(source.csrc for source in segment.sources if source.csrc is not None))


def reused_sources(people: list[ParticipantStreams]) -> set[int]:
    """The CSRCs that several participants of one attempt had, one after the other."""
    owners = Counter(
        csrc
        for person in people
        for csrc in {csrc for segment in person.segments() for csrc in own_csrcs(segment)}
    )
    return {csrc for csrc, count in owners.items() if count > 1}


def renamed_overlaps(participants: list[ParticipantStreams]) -> list[ParticipantStreams]:
    """The participants with overlaps that use the merged document's names.

    Names of sources that several participants of an attempt had stay as they are.
    """
    names: dict[tuple[int, int | None], str] = {}
    reused: set[tuple[int, int | None]] = set()
    for person in participants:
        of_person = {(each.segment_index, csrc) for each in person.segments() for csrc in own_csrcs(each)}
        reused |= of_person & names.keys()
        names.update(dict.fromkeys(of_person, person.participant_name))
    for each in reused:
        del names[each]
    return [person.with_segments(lambda segment: _renamed(segment, names)) for person in participants]


def added_mixes(mixes: Iterable[GatedMix | msgspec.UnsetType]) -> GatedMix | msgspec.UnsetType:
    """The totals of all attempts; UNSET if none had a mix."""
    total: GatedMix | msgspec.UnsetType = msgspec.UNSET
    for mix in mixes:
        if mix is not msgspec.UNSET:
            total = mix if total is msgspec.UNSET else _sum(total, mix)
    return total


def _renamed(segment: Segment, names: dict[tuple[int, int | None], str]) -> Segment:
    if segment.overlaps is msgspec.UNSET:
        return segment
    overlaps = [
        msgspec.structs.replace(
            each,
            participants=[
                names.get((segment.segment_index, csrc), name)
                for csrc, name in zip(each.csrcs, each.participants, strict=True)
            ],
        )
        for each in segment.overlaps
    ]
    return msgspec.structs.replace(segment, overlaps=overlaps)


def _sum(one: GatedMix, other: GatedMix) -> GatedMix:
    return GatedMix(
        note=other.note,
        packets=_added(one.packets, other.packets),
        seconds=_added(one.seconds, other.seconds),
        shared_packets=one.shared_packets + other.shared_packets,
        shared_seconds=round(one.shared_seconds + other.shared_seconds, 4),
        noise_packets=one.noise_packets + other.noise_packets,
        mix=one.mix + other.mix,
    )


def _added(one: ByEvidence, other: ByEvidence) -> ByEvidence:
    return ByEvidence(
        **{
            field: round(getattr(one, field) + getattr(other, field), 4)
            for field in ByEvidence.__struct_fields__
        }
    )
