"""Replays a tape on one core: `python -m tests.benchmarks.replay_once TAPE OUTPUT stems|mix`.

Prints one JSON object: seconds of processor time and of wall time, and the process's largest resident memory in bytes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.reader import TapeReader


def main(tape: str, output: str, what: str) -> None:
    """Renders the tape with or without the mix."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    began, used = time.perf_counter(), time.process_time()
    renderer = DeferredRenderer(lambda platform: Renderer(Path(output), platform, mix=what == "mix"))
    for logged, event in TapeReader(Path(tape)).logged_events():
        renderer.feed(event, logged)
    renderer.finish()
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - began,
                "cpu": time.process_time() - used,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
