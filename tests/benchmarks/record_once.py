"""Records three talkers once and measures it: `python -m tests.benchmarks.record_once frugal|lavish OUTPUT`.

``lavish`` does without what makes a recording cheap: small batches by Playwright's binding, each rendered when it comes, a
visible window, two looks a second, all of Chromium's processes, and a driver with the heap that Node.js chooses. Prints one
JSON object: cores of the worker, the driver and Chromium (`cores`), anonymous memory in MiB of each (`anonymous_mib`), packets
received and lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from playwright.async_api import BrowserContext, Page

from fixtures.replica.demo import running_replica
from worker.browser import launch, tap
from worker.browser.direct_binding import DirectBinding
from worker.browser.injected_scripts import limits_for
from worker.browser.page_window import REST_AFTER
from worker.browser.processes import browser_processes, cpu_seconds
from worker.manifest.schema import Manifest
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording import call_loop, session
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingRequest
from worker.recording.recorder import Recorder
from worker.recording.session import record
from worker.rendering.renderer import Renderer
from worker.settings import BrowserSettings
from worker.states import State

SCENARIO: Final = Path(__file__).parent / "three_talkers.toml"

MEASURED_SECONDS: Final = 35.0
"""From when the window rests; the three talk a little longer."""


class Meter(RecordingObserver):
    """Measures ``seconds`` of the recording in which nothing but recording happens."""

    def __init__(self, seconds: float = MEASURED_SECONDS) -> None:
        self.result: dict[str, Any] = {}
        self._seconds = seconds
        self._measuring: asyncio.Task[None] | None = None

    def state(self, state: State, reason: Reason | None = None) -> None:
        if state is State.IN_CALL_RECORDING:
            self._measuring = asyncio.create_task(self._measure())

    def count_packets(self, manifest: Manifest) -> None:
        """Adds the packets that were received and lost."""
        packets = [segment.packets for _, segment in manifest.segments()]
        self.result["received"] = sum(each.received for each in packets)
        self.result["lost"] = sum(each.lost for each in packets)

    async def _measure(self) -> None:
        await asyncio.sleep(REST_AFTER + 5.0)
        before, began = _cpu(), time.monotonic()
        await asyncio.sleep(self._seconds)
        elapsed = time.monotonic() - began
        self.result["cores"] = {name: (used - before[name]) / elapsed for name, used in _cpu().items()}
        self.result["anonymous_mib"] = {
            name: sum(map(_anonymous, pids)) / 2**20 for name, pids in _processes().items()
        }


def main(mode: str, output: str) -> None:
    """Records into ``output``, which must not exist or be empty."""
    folder, meter = Path(output), Meter()
    with (
        tempfile.TemporaryDirectory() as truth,
        running_replica(str(SCENARIO), Path(truth) / "t.jsonl") as url,
    ):
        settings = BrowserSettings.from_environment(os.environ)
        if mode == "lavish":
            _be_lavish()
            settings = msgspec.structs.replace(settings, minimize=False)
        request = RecordingRequest(bot_id="bot", link=parse_link(url), output=folder, bot_name="Notes")
        outcome = asyncio.run(record(request, settings, meter, lambda platform: Renderer(folder, platform)))
    assert outcome.manifest is not None
    meter.count_packets(outcome.manifest)
    print(json.dumps(meter.result))


def _be_lavish() -> None:
    async def refuse(self: DirectBinding, context: BrowserContext, page: Page) -> None:
        """Leaves the page without the direct binding."""

    DirectBinding.install = refuse  # type: ignore[method-assign]
    tap.TapLimits = lambda: limits_for(40)  # type: ignore
    session.Recorder = partial(Recorder, run_seconds=0.0)  # type: ignore
    call_loop.IN_CALL_INTERVAL, call_loop.THOROUGH_EVERY = 0.5, 4  # type: ignore[misc]
    launch.DISABLED_FEATURES = ()  # type: ignore[misc, assignment]
    launch.DRIVER_OPTIONS = ""  # type: ignore[misc]


def _processes() -> dict[str, list[int]]:
    driver, chromium = browser_processes()
    return {"worker": [os.getpid()], "driver": driver, "chromium": chromium}


def _cpu() -> dict[str, float]:
    return {name: cpu_seconds(pids) for name, pids in _processes().items()}


def _anonymous(pid: int) -> int:
    """Bytes, where shared pages count in part; 0 for a process that has ended, or whose memory may not be read."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss_Anon:\s+(\d+) kB$", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
