"""Uploads what this worker's attempts made: speakers' files and manifests first, then the rest, the videos with the page that
shows them, and what shows a failure.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial

from worker.browser.page_snapshot import LOG_FILE
from worker.contracts.job import Job
from worker.contracts.status import OutcomeKind
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import ObjectStore
from worker.jobs.attempt import Attempt
from worker.jobs.left_out import LeftOut
from worker.jobs.publish import (
    CONTENT_TYPES,
    MEETING_PATIENCE,
    publish_audio,
    publish_manifest_again,
    publish_rest,
)
from worker.jobs.publish_page import publish_page
from worker.jobs.publish_videos import publish_videos
from worker.jobs.recovery import recorded_attempt
from worker.jobs.transcode_videos import Transcode, transcode_videos
from worker.manifest.merge import RecordedAttempt
from worker.monitoring.metrics import Metrics


class AttemptsPublisher:
    """Uploads the files of ``attempts``, all of one job. The methods raise what the store raises, and OSError."""

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        store: ObjectStore,
        metrics: Metrics,
        attempts: Sequence[Attempt],
        left_out: LeftOut,
    ) -> None:
        self._separate_audio = job.separate_audio
        self._separate_video = job.separate_video
        self._keys = keys
        self._store = store
        self._metrics = metrics
        self._attempts = attempts
        self._left_out = left_out

    async def publish_audio(self) -> list[RecordedAttempt]:
        """Uploads the speakers' files and the manifest of each attempt that recorded anything, and returns these attempts."""
        recorded = []
        for attempt in self._attempts:
            if attempt.manifest is not None:
                await self._publish(publish_audio, attempt)
                recorded.append(recorded_attempt(self._keys, attempt.number, attempt.manifest))
        return recorded

    async def publish_rest(self) -> None:
        """Uploads the mix of each attempt that has one, and the timeline of one without video."""
        for attempt in self._attempts:
            if attempt.manifest is not None:
                await self._publish(partial(publish_rest, manifest=attempt.manifest), attempt)

    async def publish_videos(
        self, transcode: Transcode | None, out_of_time: threading.Event
    ) -> list[RecordedAttempt]:
        """Uploads the videos of each attempt, if the job asks for them, with ``transcode`` as H.264 in MP4, and then its
        timeline; returns the attempts that recorded anything.

        ``out_of_time`` ends transcoding.
        """
        recorded = []
        for attempt in self._attempts if self._separate_video else ():
            manifest = attempt.manifest
            if manifest is None:
                continue
            if transcode is not None:
                manifest = await transcode_videos(manifest, attempt.files, transcode, out_of_time)
            await asyncio.to_thread(
                publish_videos,
                self._store,
                attempt.keys,
                attempt.files,
                manifest,
                done=self._metrics.delivery.uploaded,
            )
            if manifest is not attempt.manifest:
                await self._left_out.unless_it_fails(
                    f"The manifest of attempt {attempt.number} names its videos as they were sent",
                    asyncio.to_thread(
                        publish_manifest_again, self._store.within(MEETING_PATIENCE), attempt.keys, manifest
                    ),
                )
            await asyncio.to_thread(publish_page, self._store, attempt.keys, manifest)
            recorded.append(recorded_attempt(self._keys, attempt.number, manifest))
        return recorded

    async def publish_failures(self, kind: OutcomeKind) -> None:
        """Uploads snapshot and log of each attempt that failed, or of all attempts where the job's outcome ``kind`` is not
        ``recorded``."""
        for attempt in self._attempts:
            if kind is not OutcomeKind.RECORDED or attempt.outcome.failed:
                await self._left_out.unless_it_fails(
                    f"What shows the failure of attempt {attempt.number} is missing",
                    asyncio.to_thread(self._publish_failure, attempt),
                )

    async def _publish(self, publish: Callable[..., None], attempt: Attempt) -> None:
        await asyncio.to_thread(
            publish,
            self._store,
            attempt.keys,
            attempt.files,
            separate_audio=self._separate_audio,
            done=self._metrics.delivery.uploaded,
        )

    def _publish_failure(self, attempt: Attempt) -> None:
        attempt.failure.mkdir(parents=True, exist_ok=True)
        log = "".join(f"{line}\n" for line in attempt.log.lines())
        (attempt.failure / LOG_FILE).write_text(log or "(nothing was logged)\n", "utf-8")
        store = self._store.within(MEETING_PATIENCE)
        for path in sorted(attempt.failure.iterdir()):
            key = attempt.keys.failure_file(path.name)
            store.put(key, path, content_type=CONTENT_TYPES[path.suffix])
