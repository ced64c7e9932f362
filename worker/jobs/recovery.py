"""Renders earlier attempts again from their uploaded tapes and uploads the files that are missing."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from pathlib import Path

import msgspec

from worker.delivery.bucket_layout import AttemptKeys, BotKeys
from worker.delivery.errors import DeliveryError, RefusedError
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import Listed, Listing, ObjectStore
from worker.jobs.earlier_attempts import download_parts, manifest_of
from worker.jobs.publish import publish_audio, publish_manifest_again, publish_rest
from worker.jobs.publish_page import publish_page
from worker.jobs.publish_videos import publish_videos
from worker.jobs.second_try import replay_twice
from worker.jobs.transcode_videos import Transcode, transcode_videos
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.rendering.deferred import NothingRecordedError
from worker.rendering.output import MANIFEST_FILE
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
    """Renders the attempts ``numbers``, uploads their missing files but for the videos, and returns the attempts that recorded
    anything.

    ``work`` is a new or empty folder for it. ``platform`` is the job's. ``separate_audio``: the job asks for one file per
    speaker. Blocks for as long as rendering takes. Safe to repeat at any point: the same tape gives the same bytes, and of
    what was uploaded only files of a tape that has grown since, or that could not be written in full, are replaced. The
    attempts must have ended. Raises what the store raises; the first error of an attempt's own after the others.
    """
    recorded = []
    failure: Exception | None = None
    for number in numbers:
        folder = work / f"attempt-{number:04d}"
        try:
            manifest = _recover_attempt(store, keys.attempt(number), folder, platform, separate_audio)
        except DeliveryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one attempt costs the others nothing
            logger.error("%s: cannot be recovered: %s", keys.attempt(number).folder, error)
            failure = failure or error
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if manifest is not None:
            recorded.append(recorded_attempt(keys, number, manifest))
    if failure is not None:
        raise failure
    return recorded


def recover_videos(
    store: ObjectStore,
    keys: BotKeys,
    numbers: list[int],
    work: Path,
    *,
    platform: Platform,
    transcode: Transcode | None = None,
    stopping: threading.Event | None = None,
) -> list[RecordedAttempt]:
    """Uploads the missing videos of the attempts ``numbers``, then the timelines, and returns those attempts that recorded
    anything, with what their videos have become.

    ``recover`` has returned them. ``work`` is the folder that it had: what is rendered there is not rendered again.
    ``transcode`` makes H.264 in MP4 of other videos, None: they stay as they were sent, as do those left once ``stopping`` is
    set: the worker has to stop, and uploads need what time there is. Blocks for as long as that takes. Safe
    to repeat. What is wrong with an attempt costs only its videos. Raises LeaseLostError.
    """
    recorded = []
    for number in numbers:
        attempt = keys.attempt(number)
        manifest = None
        try:
            manifest = manifest_of(store, attempt)
            if manifest is None:
                continue
            manifest = _recover_videos(
                store,
                attempt,
                work / f"attempt-{number:04d}",
                platform,
                manifest,
                transcode,
                stopping or threading.Event(),
            )
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one attempt costs the others nothing
            logger.error("%s: its videos cannot be recovered: %s", attempt.folder, error)
        if manifest is None:
            continue
        publish_page(store, attempt, manifest)
        recorded.append(recorded_attempt(keys, number, manifest))
    return recorded


def recorded_attempt(keys: BotKeys, number: int, manifest: Manifest) -> RecordedAttempt:
    """An attempt as the merged document refers to it."""
    folder = keys.attempt(number).files.removeprefix(keys.folder).rstrip("/")
    return RecordedAttempt(number, manifest, folder)


def _recover_attempt(
    store: ObjectStore,
    keys: AttemptKeys,
    work: Path,
    platform: Platform,
    separate_audio: bool,
) -> Manifest | None:
    uploaded = {listed.key: listed for listed in store.list(keys.files)}
    manifest, parts = manifest_of(store, keys), store.list(keys.tape)
    outdated = _has_grown(parts, uploaded.get(keys.file(MANIFEST_FILE)))
    incomplete = manifest is not None and bool(manifest.recording.incomplete_files)
    if manifest is not None and not outdated and not incomplete:
        wanted = audio_files_of(manifest, separate_audio=separate_audio)
        if uploaded.keys() >= {keys.file(name) for name in wanted}:
            return manifest
    if not parts:
        return manifest
    tape, output = work / "tape", work / "files"
    download_parts(store, parts, tape)
    try:
        replayed = replay_twice(tape, output, platform)
    except (NothingRecordedError, TapeReadError) as error:
        logger.info("%s: nothing to recover: %s", keys.folder, error)
        return manifest
    for warning in replayed.warnings:
        logger.warning("%s: %s", keys.folder, warning)
    still_incomplete = replayed.failure is not None or bool(replayed.manifest.recording.incomplete_files)
    if incomplete and not outdated and still_incomplete:
        return manifest
    replaces = outdated or incomplete
    if replaces and not _remove(store, list(uploaded)):
        return manifest
    publish_audio(store, keys, output, separate_audio=separate_audio)
    publish_rest(store, keys, output, replayed.manifest, separate_audio=separate_audio)
    return replayed.manifest if replaces or manifest is None else manifest


def _recover_videos(
    store: ObjectStore,
    keys: AttemptKeys,
    work: Path,
    platform: Platform,
    manifest: Manifest,
    transcode: Transcode | None,
    stopping: threading.Event,
) -> Manifest:
    """``manifest`` is the one in the store; returns the one that is there then."""
    there = {listed.key for listed in store.list(keys.files)}
    if there >= {keys.file(segment.url) for _, segment in manifest.video_segments()}:
        return manifest
    rendered = _rendered(store, keys, work, platform)
    if rendered is None:
        return manifest
    output = work / "files"
    made = msgspec.structs.replace(manifest, video_streams=rendered.video_streams)
    if transcode is not None:
        made = asyncio.run(transcode_videos(made, output, transcode, stopping))
    publish_videos(store, keys, output, made)
    if made != manifest:
        try:
            publish_manifest_again(store, keys, made)
        except RefusedError as error:
            logger.error("%s: its manifest names the videos as they were sent: %s", keys.folder, error)
    return made


def _rendered(store: ObjectStore, keys: AttemptKeys, work: Path, platform: Platform) -> Manifest | None:
    """The manifest of what is rendered in ``work``, now at the latest; None without a tape."""
    output = work / "files"
    if (output / MANIFEST_FILE).is_file():
        manifest = msgspec.json.decode((output / MANIFEST_FILE).read_bytes(), type=Manifest)
        # A pass that was cancelled may have transcoded some, and so removed them.
        if all((output / segment.url).is_file() for _, segment in manifest.video_segments()):
            return manifest
    shutil.rmtree(work, ignore_errors=True)
    if not (parts := store.list(keys.tape)):
        return None
    download_parts(store, parts, work / "tape")
    return replay_twice(work / "tape", output, platform).manifest


def _has_grown(parts: Listing, manifest: Listed | None) -> bool:
    """Whether a part is newer than the manifest, by the store's clock: the worker that recorded it was paused meanwhile."""
    if manifest is None or manifest.modified is None:
        return False
    written = manifest.modified
    return any(part.modified is not None and part.modified > written for part in parts)


def _remove(store: ObjectStore, files: list[str]) -> bool:
    """Removes files that others take the place of, the manifest first: it says that the others are there.

    Returns False where that is refused: then the older files stay.
    """
    try:
        for key in sorted(files, key=lambda key: not key.endswith(f"/{MANIFEST_FILE}")):
            store.delete(key)
    except RefusedError as error:
        logger.warning("files that others would take the place of cannot be replaced: %s", error)
        return False
    return True


def files_of(manifest: Manifest, *, separate_audio: bool) -> list[str]:
    """The files that a manifest names, relative to it; the speakers' only if the job asks for them.

    The manifest of a job that asks for no video names none.
    """
    videos = [segment.url for _, segment in manifest.video_segments()]
    return audio_files_of(manifest, separate_audio=separate_audio) + videos


def audio_files_of(manifest: Manifest, *, separate_audio: bool) -> list[str]:
    """As ``files_of``, without the videos."""
    urls = [segment.url for _, segment in manifest.segments()] if separate_audio else []
    return urls + ([manifest.recording.mixed_audio] if manifest.recording.mixed_audio else [])
