"""``meetstems serve --local`` in another process, whose bots never begin: there is no Chromium for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.first_line import first_line
from tests.support.record_process import ROOT

ENDED = 60.0
"""Seconds that a server has to end."""


class LocalServer:
    """``url`` and ``key`` are those that it prints. It ends with the block, and with an error at its start.

    ``module`` is what is run in place of the command line, with the same arguments.
    """

    def __init__(self, folder: Path, *arguments: str, module: str = "worker.cli") -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", module, "serve", "--local"),
                *("--data", str(folder), "--port", "0", *arguments),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "MEETSTEMS_CHROMIUM": "/nowhere", "MEETSTEMS_PREFLIGHT_SECONDS": "0"},
        )
        try:
            self.url = first_line(self.process).removeprefix("serving on ").strip()
            self.key = (folder / "key").read_text().strip()
        except BaseException:
            self.close()
            raise

    def stop(self) -> int:
        """Tells it to end, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDED)

    def close(self) -> None:
        """Kills it, if it has not ended."""
        self.process.kill()
        self.process.wait(ENDED)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
