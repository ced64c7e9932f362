"""Transcodes a finished video file to H264 in MP4, in a process of the lowest priority."""

from __future__ import annotations

from pathlib import Path

from worker.errors import MeetstemsError


class TranscodeError(MeetstemsError):
    """A video file could not be transcoded; the original is untouched, and nothing is left at the target."""


async def transcode(source: Path, target: Path) -> None:
    """Writes ``target``, H264 in MP4, from the video of ``source``, with the same frame times; a changed size is scaled to fit
    the largest one. Takes about as long as the video at 360p on one processor. Cancelling ends the process. Raises TranscodeError.
    """
    raise NotImplementedError
