"""Puts a recording's finished files into the store: first what people wait for, then the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from worker.delivery.layout import AttemptKeys
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.output_folder import AUDIO_FILE, MANIFEST_FILE, STREAMS_FOLDER, TIMELINE_FILE

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

_AT_ONCE: Final = 4
"""Uploads side by side."""


def publish_audio(
    store: ObjectStore, keys: AttemptKeys, output: Path, done: Callable[[int], None] | None = None
) -> None:
    """Uploads one file per speaker, then the attempt's manifest: where that stands, they all do.

    ``done`` is called with the bytes of each file, from any thread. Blocks; raises what the store raises, and OSError.
    """
    streams = sorted((output / STREAMS_FOLDER).glob("*.webm"))
    _upload_all(store, keys, output, streams, done)
    publish_manifest(store, keys, output, done)


def publish_manifest(
    store: ObjectStore, keys: AttemptKeys, output: Path, done: Callable[[int], None] | None = None
) -> None:
    """Uploads the attempt's manifest alone, where nobody asked for the files that it names. As publish_audio."""
    _upload(store, keys, output, done, output / MANIFEST_FILE)


def publish_mix(
    store: ObjectStore, keys: AttemptKeys, output: Path, done: Callable[[int], None] | None = None
) -> None:
    """Uploads the mix, where there is one. As publish_audio."""
    if (output / AUDIO_FILE).is_file():
        _upload(store, keys, output, done, output / AUDIO_FILE)


def publish_rest(
    store: ObjectStore, keys: AttemptKeys, output: Path, done: Callable[[int], None] | None = None
) -> None:
    """Uploads the mix and the timeline, which plays the speakers' files. As publish_audio."""
    paths = [output / name for name in (TIMELINE_FILE, AUDIO_FILE)]
    _upload_all(store, keys, output, [path for path in paths if path.is_file()], done)


def withdraw_separate(store: ObjectStore, keys: AttemptKeys) -> None:
    """Deletes what publish_manifest and publish_mix do not upload, but a recovery does. Raises what the store raises."""
    kept = {keys.file(MANIFEST_FILE), keys.file(AUDIO_FILE)}
    for listed in store.list(keys.files):
        if listed.key not in kept:
            store.delete(listed.key)


def _upload_all(
    store: ObjectStore,
    keys: AttemptKeys,
    output: Path,
    paths: list[Path],
    done: Callable[[int], None] | None,
) -> None:
    with ThreadPoolExecutor(_AT_ONCE, "upload") as pool:
        list(pool.map(partial(_upload, store, keys, output, done), paths))


def _upload(
    store: ObjectStore, keys: AttemptKeys, output: Path, done: Callable[[int], None] | None, path: Path
) -> None:
    key = keys.file(path.relative_to(output).as_posix())
    try:
        store.put(key, path, content_type=CONTENT_TYPES[path.suffix], if_absent=True)
    except PreconditionFailedError:
        # Whoever was here before made it of the same tape.
        logger.info("%s stands there already", key)
        return
    if done is not None:
        done(path.stat().st_size)
