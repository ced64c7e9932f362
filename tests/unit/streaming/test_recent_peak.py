"""The greatest value of the last seconds."""

from __future__ import annotations

from worker.streaming.recent_peak import SPAN, RecentPeak


def test_a_peak_counts_for_one_to_two_spans_and_until_others_are_noted() -> None:
    peak = RecentPeak(0.5)
    assert peak.value == 0.5
    for at, value, expected in (
        (0.0, 0.1, 0.1),
        (1.0, 0.3, 0.3),
        (2.0, 0.2, 0.3),
        (SPAN, 0.1, 0.3),
        (2 * SPAN, 0.15, 0.15),
        (9 * SPAN, 0.1, 0.15),
    ):
        peak.note(at, value)
        assert peak.value == expected
