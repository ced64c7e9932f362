"""The command ``meetstems replay``: renders a tape again and reports on the terminal."""

from __future__ import annotations

import time
from pathlib import Path

from worker.cli.console import open_console, print_error
from worker.cli.summary import print_summary
from worker.platforms.registry import Platform
from worker.rendering.parallel_mixer import parallel_mixes
from worker.rendering.renderer import Renderer
from worker.rendering.replay import incomplete_output, replay


def replay_command(tape: Path, output: Path, platform: Platform | None) -> int:
    """Renders the files of ``tape`` again; returns the exit code. Raises MeetstemsError, also where a speaker's file or the mix
    is incomplete. What is wrong with any other file is a warning of the summary, as in ``meetstems record``.

    ``platform`` is for a tape whose first part, which names it, is missing.
    """
    console = open_console()
    began = time.perf_counter()
    with parallel_mixes(tape) as open_mix:
        replayed = replay(tape, output, lambda known: Renderer(output, known, open_mix=open_mix), platform)
    took = time.perf_counter() - began
    for warning in replayed.warnings:
        print_error(f"tape {tape}: {warning}")
    factor = replayed.manifest.recording.duration_seconds / max(took, 1e-6)
    print_summary(
        console, replayed.manifest, output, [("replayed", f"in {took:.2f} s, {factor:,.0f} × real time")]
    )
    if replayed.failure is not None:
        raise incomplete_output(output, replayed.failure)
    return 0
