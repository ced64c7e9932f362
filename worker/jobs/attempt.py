"""One attempt: a number, a folder, a tape that goes to the store while it grows, and what came of it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.object_store import ObjectStore
from worker.delivery.tape_upload import TapeUpload
from worker.errors import MeetstemsError
from worker.lifecycle.ending import Ending
from worker.manifest.schema import Manifest
from worker.monitoring.logs import LogTail
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.session import attend
from worker.rendering.deferred import NothingRecordedError, OpenRenderer
from worker.rendering.output import TAPE_FOLDER
from worker.rendering.progress import Progress
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError, replay
from worker.settings import BrowserSettings
from worker.states import State
from worker.tape.events import TapeEvent
from worker.tape.parts import PART_PATTERN

logger = logging.getLogger(__name__)

PROGRESS_INTERVAL: Final = 1.0
"""Seconds between two readings of the progress."""

Announce = Callable[[State, Reason | None], None]
"""Takes the state that the bot entered, and why it leaves, from leaving on."""


@dataclass
class Attempt:
    """What an attempt left. ``files`` is the folder of the finished files; ``manifest`` is None without them.

    ``tape`` is the tape's folder, ``failure`` that of what was to be seen of a failure, if there was one; ``log`` goes with it.
    """

    number: int
    keys: AttemptKeys
    tape: Path
    failure: Path
    log: LogTail
    upload: TapeUpload
    outcome: RecordingOutcome
    manifest: Manifest | None
    files: Path
    closed: set[Path] = field(default_factory=set)

    def hand_in_the_rest(self) -> None:
        """Also what a failed tape left behind torn goes to the store."""
        for path in sorted(self.tape.glob(PART_PATTERN)):
            if path not in self.closed:
                self.closed.add(path)
                self.upload.part_closed(path)


class _AttemptObserver(RecordingObserver):
    """Forwards states to the reporter, progress and events to the metrics, and closed parts of the tape to the upload."""

    interval = PROGRESS_INTERVAL

    def __init__(self, announce: Announce, metrics: Metrics, upload: TapeUpload, closed: set[Path]) -> None:
        self._announce = announce
        self._metrics = metrics
        self._upload = upload
        self._closed = closed

    def state(self, state: State, reason: Reason | None = None) -> None:
        self._announce(state, reason)

    def update(self, progress: Progress) -> None:
        self._metrics.capture.set_progress(progress)

    def event(self, event: TapeEvent) -> None:
        self._metrics.observe(event)

    def part_closed(self, path: Path) -> None:
        self._closed.add(path)
        self._metrics.delivery.part_closed(path.stat().st_size)
        self._upload.part_closed(path)


async def run_attempt(
    number: int,
    keys: AttemptKeys,
    request: RecordingRequest,
    browser_settings: BrowserSettings,
    store: ObjectStore,
    metrics: Metrics,
    log: LogTail,
    announce: Announce,
    stopped: asyncio.Future[Ending],
    started: Callable[[TapeUpload], None],
) -> Attempt:
    """Joins, records into ``request.output``, and makes the files. ``started`` is told of the upload, which the caller closes.

    Raises what attend() raises.
    """
    folder = request.output
    failure = folder.with_name("failure")
    closed: set[Path] = set()
    upload = TapeUpload(store, keys)
    started(upload)
    observer = _AttemptObserver(announce, metrics, upload, closed)
    outcome = await attend(
        request._replace(failure=failure),
        browser_settings,
        observer,
        lambda platform: Renderer(folder, platform),
        stopped,
    )
    manifest, files = outcome.manifest, folder
    if manifest is None and outcome.error is not None:
        files = folder.with_name("files")
        manifest = await asyncio.to_thread(_second_try, folder, files)
    attempt = Attempt(
        number, keys, folder / TAPE_FOLDER, failure, log, upload, outcome, manifest, files, closed
    )
    attempt.hand_in_the_rest()
    return attempt


def _second_try(folder: Path, files: Path) -> Manifest | None:
    """Makes the files from the tape where they could not be written, if need be without the mix, which needs the most room."""
    for path in folder.iterdir():
        if path.name != TAPE_FOLDER:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for mix in (True, False):
        shutil.rmtree(files, ignore_errors=True)
        try:
            return replay(folder / TAPE_FOLDER, files, _renderer(files, mix)).manifest
        except NothingRecordedError:
            return None
        except (RenderingError, MeetstemsError, OSError) as error:
            logger.warning("the files cannot be made %s: %s", "yet" if mix else "here", error)
    return None


def _renderer(files: Path, mix: bool) -> OpenRenderer:
    return lambda platform: Renderer(files, platform, mix=mix)
