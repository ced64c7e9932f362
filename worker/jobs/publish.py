"""Puts a recording's finished files into the store: first what people wait for, then the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.rendering.output import AUDIO_FILE, MANIFEST_FILE, STREAMS_FOLDER, TIMELINE_FILE

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


Done = Callable[[int], None]
"""Is called with the bytes of each file that was uploaded, from any thread."""


def publish_audio(
    store: ObjectStore, keys: AttemptKeys, output: Path, *, separate_audio: bool, done: Done | None = None
) -> None:
    """Uploads one file per speaker, where the job asked for them, then the attempt's manifest: once that is there, all are.

    Blocks; raises what the store raises, and OSError.
    """
    if separate_audio:
        _upload_all(store, keys, output, sorted((output / STREAMS_FOLDER).glob("*.webm")), done)
    _upload(store, keys, output, done, output / MANIFEST_FILE)


def publish_rest(
    store: ObjectStore, keys: AttemptKeys, output: Path, *, separate_audio: bool, done: Done | None = None
) -> None:
    """Uploads the mix, where there is one, and the timeline, which plays the speakers' files. As publish_audio."""
    names = (TIMELINE_FILE, AUDIO_FILE) if separate_audio else (AUDIO_FILE,)
    paths = [output / name for name in names]
    _upload_all(store, keys, output, [path for path in paths if path.is_file()], done)


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
        # Whoever was here before made it of the same tape.
        logger.info("%s stands there already", key)
        return
    if done is not None:
        done(path.stat().st_size)
