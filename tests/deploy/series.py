"""What workers served at /metrics, as the series of a rule test of promtool, continued in time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.prometheus import alert_queries, write_rules
from tests.deploy.tools import run, tool

STEP: Final = 15
"""Seconds between two samples of a rule test."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A series' name and labels."""


class Scrape(NamedTuple):
    """One answer of /metrics. ``at`` is in seconds on any one clock."""

    at: float
    text: str


class Pod(NamedTuple):
    """A scraped pod: its answers at successive steps from ``begins`` on (seconds).

    After the last one, what counts continues at its growth per second between the last two until ``lasts`` seconds have passed
    since ``begins``, and everything else stays; then come the answers of ``end``, whose counts are added, and nothing more.
    """

    name: str
    scrapes: Sequence[Scrape]
    begins: float = STEP
    lasts: float = math.inf
    end: Sequence[Scrape] = ()


class _Reading(NamedTuple):
    values: dict[Key, float]
    growing: frozenset[Key]
    """Counters, and gauges of time that passes."""


def _read(text: str) -> _Reading:
    values, growing = {}, set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            key = sample.name, tuple(sorted(sample.labels.items()))
            values[key] = sample.value
            if family.type in {"counter", "histogram"} or sample.name.endswith("_seconds"):
                growing.add(key)
    return _Reading(values, frozenset(growing))


def _samples(pod: Pod, until: float) -> dict[Key, list[float | None]]:
    """Each series' sample at each step from 0 on; None: not scraped."""
    total = int(until // STEP) + 1
    first = round(pod.begins / STEP)
    readings = [_read(scrape.text) for scrape in pod.scrapes]
    ending = [_read(scrape.text) for scrape in pod.end]
    last, before = pod.scrapes[-1], pod.scrapes[max(0, len(pod.scrapes) - 2)]
    seconds = max(last.at - before.at, 1e-3)
    steady = min(total, first + max(len(readings), math.ceil(min(pod.lasts, until) / STEP)))
    samples: dict[Key, list[float | None]] = {}
    for key in {key for reading in [*readings, *ending] for key in reading.values}:
        line: list[float | None] = [*repeat(None, first), *(reading.values.get(key) for reading in readings)]
        value = readings[-1].values.get(key)
        rate, grown = 0.0, 0.0
        if value is not None and key in readings[-1].growing and len(readings) > 1:
            rate = max(0.0, value - readings[-2].values.get(key, 0.0)) / seconds
        while len(line) < steady:
            grown += rate * STEP
            line.append(None if value is None else value + grown)
        for reading in ending:
            final = reading.values.get(key)
            line.append(None if final is None else final + (grown if key in reading.growing else 0.0))
        samples[key] = [*line, *repeat(None, total)][:total]
    return samples


def input_series(pods: Iterable[Pod], until: float) -> list[dict[str, str]]:
    """The ``input_series`` of a rule test that lasts ``until`` seconds."""
    series = []
    for pod in pods:
        for (name, labels), samples in _samples(pod, until).items():
            shown = ", ".join(
                f"{label}={json.dumps(value)}"
                for label, value in (("namespace", "m"), ("pod", pod.name), *labels)
            )
            values = " ".join(_written(samples))
            series.append({"series": f"{name}{{{shown}}}", "values": values})
    return series


def _written(samples: Sequence[float | None]) -> Iterable[str]:
    """A sample that is missing after others is stale, as after a pod's end or where a scrape lacks the series."""
    seen = False
    for sample in samples:
        if sample is None:
            yield "stale" if seen else "_"
            seen = False
        else:
            yield repr(sample)
            seen = True


def fired(pods: Sequence[Pod], until: float, expected: Mapping[str, bool], folder: Path) -> str | None:
    """None if each alert that ``expected`` names fired within ``until`` seconds as it says; else promtool's answer."""
    assert set(expected) <= set(alert_queries())
    folder.mkdir(parents=True, exist_ok=True)
    write_rules(folder / "rules.json", alerts=expected)
    tests: dict[str, Any] = {
        "rule_files": ["rules.json"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": input_series(pods, until),
                "promql_expr_test": [
                    {
                        "expr": (
                            f'(count(count_over_time(ALERTS{{alertname="{alert}", alertstate="firing"}}[{int(until)}s])) '
                            f"or vector(0)) > bool 0"
                        ),
                        "eval_time": f"{int(until)}s",
                        "exp_samples": [{"labels": "{}", "value": float(fires)}],
                    }
                    for alert, fires in expected.items()
                ],
            }
        ],
    }
    (folder / "test.json").write_text(json.dumps(tests), "utf-8")
    try:
        run(tool("promtool"), "test", "rules", "test.json", cwd=folder)
    except AssertionError as error:
        return str(error)
    return None
