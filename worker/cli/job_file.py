"""Reads a job from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from worker.errors import InputError

STANDARD_INPUT: Final = "-"


def read_job(job: str) -> bytes:
    """The bytes of the file ``job``, or of standard input for ``-``. Raises InputError."""
    if job == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(job).read_bytes()
    except OSError as error:
        raise InputError(f"job {job}: cannot be read: {error.strerror}") from error
