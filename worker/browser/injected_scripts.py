"""Joins the files of ``browser_scripts`` into the script that runs in a page before the page's own."""

from __future__ import annotations

from importlib import resources
from typing import Final

import msgspec

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

START_FILE: Final = "start.js"

WORKER_FILES: Final = ("frame_batch.js", "tap_worker.js")


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


def limits_for(batch_milliseconds: int) -> TapLimits:
    """Limits with other batches, of which as many seconds may be in flight. On a busy machine an answer may take seconds; what
    may not leave the page before it comes would fall behind for good.
    """
    usual = TapLimits()
    in_flight = usual.batches_in_flight * usual.batch_milliseconds // batch_milliseconds
    return TapLimits(batch_milliseconds=batch_milliseconds, batches_in_flight=in_flight)


LIVE_LIMITS: Final = limits_for(40)
"""For a recording whose frames are heard while it runs; each call of a binding costs the driver about as much as ten frames."""


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    binding: str
    direct_binding: str
    flush: str
    worker_source: str
    limits: TapLimits


def page_script(
    binding: str, direct_binding: str, flush: str, platform_files: tuple[str, ...], limits: TapLimits
) -> str:
    """The init script of every document, with ``platform_files`` of browser_scripts among its files.

    Its names stay inside a function, invisible to the page.
    """
    worker_source = _wrap(f"const LIMITS = {_json(limits)};", WORKER_FILES)
    config = _Config(binding, direct_binding, flush, worker_source, limits)
    return _wrap(f"const CONFIG = {_json(config)};", (*PAGE_FILES, *platform_files, START_FILE))


def _wrap(preamble: str, names: tuple[str, ...]) -> str:
    folder = resources.files("browser_scripts")
    sources = [folder.joinpath(name).read_text("utf-8") for name in names]
    return "\n".join(["(() => {", '"use strict";', preamble, *sources, "})();"])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
