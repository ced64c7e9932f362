"""Whether an executable is a Chromium that runs: what it prints for ``--version``, and its last words if it does not."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import tempfile
import time
from typing import IO, Final

from worker.safe_text import printable, redact

PROBE_TIMEOUT: Final = 30.0
"""Seconds for ``--version``; a Chromium that has to be read from a slow disk needs some of them."""

TRIES: Final = 3
PAUSE: Final = 0.5
"""Seconds between two tries."""

_LASTING: Final = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
"""What another try would not change. A machine that is short of something may refuse a process once: EAGAIN, ENOMEM, EFAULT."""

_LENGTH: Final = 160
_READ: Final = 4096
"""Bytes of the end of what it printed that are looked at."""

_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")


def why_not_running(executable: str) -> str | None:
    """Why ``executable`` is no Chromium that runs, with its last words, in one line; None if it is one. Blocks."""
    # Into a file: a pipe may be kept open by what a script has started.
    with tempfile.TemporaryFile() as printed:
        try:
            process = _start(executable, printed)
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or type(error).__name__
        try:
            code = process.wait(PROBE_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"does not end within {PROBE_TIMEOUT:g} s: {last_words(_end(printed))}"
        text = _end(printed)
    if code != 0:
        return f"exit code {code}: {last_words(text)}"
    return None if _VERSION.search(text) else f"has no version: {last_words(text)}"


def _start(executable: str, printed: IO[bytes]) -> subprocess.Popen[bytes]:
    """Raises OSError, ValueError."""
    tries = 0
    while True:
        tries += 1
        try:
            return subprocess.Popen(
                [executable, "--version"],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            if error.errno in _LASTING or tries == TRIES:
                raise
        time.sleep(PAUSE)


def last_words(text: str) -> str:
    """The last line of ``text``, safe to show."""
    lines = [line for line in text.splitlines() if line.strip()]
    return printable(redact(lines[-1]), _LENGTH) if lines else "it printed nothing"


def _end(printed: IO[bytes]) -> str:
    printed.seek(max(0, printed.seek(0, os.SEEK_END) - _READ))
    return printed.read().decode("utf-8", "replace")
