"""Makes other forms of recorded files while they are downloaded, each in a process of lower priority.

Nothing of them is stored: what a bot's deletion has to remove does not grow, and a server that is restarted has lost nothing. A
form's length is known from that of the recording, so that ranges of it can be asked for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

from worker.errors import MeetstemsError
from worker.server.byte_ranges import ByteRange

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 2
"""Conversions at the same time: each takes a whole processor."""

LONGEST_WAIT: Final = 20.0
"""Seconds that a download waits for another one to end."""

PATIENCE: Final = 30.0
"""Seconds that a client may take for one block, up to 256 KiB. A slower one would keep others from all conversions."""

NICENESS: Final = 10
"""So that requests, and bots on the same machine, come first."""

_BLOCK: Final = 256 * 1024


class ConversionBusyError(MeetstemsError):
    """Others are being converted, and went on for longer than LONGEST_WAIT."""


class ConversionError(MeetstemsError):
    """The file cannot be converted, or the store stopped to give it."""


class Conversions:
    """All conversions of this server. To be used in one event loop."""

    def __init__(
        self, most: int = MOST_AT_ONCE, longest_wait: float = LONGEST_WAIT, patience: float = PATIENCE
    ) -> None:
        self._free = asyncio.Semaphore(most)
        self._longest_wait = longest_wait
        self._patience = patience

    async def wait_for_room(self) -> None:
        """Waits until another conversion can begin. Raises ConversionBusyError."""
        try:
            async with asyncio.timeout(self._longest_wait), self._free:
                pass
        except TimeoutError as error:
            raise ConversionBusyError("other files are being converted at the moment") from error

    async def converted(
        self, form: str, samples: int, source: Iterator[bytes], part: ByteRange
    ) -> AsyncIterator[bytes]:
        """The bytes ``part`` of ``source`` in ``form`` (worker.audio.conversion).

        ``source`` are the blocks of a stem or a mix of ``samples`` at 48 kHz. Raises ConversionError, also if a block was not
        taken for ``patience`` seconds: the process is killed then, and another conversion can begin.
        """
        async with _Room(self._free) as room, _process(form, samples) as process:
            feeding = asyncio.create_task(_feed(process, source))
            try:
                async for block in _part_of(process, part):
                    # This generator is suspended while the client takes the block, so it cannot end by itself.
                    given_up = asyncio.get_running_loop().call_later(self._patience, _give_up, process, room)
                    try:
                        yield block
                    finally:
                        given_up.cancel()
            finally:
                feeding.cancel()
                with suppress(asyncio.CancelledError):
                    await feeding


class _Room:
    """One conversion of those that ``free`` counts; it is given back once."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._is_taken = False

    async def __aenter__(self) -> Self:
        await self._free.acquire()
        self._is_taken = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._free.release()


def _give_up(process: Process, room: _Room) -> None:
    logger.warning("a client does not take its file; the conversion is ended")
    with suppress(ProcessLookupError):
        process.kill()
    room.give_back()


@asynccontextmanager
async def _process(form: str, samples: int) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.audio.conversion", form, str(samples)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    try:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        # What is left in the pipe has to be read: asyncio counts a process with a paused pipe as running. A client that left
        # cancels every wait of its request, but not this one.
        await asyncio.shield(asyncio.ensure_future(process.communicate()))


async def _feed(process: Process, source: Iterator[bytes]) -> None:
    assert process.stdin is not None
    try:
        while (block := await asyncio.to_thread(next, source, None)) is not None:
            process.stdin.write(block)
            await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        # It has all that it needs, or has ended; what it wrote tells.
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for the rest
        logger.error("a file that is converted cannot be read: %s", error)
        process.kill()


async def _part_of(process: Process, part: ByteRange) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    skip, left = part
    while left > 0:
        block = await process.stdout.read(_BLOCK)
        if not block:
            raise ConversionError(f"a conversion ended {left} bytes too early")
        wanted = block[skip : skip + left]
        skip = max(0, skip - len(block))
        left -= len(wanted)
        if wanted:
            yield wanted
