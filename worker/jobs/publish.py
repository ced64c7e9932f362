"""Uploads a recording's finished files: first the speakers' files and the manifest, then the rest, then the videos."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.manifest.schema import Manifest, encode_manifest
from worker.rendering.output import (
    AUDIO_FILE,
    MANIFEST_FILE,
    MEETING_FILE,
    STREAMS_FOLDER,
    TIMELINE_FILE,
    VIDEO_FOLDER,
)

logger = logging.getLogger(__name__)

CONTENT_TYPES: Final = {
    ".webm": "audio/webm",
    ".wav": "audio/wav",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".mcap": "application/octet-stream",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}

VIDEO_TYPES: Final = {".mp4": "video/mp4", ".webm": "video/webm"}
"""Of the files in VIDEO_FOLDER."""

MEETING_PATIENCE: Final = 30.0
"""Seconds for which a refused request for a meeting.json or a timeline is tried again; what follows waits for it, and then goes
without it."""

_AT_ONCE: Final = 4
"""Parallel uploads."""

Done = Callable[[int], None]
"""Called with the size in bytes of each file that was uploaded, from any thread."""


def content_type_of(key: str) -> str:
    """The content type of a file of a recording, by its key."""
    path = PurePosixPath(key)
    known = VIDEO_TYPES if path.parent.name == VIDEO_FOLDER else CONTENT_TYPES
    return known.get(path.suffix, "application/octet-stream")


def publish_audio(
    store: ObjectStore, keys: AttemptKeys, output: Path, *, separate_audio: bool, done: Done | None = None
) -> None:
    """Uploads the speakers' files, if the job asks for them, and who was in the call, then the manifest: once it is there, all
    of them are, but for a meeting.json that could not be uploaded.

    Blocks; raises what the store raises, and OSError.
    """
    if separate_audio:
        _upload_all(store, keys, output, sorted((output / STREAMS_FOLDER).glob("*.webm")), done)
    if (output / MEETING_FILE).is_file():
        _upload_addition(store, keys, output, done, MEETING_FILE)
    _upload(store, keys, output, done, output / MANIFEST_FILE)


def publish_manifest_again(store: ObjectStore, keys: AttemptKeys, manifest: Manifest) -> None:
    """Uploads the manifest in the place of the one that is there: its videos have become other files.

    Blocks; raises what the store raises.
    """
    store.put(keys.file(MANIFEST_FILE), encode_manifest(manifest), content_type=CONTENT_TYPES[".json"])


def publish_rest(
    store: ObjectStore,
    keys: AttemptKeys,
    output: Path,
    manifest: Manifest,
    *,
    separate_audio: bool,
    done: Done | None = None,
) -> None:
    """Uploads the mix, if there is one, and with ``separate_audio`` the timeline, which plays the speakers' files; where
    ``manifest`` has video, that follows (worker.jobs.publish_page). A timeline that cannot be uploaded costs nothing else.

    Blocks and raises as publish_audio.
    """
    if (output / AUDIO_FILE).is_file():
        _upload(store, keys, output, done, output / AUDIO_FILE)
    with_page = separate_audio and manifest.video_streams is msgspec.UNSET
    # One that could not be written is in the manifest's warnings.
    if with_page and (output / TIMELINE_FILE).is_file():
        _upload_addition(store, keys, output, done, TIMELINE_FILE)


def _upload_addition(
    store: ObjectStore, keys: AttemptKeys, output: Path, done: Done | None, name: str
) -> None:
    """Uploads a file that repeats what others say, or adds to them. Raises LeaseLostError: all else costs this file alone."""
    try:
        _upload(store.within(MEETING_PATIENCE), keys, output, done, output / name)
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is costs this file alone
        logger.error("%s is not uploaded: %s", keys.file(name), error)


def _upload_all(
    store: ObjectStore,
    keys: AttemptKeys,
    output: Path,
    paths: list[Path],
    done: Done | None,
) -> None:
    with ThreadPoolExecutor(_AT_ONCE, "upload") as pool:
        list(pool.map(partial(_upload, store, keys, output, done), paths))


def _upload(store: ObjectStore, keys: AttemptKeys, output: Path, done: Done | None, path: Path) -> None:
    key = keys.file(path.relative_to(output).as_posix())
    try:
        store.put(key, path, content_type=CONTENT_TYPES[path.suffix], if_absent=True)
    except PreconditionFailedError:
        # An earlier upload; it was rendered from the same tape.
        logger.info("%s is already there", key)
        return
    if done is not None:
        done(path.stat().st_size)
