"""The command ``meetstems replay``: renders a tape again and reports on the terminal."""

from __future__ import annotations

import time
from pathlib import Path

from worker.cli.console import open_console, print_error
from worker.cli.summary import print_summary
from worker.platforms.registry import Platform
from worker.rendering.parallel_mixer import parallel_mixes
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError, incomplete_output, replay


def replay_command(tape: Path, output: Path, platform: Platform | None) -> int:
    """Renders the files of ``tape`` again; returns the exit code. Raises MeetstemsError, also where some files are incomplete.

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
    if replayed.manifest.recording.incomplete_files:
        files = ", ".join(replayed.manifest.recording.incomplete_files)
        raise RenderingError(f"output {output}: lacks files, or parts of them: {files}")
    return 0
