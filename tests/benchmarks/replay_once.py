"""Replays a tape: `python -m tests.benchmarks.replay_once TAPE OUTPUT stems|mix PROCESSORS`.

Prints one JSON object: seconds of wall time, of processor time of this process and of its children, and the largest resident
memory of this process and of the largest child, in bytes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from worker.rendering.deferred import DeferredRenderer
from worker.rendering.parallel_mixer import parallel_mixes
from worker.rendering.renderer import Renderer
from worker.tape.reader import TapeReader


def main(tape: str, output: str, what: str, processors: str) -> None:
    """Renders the tape with or without the mix."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(processors) :])
    began, used = time.perf_counter(), time.process_time()
    with parallel_mixes(Path(tape)) as open_mix:
        renderer = DeferredRenderer(
            lambda platform: Renderer(Path(output), platform, mix=what == "mix", open_mix=open_mix)
        )
        for logged, event in TapeReader(Path(tape)).logged_events():
            renderer.feed(event, logged)
        renderer.finish()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - began,
                "cpu": time.process_time() - used,
                "children_cpu": children.ru_utime + children.ru_stime,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "child_peak_bytes": children.ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
