"""The CPU use of a recording: the share of a core that its processes use."""

from __future__ import annotations

import os
import time

from worker.browser.processes import browser_processes, cpu_seconds
from worker.recording.outcome import Cost


class CpuMeter:
    """Measures from its construction on. A process that has ended is not counted."""

    def __init__(self) -> None:
        processes = browser_processes()
        self._worker = [os.getpid(), *processes.driver]
        self._chromium = processes.chromium
        self._at = time.monotonic()
        self._worker_before = cpu_seconds(self._worker)
        self._chromium_before = cpu_seconds(self._chromium)

    def read(self) -> Cost:
        """The averages since construction."""
        elapsed = max(time.monotonic() - self._at, 1e-3)
        return Cost(
            worker=max(0.0, cpu_seconds(self._worker) - self._worker_before) / elapsed,
            chromium=max(0.0, cpu_seconds(self._chromium) - self._chromium_before) / elapsed,
        )
