"""Renders earlier attempts again from their uploaded tapes and uploads the files that are missing."""

from __future__ import annotations

import logging
from pathlib import Path

from worker.delivery.bucket_layout import AttemptKeys, BotKeys
from worker.delivery.object_store import ObjectStore
from worker.jobs.earlier_attempts import download_parts, manifest_of
from worker.jobs.publish import publish_audio, publish_rest
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.rendering.deferred import NothingRecordedError
from worker.rendering.renderer import Renderer
from worker.rendering.replay import replay
from worker.tape.errors import TapeReadError

logger = logging.getLogger(__name__)


def recover(
    store: ObjectStore,
    keys: BotKeys,
    numbers: list[int],
    work: Path,
    *,
    platform: Platform,
    separate_audio: bool,
) -> list[RecordedAttempt]:
    """Renders and uploads the missing files of the attempts ``numbers``, and returns the attempts that recorded anything.

    ``work`` is a new or empty folder for it. ``platform`` is the job's. ``separate_audio``: the job asks for one file per
    speaker. Blocks for as long as rendering takes. Safe to repeat at any point: the same tape gives the same bytes, and
    nothing that was uploaded is replaced. The attempts must have ended. Raises what the store raises, and RenderingError or
    OSError without disk space.
    """
    recorded = []
    for number in numbers:
        manifest = _recover_attempt(
            store, keys.attempt(number), work / f"attempt-{number:04d}", platform, separate_audio
        )
        if manifest is not None:
            recorded.append(recorded_attempt(keys, number, manifest))
    return recorded


def recorded_attempt(keys: BotKeys, number: int, manifest: Manifest) -> RecordedAttempt:
    """An attempt as the merged document refers to it."""
    folder = keys.attempt(number).files.removeprefix(keys.folder).rstrip("/")
    return RecordedAttempt(number, manifest, folder)


def _recover_attempt(
    store: ObjectStore, keys: AttemptKeys, work: Path, platform: Platform, separate_audio: bool
) -> Manifest | None:
    uploaded = {listed.key for listed in store.list(keys.files)}
    manifest = manifest_of(store, keys)
    if manifest is not None:
        wanted = files_of(manifest, separate_audio=separate_audio)
        if uploaded.issuperset(keys.file(name) for name in wanted):
            return manifest
    parts = store.list(keys.tape)
    if not parts:
        return manifest
    tape, output = work / "tape", work / "files"
    download_parts(store, parts, tape)
    try:
        replayed = replay(tape, output, lambda platform: Renderer(output, platform), platform)
    except (NothingRecordedError, TapeReadError) as error:
        logger.info("%s: nothing to recover: %s", keys.folder, error)
        return manifest
    for warning in replayed.warnings:
        logger.warning("%s: %s", keys.folder, warning)
    publish_audio(store, keys, output, separate_audio=separate_audio)
    publish_rest(store, keys, output, separate_audio=separate_audio)
    return manifest or replayed.manifest


def files_of(manifest: Manifest, *, separate_audio: bool) -> list[str]:
    """The files that a manifest names, relative to it; the speakers' only if the job asks for them."""
    urls = [segment.url for _, segment in manifest.segments()] if separate_audio else []
    return urls + ([manifest.recording.mixed_audio] if manifest.recording.mixed_audio else [])
