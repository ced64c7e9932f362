"""Transcodes a finished video file to H264 in MP4, in a process of the lowest priority."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final

from worker.errors import MeetstemsError, cause
from worker.video import transcoding_process

LONGEST_REASON: Final = 1_000
"""Bytes of a process's answer that are read."""


class TranscodeError(MeetstemsError):
    """A video file could not be transcoded; the original is untouched, and nothing is left at the target."""


async def transcode(source: Path, target: Path) -> None:
    """Writes ``target``, H264 in MP4, from the video of ``source``, with the same frame times and end.

    A file whose size changes becomes one of the largest width and height, to which smaller frames are scaled. ``target``
    replaces a file of that name once all of it is written. Memory is bounded. Cancelling ends the process.

    Raises TranscodeError.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", transcoding_process.__name__),
            *(str(source), str(partial)),
            stdin=PIPE,
            stdout=PIPE,
            # Ctrl-C must reach the worker only, which decides when this process ends.
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            # Standard input stays open while this worker waits for the answer.
            answer = await process.stdout.read(LONGEST_REASON)
            exit_code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
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
