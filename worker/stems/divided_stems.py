"""Finds stems that hold the speech of several owners of one source, because the change became known too late (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.roster.roster import Roster
from worker.roster.tenures import split_key
from worker.stems.stem import Stem

TENURE_MARGIN = 1.0
"""Seconds by which the place of speech may differ from its arrival without being another tenure's."""


def divided_stems(stems: Mapping[int, Stem], tenure_at: Callable[[int, float], int]) -> list[int]:
    """The keys of these stems, as far as is known by now.

    ``tenure_at`` returns the number of a source's tenure at a moment of meeting time in seconds.
    """
    divided = []
    for key, stem in stems.items():
        source, tenure = split_key(key)
        last_word = stem.track.speech_end / SAMPLE_RATE - TENURE_MARGIN
        if 0 <= source < FIRST_CAPTION_SOURCE and tenure_at(source, last_word) > tenure:
            divided.append(key)
    return divided


def without_owners(roster: Roster, keys: list[int]) -> Roster:
    """The roster in which nobody owns the stems with these keys."""
    if not keys:
        return roster
    tenures = dict(roster.tenures)
    for key in keys:
        source, tenure = split_key(key)
        owners = list(tenures.get(source, (roster.sources.get(source),)))
        if tenure < len(owners):
            owners[tenure] = None
        tenures[source] = tuple(owners)
    return msgspec.structs.replace(roster, tenures=tenures)


def divided_warning(keys: list[int]) -> list[str]:
    """A sentence about these stems, if there are any."""
    if not keys:
        return []
    sources = ", ".join(dict.fromkeys(str(split_key(key)[0]) for key in keys))
    return [
        f"It became known too late that source {sources} had changed hands; the file is an unknown speaker's."
    ]
