"""Joins the files of ``browser_scripts`` into the script that runs in a page before the page's own."""

from __future__ import annotations

from importlib import resources
from typing import Final

import msgspec

from worker.tape.codec import MOST_VIDEO_BYTES
from worker.tape.events import LONGEST_BATCH

PAGE_FILES: Final = (
    "builtins.js",
    "hooks.js",
    "worker_link.js",
    "heartbeat.js",
    "page_events.js",
    "tap.js",
    "watchdog.js",
    "connections.js",
    "data_channels.js",
    "roster_requests.js",
    "platform_parts.js",
)
"""In this order: a file uses what the files before it define. A platform's own files follow, then START_FILE."""

VIDEO_PAGE_FILE: Final = "video_tracks.js"
"""Comes after PAGE_FILES where video is asked for."""

START_FILE: Final = "start.js"

WORKER_FILES: Final = (
    "message_pack.js",
    "frame_batch.js",
    "batch_queue.js",
    "frame_copy.js",
    "tap_worker.js",
)
"""The Web Worker's, in the same order."""

VIDEO_WORKER_FILES: Final = ("video_batch.js", "video_tap.js")
"""Come before the last of WORKER_FILES where video is asked for."""


class TapLimits(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits of what a document buffers.

    ``batch_milliseconds`` is the longest time that a frame or an event waits before it is sent, at most LONGEST_BATCH, with
    which the tape's consumers reckon. ``batches_in_flight`` is how many batches, of frames and of events each, the worker
    process may not have acknowledged yet. Further data waits, up to ``queued_frame_bytes`` (of base64) and
    ``queued_event_bytes`` (of JSON); more is dropped and counted. 8 MiB are about two minutes of three busy streams.
    """

    batch_milliseconds: int = round(1000 * LONGEST_BATCH)
    batches_in_flight: int = 20
    queued_frame_bytes: int = 8 * 1024 * 1024
    queued_event_bytes: int = 8 * 1024 * 1024


class VideoLimits(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits of the video that a document buffers, which never takes audio's room.

    The first three are those of TapLimits. A batch is sent once it has ``batch_bytes``, so that audio waits little behind it; a
    frame of more than ``frame_bytes`` is dropped. 32 MiB are half a minute of nine cameras of 360p.
    """

    batch_milliseconds: int = round(1000 * LONGEST_BATCH)
    batches_in_flight: int = 20
    queued_frame_bytes: int = 32 * 1024 * 1024
    batch_bytes: int = MOST_VIDEO_BYTES // 12
    frame_bytes: int = MOST_VIDEO_BYTES * 3 // 4


def limits_for(batch_milliseconds: int) -> TapLimits:
    """Limits with other batches, for a recording whose frames are heard while it runs; each call of a binding costs the driver
    about as much as ten frames. As many seconds may be in flight: on a busy machine an answer may take seconds; what
    may not leave the page before it comes would fall behind for good.
    """
    usual = TapLimits()
    in_flight = usual.batches_in_flight * usual.batch_milliseconds // batch_milliseconds
    return TapLimits(batch_milliseconds=batch_milliseconds, batches_in_flight=in_flight)


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    binding: str
    direct_binding: str
    flush: str
    key_frames: str
    worker_source: str
    video: VideoLimits | None
    limits: TapLimits


def page_script(
    binding: str,
    direct_binding: str,
    flush: str,
    key_frames: str,
    platform_files: tuple[str, ...],
    limits: TapLimits,
    video: VideoLimits | None = None,
) -> str:
    """The init script of every document, with ``platform_files`` of browser_scripts among its files. Without ``video``, it
    copies no video.

    Its names stay inside a function, invisible to the page.
    """
    *first, last = WORKER_FILES
    worker_files = (*first, *(VIDEO_WORKER_FILES if video else ()), last)
    worker_limits = f"const LIMITS = {_json(limits)}, VIDEO_LIMITS = {_json(video)};"
    worker_source = _wrap(worker_limits, worker_files)
    config = _Config(binding, direct_binding, flush, key_frames, worker_source, video, limits)
    video_files = (VIDEO_PAGE_FILE,) if video else ()
    return _wrap(f"const CONFIG = {_json(config)};", (*PAGE_FILES, *video_files, *platform_files, START_FILE))


def _wrap(preamble: str, names: tuple[str, ...]) -> str:
    folder = resources.files("browser_scripts")
    sources = [folder.joinpath(name).read_text("utf-8") for name in names]
    return "\n".join(["(() => {", '"use strict";', preamble, *sources, "})();"])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
