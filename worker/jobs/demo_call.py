"""The demo meeting of a service of one machine: another process plays it for each bot that is sent there."""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from worker.errors import MeetstemsError
from worker.platforms.links import Link, parse_link
from worker.settings import BrowserSettings, DemoMeeting

logger = logging.getLogger(__name__)

START: Final = 30.0
"""Seconds that the meeting has to begin."""

END: Final = 5.0
"""Seconds that its process has to end."""


class DemoError(MeetstemsError):
    """The demo meeting did not begin."""


class _Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What the process prints once its meeting can be joined, in one line of JSON."""

    chromium_args: tuple[str, ...]


@asynccontextmanager
async def settings_for(
    link: Link, settings: BrowserSettings, demo: DemoMeeting | None
) -> AsyncIterator[BrowserSettings]:
    """The settings of a browser for the call at ``link``: if it is the one of ``demo``, that is played for the block, and these
    bring the browser there. Raises DemoError.
    """
    if demo is None or link.shown != parse_link(demo.link).shown:
        yield settings
        return
    # In its own process group it gets no Ctrl-C: it has to outlast the bot, and ends with its standard input.
    try:
        process = await asyncio.create_subprocess_exec(
            *demo.command, stdin=PIPE, stdout=PIPE, process_group=0
        )
    except (OSError, ValueError) as error:
        raise DemoError(f"the demo meeting did not begin: {error}") from error
    try:
        ready = await _ready(process)
        logger.info("the demo meeting begins")
        yield msgspec.structs.replace(settings, chromium_args=(*settings.chromium_args, *ready.chromium_args))
    finally:
        await _end(process)


async def _ready(process: Process) -> _Ready:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START)
        return msgspec.json.decode(line, type=_Ready)
    # ValueError: the line is too long for the stream's limit (64 KiB), or no JSON.
    except (TimeoutError, OSError, ValueError) as error:
        raise DemoError(f"the demo meeting did not begin: {error or f'no word in {START:g} s'}") from error


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
