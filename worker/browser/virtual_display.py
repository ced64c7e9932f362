"""A virtual screen, run by Xvfb for as long as a headed Chromium needs it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, Final

from worker.errors import MeetstemsError

SCREEN: Final = "1280x1024x24"
"""Pixels and bits per pixel."""

START_TIMEOUT: Final = 20.0
"""Seconds for Xvfb to report its display."""

STOP_TIMEOUT: Final = 5.0
"""Seconds for Xvfb to end after SIGTERM."""


class DisplayError(MeetstemsError):
    """There is no screen for a headed Chromium; the message says what to do."""


@asynccontextmanager
async def virtual_display() -> AsyncIterator[str]:
    """Runs Xvfb for as long as the block lasts; yields its display, such as ``:1``. Raises DisplayError.

    If this process is killed, Xvfb ends together with Chromium (-terminate: with its last client).
    """
    executable = shutil.which("Xvfb")
    if executable is None:
        raise DisplayError(
            "no Xvfb, which a headed Chromium needs where DISPLAY is not set: install it (apt install xvfb)"
        )
    with TemporaryFile() as log:
        reading, writing = os.pipe()
        try:
            process = await _start(executable, writing, log)
        except OSError as error:
            os.close(reading)
            raise DisplayError(f"{executable} cannot be run: {error.strerror}") from error
        finally:
            os.close(writing)
        try:
            yield await _display(executable, reading, log)
        finally:
            await _stop(process)


async def _start(executable: str, writing: int, log: IO[bytes]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        executable,
        *("-displayfd", str(writing)),
        *("-screen", "0", SCREEN),
        *("-nolisten", "tcp"),
        "-terminate",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[writing],
        # Ctrl-C must not reach Xvfb: the worker still needs the screen to leave the call.
        start_new_session=True,
    )


async def _display(executable: str, reading: int, log: IO[bytes]) -> str:
    """Xvfb writes the number of its display once it accepts clients (Xserver(1), -displayfd)."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    try:
        async with asyncio.timeout(START_TIMEOUT):
            number = (await reader.readline()).decode("ascii", "replace").strip()
    except TimeoutError:
        number = ""
    finally:
        transport.close()
    if not number.isdecimal():
        raise DisplayError(f"{executable} did not start: {_last_line(log)}")
    return f":{number}"


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
