"""What earlier attempts left in the store: finished files, or the parts of a tape of which files can be made."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import msgspec

from worker.attempts import attempts_of
from worker.delivery.layout import AttemptKeys, BotKeys
from worker.delivery.object_store import NotFoundError, ObjectStore
from worker.merging import RecordedAttempt
from worker.publishing import publish_audio, publish_rest
from worker.rendering import NothingRecordedError
from worker.replaying import replay
from worker.stems.manifest import Manifest
from worker.stems.render import MANIFEST_FILE, Renderer
from worker.tape.errors import TapeReadError
from worker.tape.events import CUT_OFF

logger = logging.getLogger(__name__)

NOT_ENDED: Final = "cut_off"
"""The ``ended_reason`` of a recording whose tape has no end: its worker was killed."""


class Recovery(NamedTuple):
    """What earlier attempts recorded, in their order, and how many there were, whether or not they recorded anything."""

    attempts: int
    recorded: list[RecordedAttempt]

    @property
    def meeting_may_go_on(self) -> bool:
        """Whether the last recording broke off, so that the bot ought to go back."""
        if not self.recorded:
            return True
        reason = self.recorded[-1].manifest.recording.ended_reason
        return reason == NOT_ENDED or reason in CUT_OFF


def recover(store: ObjectStore, keys: BotKeys, work: Path) -> Recovery:
    """Makes and uploads the files of earlier attempts where they are missing; ``work`` is a folder for it, new or empty.

    Blocks, for as long as rendering takes. Safe to repeat at any point: the same tape gives the same bytes, and nothing that
    was uploaded is replaced. Raises what the store raises, and RenderingError or OSError where there is no room.
    """
    numbers = attempts_of(store, keys)
    recorded = []
    for number in numbers:
        manifest = _recover_attempt(store, keys.attempt(number), work / f"attempt-{number:04d}")
        if manifest is not None:
            recorded.append(recorded_attempt(keys, number, manifest))
    return Recovery(max(numbers, default=0), recorded)


def recorded_attempt(keys: BotKeys, number: int, manifest: Manifest) -> RecordedAttempt:
    """An attempt as the merged document refers to it."""
    folder = keys.attempt(number).files.removeprefix(keys.folder).rstrip("/")
    return RecordedAttempt(number, manifest, folder)


def _recover_attempt(store: ObjectStore, keys: AttemptKeys, work: Path) -> Manifest | None:
    uploaded = {listed.key for listed in store.list(keys.files)}
    manifest = _manifest(store, keys)
    if manifest is not None and uploaded.issuperset(keys.file(name) for name in files_of(manifest)):
        return manifest
    tape = _download_tape(store, keys, work / "tape")
    if tape is None:
        return manifest
    output = work / "files"
    try:
        replayed = replay(tape, output, lambda: Renderer(output))
    except (NothingRecordedError, TapeReadError) as error:
        logger.info("%s: nothing to recover: %s", keys.folder, error)
        return manifest
    for warning in replayed.warnings:
        logger.warning("%s: %s", keys.folder, warning)
    publish_audio(store, keys, output)
    publish_rest(store, keys, output)
    return manifest or replayed.manifest


def files_of(manifest: Manifest) -> list[str]:
    """The files that a manifest names, relative to it."""
    urls = [
        segment.url
        for person in manifest.participants
        for stream in person.streams
        for segment in stream.segments
    ]
    return urls + ([manifest.recording.mixed_audio] if manifest.recording.mixed_audio else [])


def _manifest(store: ObjectStore, keys: AttemptKeys) -> Manifest | None:
    try:
        return msgspec.json.decode(store.get(keys.file(MANIFEST_FILE)).data, type=Manifest)
    except NotFoundError:
        return None


def _download_tape(store: ObjectStore, keys: AttemptKeys, folder: Path) -> Path | None:
    parts = store.list(keys.tape)
    if not parts:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        store.download(part.key, folder / PurePosixPath(part.key).name)
    return folder
