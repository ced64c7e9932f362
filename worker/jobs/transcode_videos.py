"""Transcodes an attempt's video files to H.264 in MP4 where they are something else (MEETSTEMS_VIDEO=mp4)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from worker.manifest.merge_videos import replaced_videos
from worker.manifest.schema import Manifest, VideoSegment

logger = logging.getLogger(__name__)

Transcode = Callable[[Path, Path], Awaitable[None]]
"""Takes the file and the one to write; worker.video.transcoding.transcode."""

STOP_PERIOD: Final = 0.5
"""Seconds between two looks whether there is still time."""

LIMIT_OF_EACH: Final = 600.0
"""Seconds that a file's transcoding may take, and LIMIT_PER_SECOND more for each second of the file."""

LIMIT_PER_SECOND: Final = 4.0
"""Measured are 0.14 s of processor time at most for a second of 360p, at the lowest priority beside other bots."""

_CODEC: Final = "h264"
_ENDING: Final = ".mp4"
_MADE: Final = ".h264.mp4"
"""The ending of transcoded files. Other than any original's: a file in the store is the one that its manifest describes."""


async def transcode_videos(
    manifest: Manifest, output: Path, transcode: Transcode, out_of_time: threading.Event
) -> Manifest:
    """Transcodes the videos that ``manifest`` names, relative to ``output``, one after the other, and returns the manifest with
    the new files.

    The file that one was made of is removed. One that cannot be transcoded stays, with a warning in the log and in the
    manifest, as does one that takes longer than its limit, and what is left once ``out_of_time`` is set. Nothing is raised
    for a file.
    """
    replaced: dict[str, VideoSegment] = {}
    failed = 0
    for _, segment in manifest.video_segments():
        if _is_wanted(segment):
            continue
        if (made := await _transcoded(segment, output, transcode, out_of_time)) is None:
            failed += 1
        else:
            replaced[segment.url] = made
    if failed:
        files = "A video file" if failed == 1 else f"{failed} video files"
        warning = f"{files} could not be transcoded to MP4: as sent."
        recording = manifest.recording
        # An earlier worker may have failed at it, too.
        warnings = list(dict.fromkeys([*recording.warnings, warning]))
        recording = msgspec.structs.replace(recording, warnings=warnings)
        manifest = msgspec.structs.replace(manifest, recording=recording)
    return replaced_videos(manifest, replaced) if replaced else manifest


def _is_wanted(segment: VideoSegment) -> bool:
    return segment.codec == _CODEC and PurePosixPath(segment.url).suffix == _ENDING


async def _transcoded(
    segment: VideoSegment, output: Path, transcode: Transcode, out_of_time: threading.Event
) -> VideoSegment | None:
    """The segment in the place of ``segment``; None, with a warning in the log, where there is none."""
    if out_of_time.is_set():
        return None
    url = str(PurePosixPath(segment.url).with_suffix(_MADE))
    source, target = output / segment.url, output / url
    unfinished = target.with_name(f"{target.stem}.transcoded{_ENDING}")
    try:
        limit = LIMIT_OF_EACH + LIMIT_PER_SECOND * segment.duration_seconds
        await _within(limit, transcode(source, unfinished), out_of_time)
        size = unfinished.stat().st_size
        unfinished.replace(target)
        source.unlink()
    except Exception as error:  # noqa: BLE001 - whatever it is, the file stays as it was sent
        logger.warning("%s is not transcoded: %s", segment.url, error)
        unfinished.unlink(missing_ok=True)
        return None
    filename = str(PurePosixPath(segment.filename).with_suffix(_MADE))
    return msgspec.structs.replace(segment, url=url, filename=filename, codec=_CODEC, size_bytes=size)


async def _within(seconds: float, transcoding: Awaitable[None], out_of_time: threading.Event) -> None:
    """Waits for ``transcoding``; cancels it and raises TimeoutError after ``seconds``, or once ``out_of_time`` is set."""
    task = asyncio.ensure_future(transcoding)
    try:
        async with asyncio.timeout(seconds):
            while not (await asyncio.wait([task], timeout=STOP_PERIOD))[0]:
                if out_of_time.is_set():
                    raise TimeoutError("there is no time left")
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"it takes longer than {seconds:.0f} s") from error
    else:
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
