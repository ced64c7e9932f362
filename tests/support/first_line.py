"""The first line that another process prints, such as the address of a server; no longer waited for than it has to begin."""

from __future__ import annotations

import os
import subprocess
import time
from select import select
from typing import Final

STARTED: Final = 90.0
"""Seconds that a server has to begin, on a machine that does much else."""


def first_line(process: subprocess.Popen[str], seconds: float = STARTED) -> str:
    """The line, without its end. What follows it at once is lost.

    Kills the process, and raises AssertionError, where it ends before, or prints no whole line within ``seconds``.
    """
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    deadline = time.monotonic() + seconds
    printed = b""
    while b"\n" not in printed:
        ready, _, _ = select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(pipe, 4096) if ready else b""
        if not data:
            process.kill()
            process.wait()
            why = "it ended" if ready else f"no whole line in {seconds:g} s"
            raise AssertionError(f"the process did not begin: {why}; it printed {printed!r}")
        printed += data
    return printed.split(b"\n")[0].decode()
