"""The request for a recording, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from worker.browser.injected_scripts import TapLimits
from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import STANDALONE, LeavePolicy
from worker.manifest.schema import Announcement, Manifest
from worker.platforms.links import Link
from worker.recording.controls import Controls


class RecordingRequest(NamedTuple):
    """What to record, and where to.

    ``output`` is the folder of the tape and the files. ``policy`` says when to leave; ``announcement`` is written into the
    chat, None: nothing. ``failure`` is the folder for a snapshot of the page if the bot is not admitted or something fails,
    None: no snapshot. ``comes_back``: another attempt follows if this one ends with a fault. ``controls``: what the bot is told
    meanwhile, None: nothing. ``limits`` are those of what the page buffers, None: of a recording that nobody hears while it
    runs. ``separate_video``: cameras and screen shares are recorded, too.
    """

    bot_id: str
    link: Link
    output: Path
    bot_name: str
    policy: LeavePolicy = STANDALONE
    announcement: str | None = None
    failure: Path | None = None
    comes_back: bool = False
    controls: Controls | None = None
    limits: TapLimits | None = None
    separate_video: bool = False


class Cost(NamedTuple):
    """Cores in use on average: ``worker`` is this process with Playwright's driver, ``chromium`` all of Chromium's."""

    worker: float
    chromium: float


@dataclass(frozen=True)
class RecordingOutcome:
    """How a recording ended.

    ``admitted``: the bot was in the call. ``manifest`` is None if nothing was recorded, or if rendering failed; ``error`` says
    why the tape or the files could not be written. ``first_packet_after`` is from the end of the waiting room to the first
    packet on the tape, ``files_closed_after`` from the end of the meeting to the last file closed, both in seconds.
    ``announcement`` says whether the call was told, None: there was nothing to tell.
    """

    ending: Ending
    admitted: bool
    manifest: Manifest | None
    error: Exception | None
    first_packet_after: float | None
    files_closed_after: float | None
    cost: Cost | None
    announcement: Announcement | None = None

    @property
    def failed(self) -> bool:
        """Whether something failed. A bot that people did not admit, or did not let record, has not failed."""
        return self.error is not None or self.ending.reason.is_cut_off
