"""``meetstems serve --local`` in another process."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from fixtures.replica.server import Replica
from tests.support.record_process import ROOT, settings_for

TO_END = 40.0
"""Seconds that a server has to end in, with its bots; then all are killed."""


class Server:
    """``meetstems serve --local``, and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, printed: list[str], folder: Path) -> None:
        self.process = process
        self.url = printed[0].removeprefix("serving on ")
        self.printed = printed
        self.folder = folder

    @classmethod
    def running(
        cls, replica: Replica, folder: Path, **environment: str
    ) -> AbstractAsyncContextManager[Server]:
        """One whose bots find the replica."""
        command = [
            sys.executable,
            "-m",
            "worker.cli",
            "serve",
            "--local",
            "--data",
            str(folder),
            "--port",
            "0",
        ]
        arguments = shlex.join(settings_for(replica).chromium_args)
        return cls._running(command, folder, {**environment, "MEETSTEMS_CHROMIUM_ARGS": arguments})

    @classmethod
    def with_demo(cls, folder: Path, scenario: Path) -> AbstractAsyncContextManager[Server]:
        """As ``make serve`` starts it, with another demo meeting."""
        return cls._running([str(ROOT / "scripts" / "serve"), str(folder), "0", str(scenario)], folder, {})

    @classmethod
    @asynccontextmanager
    async def _running(
        cls, command: list[str], folder: Path, environment: dict[str, str]
    ) -> AsyncIterator[Server]:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={
                **os.environ,
                **environment,
                "MEETSTEMS_LEASE_SECONDS": "2",
                "MEETSTEMS_VISIBILITY_SECONDS": "3",
            },
        )
        try:
            async with asyncio.timeout(60):
                printed = await _printed(process)
            yield cls(process, printed, folder)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), TO_END)
                except TimeoutError:
                    await _kill_all(process)

    def client(self) -> httpx.AsyncClient:
        key = (self.folder / "key").read_text().strip()
        return httpx.AsyncClient(base_url=self.url, headers={"authorization": key}, timeout=30)

    async def kill_all(self) -> None:
        """SIGKILL of the server and of all that it started."""
        await _kill_all(self.process)


async def _kill_all(process: asyncio.subprocess.Process) -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    process.kill()
    await process.wait()


async def _printed(process: asyncio.subprocess.Process) -> list[str]:
    """The lines until the last one of what a server prints at its start."""
    assert process.stdout is not None
    printed: list[str] = []
    while not printed or "/docs lists what is served" not in printed[-1]:
        line = await process.stdout.readline()
        assert line, f"the server ended: {printed}"
        printed.append(line.decode().rstrip())
    return printed


async def until(
    client: httpx.AsyncClient, path: str, wanted: Callable[[httpx.Response], bool], seconds: float = 90
) -> Any:
    """The answer at ``path`` once it is ``wanted``."""
    async with asyncio.timeout(seconds):
        while not wanted(answer := await client.get(path)):  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.2)
    return answer.json()


def stems_in(folder: Path) -> set[bytes]:
    """The speakers' files of all attempts."""
    return {path.read_bytes() for path in folder.rglob("*.webm")}


async def until_tape(folder: Path, parts: int = 1) -> None:
    """Waits until ``parts`` parts of the tape are in the store."""
    async with asyncio.timeout(60):
        while len(await asyncio.to_thread(lambda: list(folder.rglob("part-*.mcap")))) < parts:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
