"""Finds the real encoder's process, to hold it while something else is tested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil

from worker.video import transcoding_process


@asynccontextmanager
async def suspended_encoder() -> AsyncIterator[psutil.Process]:
    """The process that transcodes, of this process or one of its children, suspended: within the block only SIGKILL ends it."""
    encoder = await _encoder()
    try:
        yield encoder
    finally:
        with suppress(psutil.NoSuchProcess):
            encoder.kill()


async def _encoder() -> psutil.Process:
    worker = psutil.Process()
    async with asyncio.timeout(30):
        while True:
            for process in worker.children(recursive=True):
                try:
                    if transcoding_process.__name__ in process.cmdline():
                        process.suspend()
                        return process
                except psutil.NoSuchProcess:
                    continue
            await asyncio.sleep(0.005)
