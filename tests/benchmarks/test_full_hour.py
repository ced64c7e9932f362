"""The full hour at 5,000 bots an hour, 2,000 of which are due at once: the table of docs/scale.md."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.full_hour import Cluster, Demand, simulate

NOW: Final = Cluster(lead=0)
"""Bots that nobody announced."""

ROWS: Final = {
    "as shipped: announced bots 240 s ahead": Cluster(),
    "the same, and 200 workers with --forever": Cluster(forever=200),
    "the same, and sent up to 120 s earlier": Cluster(forever=200, jitter=120),
    "as shipped, but KEDA looks every 30 s": Cluster(polling=30),
    "all unannounced, no node ready": NOW,
    "the same, KEDA makes 100 Jobs a second": NOW._replace(jobs_a_second=100),
    "unannounced, 2,400 places held by placeholders": NOW._replace(spare=2400),
    "the same, in four cells": NOW._replace(spare=2400, cells=4),
    "the same, 100 Jobs a second in each cell": NOW._replace(spare=2400, cells=4, jobs_a_second=100),
    "unannounced, 3,000 workers with --forever": NOW._replace(forever=3000),
    "unannounced, 5,500 workers with --forever": NOW._replace(forever=5500),
}


def table() -> list[str]:
    """The rows in Markdown."""
    head = "| | half | 95 % | 99 % | last | later than 30 s | at once | new nodes |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for name, cluster in ROWS.items():
        hour = simulate(Demand(), cluster)
        times = " | ".join(f"{hour.quantile(share):.0f} s" for share in (0.5, 0.95, 0.99, 1.0))
        late = f"{100 * hour.share_later_than(30):.1f} %"
        lines.append(f"| {name} | {times} | {late} | {hour.most_at_once:,} | {hour.nodes} |")
    return lines


def test_the_table_of_the_full_hour() -> None:
    print("", *table(), sep="\n")
    shipped, *_, warm = (simulate(Demand(), cluster) for cluster in ROWS.values())
    assert shipped.quantile(0.9) < 30
    assert warm.late[-1] == 0
