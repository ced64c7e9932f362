"""Uploads an attempt's video files, after everything else: a video that cannot be kept costs no audio."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.jobs.publish import VIDEO_TYPES
from worker.manifest.merge import RecordedAttempt
from worker.manifest.merge_videos import only_videos
from worker.manifest.schema import Manifest

logger = logging.getLogger(__name__)

PATIENCE_AFTER_LOSS: Final = 30.0
"""Seconds for which a refused upload is tried again once another video could not be uploaded in all its time."""

_AT_ONCE: Final = 2
"""Parallel uploads: videos are large, and go in parts of which several are under way."""

Done = Callable[[int], None]
"""Called with the size in bytes of each file that was uploaded, from any thread."""


def publish_videos(
    store: ObjectStore, keys: AttemptKeys, output: Path, manifest: Manifest, *, done: Done | None = None
) -> None:
    """Uploads the videos that ``manifest`` names, relative to ``output``. One that cannot be uploaded is logged and left out.

    Blocks. Raises LeaseLostError.
    """
    upload = _Upload(store, keys, output, done)
    with ThreadPoolExecutor(_AT_ONCE, "upload-video") as pool:
        list(pool.map(upload.put, [segment.url for _, segment in manifest.video_segments()]))


def with_stored_videos(
    recorded: Iterable[RecordedAttempt], stored: Callable[[int], frozenset[str]]
) -> tuple[list[RecordedAttempt], list[str]]:
    """The attempts without the videos that are not in the store, and a warning for each participant who lacks some.

    ``stored`` returns the files of the attempt with this number, relative to its manifest.
    """
    kept, missing = [], dict[str, int]()
    for attempt in recorded:
        if not any(attempt.manifest.video_segments()):
            kept.append(attempt)
            continue
        there = stored(attempt.attempt)
        kept.append(attempt._replace(manifest=only_videos(attempt.manifest, there)))
        for stream, segment in attempt.manifest.video_segments():
            if segment.url not in there:
                what = f"the {stream.kind} of {stream.participant_name}"
                missing[what] = missing.get(what, 0) + 1
    return kept, [
        f"{count} video file{'s' if count > 1 else ''} of {what} could not be kept."
        for what, count in missing.items()
    ]


class _Upload:
    """The uploads of one attempt. Once one was lost, the others are not waited for as long. Thread-safe."""

    def __init__(self, store: ObjectStore, keys: AttemptKeys, output: Path, done: Done | None) -> None:
        self._store = store
        self._keys = keys
        self._output = output
        self._done = done
        self._lost = threading.Event()

    def put(self, url: str) -> None:
        store = self._store.within(PATIENCE_AFTER_LOSS) if self._lost.is_set() else self._store
        key, path = self._keys.file(url), self._output / url
        kind = VIDEO_TYPES.get(PurePosixPath(url).suffix, "application/octet-stream")
        try:
            store.put(key, path, content_type=kind, if_absent=True)
        except PreconditionFailedError:
            # An earlier upload; it was rendered from the same tape.
            logger.info("%s is already there", key)
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is costs this video alone
            self._lost.set()
            logger.error("%s is not uploaded: %s", key, error)
        else:
            if self._done is not None:
                self._done(path.stat().st_size)
