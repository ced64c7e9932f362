"""Transcodes a finished video file to H264 in MP4, in a process of the lowest priority."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, Final

from worker.errors import MeetstemsError, cause
from worker.video import transcoding_process

LONGEST_REASON: Final = 1_000
"""Bytes of a process's answer that are read."""

ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LANG", "LD_LIBRARY_PATH")
"""Variables that the process gets. It decodes what strangers sent, so it gets no credentials."""


class TranscodeError(MeetstemsError):
    """A video file could not be transcoded; the original is untouched, and nothing is left at the target."""


async def transcode(source: Path, target: Path, *, stopped: asyncio.Future[Any] | None = None) -> None:
    """Writes ``target``, H264 in MP4, from the video of ``source``, with the same frame times and end.

    A file whose size changes becomes one of the largest width and height, to which smaller frames are scaled. ``target``
    replaces a file of that name once all of it is written. Memory is bounded. Cancelling ends the process, and so does
    ``stopped`` once it is done.

    Raises TranscodeError.
    """
    if stopped is not None and stopped.done():
        raise TranscodeError(f"{source.name}: the worker stops")
    partial = target.with_name(f".{target.name}.partial")
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", transcoding_process.__name__),
            *(str(source), str(partial)),
            stdin=PIPE,
            stdout=PIPE,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            # Ctrl-C must reach the worker only, which decides when this process ends.
            start_new_session=True,
        )
        answering = asyncio.create_task(_answer(process))
        try:
            await asyncio.wait(
                [answering, *([stopped] if stopped is not None else [])],
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not answering.done():
                raise TranscodeError(f"{source.name}: the worker stops")
            answer, exit_code = answering.result()
        finally:
            if process.returncode is None:
                process.kill()
            await asyncio.gather(answering, return_exceptions=True)
        if exit_code:
            reason = (
                answer.decode(errors="replace").strip() or f"the process ended with exit code {exit_code}"
            )
            raise TranscodeError(f"{source.name}: cannot be transcoded: {reason}")
        partial.replace(target)
    except OSError as error:
        raise TranscodeError(f"{source.name}: cannot be transcoded: {cause(error)}") from error
    finally:
        partial.unlink(missing_ok=True)


async def _answer(process: Process) -> tuple[bytes, int]:
    """What the process wrote, and its exit code. Its standard input stays open meanwhile."""
    assert process.stdout is not None
    answer = await process.stdout.read(LONGEST_REASON)
    return answer, await process.wait()
