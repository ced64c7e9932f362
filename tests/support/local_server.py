"""``meetstems serve --local`` in another process, whose bots never begin: there is no Chromium for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType

from tests.support.record_process import ROOT

STARTED = 90.0
"""Seconds that a server has to begin, on a machine that does much else."""
ENDED = 60.0


class LocalServer:
    """``url`` and ``key`` are those that it prints."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker.cli", "serve", "--local", "--data", str(folder), "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "MEETSTEMS_CHROMIUM": "/nowhere", "MEETSTEMS_PREFLIGHT_SECONDS": "0"},
        )
        lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()
        try:
            self.url = lines.get(timeout=STARTED).removeprefix("serving on ").strip()
        except Empty:
            self.close()
            raise
        self.key = (folder / "key").read_text().strip()

    def _read(self, lines: Queue[str]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            lines.put(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(ENDED)
        self._reader.join(ENDED)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
