"""CPU and memory of the worker's processes, read at each scrape."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from worker.browser.processes import browser_processes
from worker.monitoring.families import NAMESPACE

ROLES: Final = ("worker", "driver", "chromium")
"""This process; Playwright's driver; the browser with all its children."""


class Usage(NamedTuple):
    """One process: ``cpu`` in seconds on one core since it began, ``memory`` resident, in bytes."""

    cpu: float
    memory: int


ProcessId = tuple[int, float]
"""Process id and start time: ids are used again."""

ReadUsage = Callable[[], Mapping[str, Mapping[ProcessId, Usage]]]
"""The usage of each living process, by role."""


def read_usage() -> dict[str, dict[ProcessId, Usage]]:
    """The usage of this process and the browsers that it started."""
    processes = browser_processes()
    return {
        "worker": _usages([os.getpid()]),
        "driver": _usages(processes.driver),
        "chromium": _usages(processes.chromium),
    }


class ProcessMetrics(Collector):
    """``meetstems_process_cpu_seconds_total`` and ``meetstems_process_resident_memory_bytes``, by role.

    CPU time of ended processes stays counted. Memory that Chromium's processes share is counted once for each of them, so the
    sum is well above what the machine uses; worker.monitoring.memory computes what limits apply to.
    """

    def __init__(self, registry: CollectorRegistry, read: ReadUsage = read_usage) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._cpu: dict[str, dict[ProcessId, float]] = {role: {} for role in ROLES}
        registry.register(self)

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """The families without samples, so that registering reads nothing."""
        return _families()

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """The families with a sample for each role."""
        usage = self._read()
        cpu, memory = _families()
        with self._lock:
            for role in ROLES:
                now = usage.get(role, {})
                self._cpu[role].update({process: each.cpu for process, each in now.items()})
                cpu.add_metric([role], sum(self._cpu[role].values()))
                memory.add_metric([role], sum(each.memory for each in now.values()))
        return cpu, memory


def _families() -> tuple[CounterMetricFamily, GaugeMetricFamily]:
    return (
        CounterMetricFamily(f"{NAMESPACE}_process_cpu_seconds", "CPU time by role.", labels=["role"]),
        GaugeMetricFamily(f"{NAMESPACE}_process_resident_memory_bytes", "RSS by role.", labels=["role"]),
    )


def _usages(pids: Iterable[int]) -> dict[ProcessId, Usage]:
    usages = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                usages[pid, process.create_time()] = Usage(
                    times.user + times.system, process.memory_info().rss
                )
        except psutil.Error:
            continue  # It has ended meanwhile.
    return usages
