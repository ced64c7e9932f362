"""The parts of the timeline page about a gated mix: shared stretches and evidence; all empty without a mix (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import msgspec

from worker.manifest.filenames import display_name
from worker.manifest.schema import ByEvidence, GatedMix, Interval, Segment
from worker.rendering.timeline.intervals import seconds

EVIDENCE_NAMES = {
    "csrc": "packets",
    "dsh": "dominance",
    "captions": "captions",
    "none": "nobody",
}
"""The kinds of evidence for a speaker as the page names them; ``csrc`` is the normal case and is not marked."""

_SHARED_STRIP = (0.8, 0.2)
_EVIDENCE_STRIP = (0.0, 0.16)
"""The place of a strip in a lane of height 1: (from, height)."""


def attribution_tile(mix: GatedMix | msgspec.UnsetType) -> str:
    """The tile with the share of the mix that is attributed to known speakers, and by which evidence."""
    if mix is msgspec.UNSET:
        return ""
    shares = [(name, getattr(mix.seconds, field)) for field, name in EVIDENCE_NAMES.items()]
    total = sum(share for _, share in shares)
    known = total - mix.seconds.none
    note = ", ".join(name for name, share in shares if share)
    percent = f"{100 * known / total:.0f} %" if total else "–"
    return f"<div><dt>Attributed</dt><dd>{percent}<small>{escape(note)}</small></dd></div>"


def mix_notice(mix: GatedMix | msgspec.UnsetType) -> list[str]:
    """The manifest's note about what the files are."""
    return [] if mix is msgspec.UNSET else [f'<li class="note">{escape(display_name(mix.note))}</li>']


def mix_legend(mix: GatedMix | msgspec.UnsetType) -> str:
    """The keys of the kinds of strips that occur."""
    if mix is msgspec.UNSET:
        return ""
    keys = [("shared", "the same packets as others")] if mix.shared_packets else []
    keys += [
        (field, f"told by {name}")
        for field, name in EVIDENCE_NAMES.items()
        if field != "csrc" and getattr(mix.packets, field)
    ]
    return "".join(f'<span class="key {kind}">{text}</span>' for kind, text in keys)


def mix_strips(segments: Iterable[Segment]) -> str:
    """A lane's strips: at the bottom shared stretches, at the top those attributed by other evidence than CSRCs."""
    segments = list(segments)
    paths = [("shared", _strip(_shared(segments), *_SHARED_STRIP))]
    for field in ByEvidence.__struct_fields__:
        if field != "csrc":
            paths.append((field, _strip(_attributed_by(segments, field), *_EVIDENCE_STRIP)))
    return "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in paths if path)


def shared_seconds(segments: Iterable[Segment]) -> float | None:
    """Seconds shared with other speakers; None if the segments are not of a gated mix."""
    gated = [segment for segment in segments if segment.overlaps is not msgspec.UNSET]
    return seconds(_shared(gated)) if gated else None


def evidence_badges(segments: Iterable[Segment]) -> str:
    """The kinds of evidence for this speaker."""
    segments = list(segments)
    kinds = [field for field in ByEvidence.__struct_fields__ if _attributed_by(segments, field)]
    return "".join(f'<span class="badge">{EVIDENCE_NAMES[kind]}</span>' for kind in kinds)


def _shared(segments: Iterable[Segment]) -> list[Interval]:
    return [
        (overlap.start_seconds, overlap.end_seconds)
        for segment in segments
        if segment.overlaps is not msgspec.UNSET
        for overlap in segment.overlaps
    ]


def _attributed_by(segments: Iterable[Segment], kind: str) -> list[Interval]:
    return [
        (start, end)
        for segment in segments
        if segment.attribution is not msgspec.UNSET
        for start, end, evidence in segment.attribution
        if evidence == kind
    ]


def _strip(intervals: Iterable[Interval], top: float, height: float) -> str:
    return "".join(
        f"M{begin:.3f} {top}h{end - begin:.3f}v{height}h-{end - begin:.3f}z" for begin, end in intervals
    )
