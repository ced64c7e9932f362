"""What the timeline page shows of a gated mix: what is shared, and what told who speaks. Nothing where there is no mix."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import msgspec

from worker.manifest.filenames import display_name
from worker.manifest.schema import ByEvidence, GatedMix, Interval, Segment
from worker.rendering.timeline.intervals import seconds

TOLD_BY = {
    "csrc": "packets",
    "dsh": "dominance",
    "captions": "captions",
    "none": "nobody",
}
"""What told who speaks, as a person calls it; the packets' own word is the rule and is not marked."""

_SHARED_STRIP = (0.8, 0.2)
_TOLD_STRIP = (0.0, 0.16)
"""Where a strip lies in a lane of height 1: (from, height)."""


def told_by_tile(mix: GatedMix | msgspec.UnsetType) -> str:
    """How much of the mix is known to be somebody's, by what told it."""
    if mix is msgspec.UNSET:
        return ""
    shares = [(name, getattr(mix.seconds, field)) for field, name in TOLD_BY.items()]
    total = sum(share for _, share in shares)
    known = total - mix.seconds.none
    note = ", ".join(name for name, share in shares if share)
    percent = f"{100 * known / total:.0f} %" if total else "–"
    return f"<div><dt>Attributed</dt><dd>{percent}<small>{escape(note)}</small></dd></div>"


def mix_notice(mix: GatedMix | msgspec.UnsetType) -> list[str]:
    """What the files are, in the manifest's own words."""
    return [] if mix is msgspec.UNSET else [f'<li class="note">{escape(display_name(mix.note))}</li>']


def mix_legend(mix: GatedMix | msgspec.UnsetType) -> str:
    """The keys of the strips that there are."""
    if mix is msgspec.UNSET:
        return ""
    keys = [("shared", "the same packets as others")] if mix.shared_packets else []
    keys += [
        (field, f"told by {name}")
        for field, name in TOLD_BY.items()
        if field != "csrc" and getattr(mix.packets, field)
    ]
    return "".join(f'<span class="key {kind}">{text}</span>' for kind, text in keys)


def mix_strips(segments: Iterable[Segment]) -> str:
    """A lane's strips: below what is shared, above what did not come from the packets themselves."""
    segments = list(segments)
    paths = [("shared", _strip(_shared(segments), *_SHARED_STRIP))]
    for field in ByEvidence.__struct_fields__:
        if field != "csrc":
            paths.append((field, _strip(_told(segments, field), *_TOLD_STRIP)))
    return "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in paths if path)


def shared_seconds(segments: Iterable[Segment]) -> float | None:
    """How long others are heard as well; None where nothing is said of that."""
    gated = [segment for segment in segments if segment.overlaps is not msgspec.UNSET]
    return seconds(_shared(gated)) if gated else None


def told_by_badges(segments: Iterable[Segment]) -> str:
    """What told that this one speaks."""
    segments = list(segments)
    kinds = [field for field in ByEvidence.__struct_fields__ if _told(segments, field)]
    return "".join(f'<span class="badge">{TOLD_BY[kind]}</span>' for kind in kinds)


def _shared(segments: Iterable[Segment]) -> list[Interval]:
    return [
        (overlap.start_seconds, overlap.end_seconds)
        for segment in segments
        if segment.overlaps is not msgspec.UNSET
        for overlap in segment.overlaps
    ]


def _told(segments: Iterable[Segment], by: str) -> list[Interval]:
    return [
        (start, end)
        for segment in segments
        if segment.attribution is not msgspec.UNSET
        for start, end, told_by in segment.attribution
        if told_by == by
    ]


def _strip(intervals: Iterable[Interval], top: float, height: float) -> str:
    return "".join(
        f"M{begin:.3f} {top}h{end - begin:.3f}v{height}h-{end - begin:.3f}z" for begin, end in intervals
    )
