"""The command ``meetstems record``: records a call and reports on the terminal."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path
from typing import Final

from rich.console import Console

from worker.browser.storage_state import check_storage_state
from worker.cli.console import open_console, open_display, print_error
from worker.cli.display import clock
from worker.cli.summary import print_summary
from worker.contracts.vendor_words import words
from worker.errors import MeetstemsError
from worker.lifecycle.leave_policy import LeavePolicy
from worker.platforms.links import parse_link
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.session import record
from worker.rendering.output import TAPE_FOLDER
from worker.rendering.renderer import Renderer
from worker.settings import BrowserSettings
from worker.states import State

NOT_ADMITTED: Final = 3
"""Exit code: the bot was not admitted, so nothing was recorded."""

FAILURE_FOLDER: Final = "failure"
"""The folder beside the tape for a snapshot of the page, if the bot was not admitted or something failed."""


def record_command(
    url: str,
    output: Path,
    bot_name: str,
    policy: LeavePolicy,
    announcement: str | None,
    *,
    separate_video: bool = False,
) -> int:
    """Records the call behind ``url``, with ``separate_video`` cameras and screen shares, too; returns the exit code.

    Raises MeetstemsError.
    """
    request = RecordingRequest(
        bot_id=str(uuid.uuid4()),
        link=parse_link(url),
        output=output,
        bot_name=bot_name,
        policy=policy,
        announcement=announcement,
        failure=output / FAILURE_FOLDER,
        separate_video=separate_video,
    )
    settings = BrowserSettings.from_environment(os.environ)
    check_storage_state(settings.storage_state, time.time())
    return asyncio.run(record_and_report(request, settings))


async def record_and_report(request: RecordingRequest, settings: BrowserSettings) -> int:
    """Records with progress and a summary on standard output; returns the exit code. Raises MeetstemsError."""
    console = open_console()
    display = open_display(console, request.link.shown)
    try:
        outcome = await record(
            request,
            settings,
            display,
            lambda platform: Renderer(request.output, platform),
        )
    finally:
        display.close()
    return _report(console, request, outcome)


def _report(console: Console, request: RecordingRequest, outcome: RecordingOutcome) -> int:
    reason, detail = outcome.ending.reason, outcome.ending.detail
    why = f"{reason}: {detail}" if detail else reason.value
    if outcome.manifest is not None:
        print_summary(console, outcome.manifest, request.output, _notes(outcome))
    if outcome.error is not None:
        advice = f"meetstems replay {request.output / TAPE_FOLDER} can make the files from the tape"
        raise MeetstemsError(f"{outcome.error}; {advice}")
    if outcome.manifest is None:
        message = words(State.FATAL, reason, request.link.platform).message
        print_error(f"not recorded: {message} ({why})")
        return MeetstemsError.exit_code if outcome.failed else NOT_ADMITTED
    if outcome.failed:
        length = clock(outcome.manifest.recording.duration_seconds)
        raise MeetstemsError(f"{why}; the files are complete up to {length}")
    return 0


def _notes(outcome: RecordingOutcome) -> list[tuple[str, str]]:
    notes = [
        ("lobby to first packet", _seconds(outcome.first_packet_after)),
        ("end to files closed", _seconds(outcome.files_closed_after)),
    ]
    if outcome.cost is not None:
        notes += [
            ("CPU, worker and driver", f"{outcome.cost.worker:.3f} core"),
            ("CPU, Chromium", f"{outcome.cost.chromium:.3f} core"),
        ]
    return notes


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"
