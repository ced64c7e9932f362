"""How exactly speech must be placed in the files, compared with when it left the replica."""

from __future__ import annotations

from typing import Final

from fixtures.replica.comparison.stems import StemComparison

USUAL_PLACE_ERROR: Final = 0.005
"""Seconds that 99 % of a stem's packets keep."""

WORST_PLACE_ERROR: Final = 0.020
"""Seconds that every packet keeps."""

JITTER_SHARE: Final = 0.25
"""How much of the network's jitter the least delay may be missed by, where a talk-spurt is anchored by its first packets."""


def assert_in_place(stem: StemComparison, jitter: float = 0.0) -> None:
    """Checks a stem's places; ``jitter`` of the scenario's network in seconds. Names the stem and its errors."""
    usual, median, worst = stem.place_error(0.99), stem.place_error(0.5), stem.place_error(1.0)
    errors = f"{stem.name}: places p50 {1000 * median:.1f}, p99 {1000 * usual:.1f}, max {1000 * worst:.1f} ms"
    assert usual <= USUAL_PLACE_ERROR + JITTER_SHARE * jitter, errors
    assert worst <= WORST_PLACE_ERROR, errors
