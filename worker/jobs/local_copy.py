"""The folder of a job's recordings on this machine. It is removed only when all tapes in it are in the bucket."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError
from worker.delivery.object_store import ObjectStore
from worker.rendering.output import TAPE_FOLDER
from worker.tape.parts import PART_PATTERN

logger = logging.getLogger(__name__)


def recording_folder(work: Path, number: int) -> Path:
    """The folder of attempt ``number``'s tape and files, below the job's folder ``work``."""
    return work / f"attempt-{number:04d}" / "recording"


def remove_local_copy(work: Path, store: ObjectStore, keys: BotKeys) -> bool:
    """Removes ``work`` if the bucket has each part of each tape in it, in its full size; files are made from tapes.

    Returns whether it was removed; if not, an error in the log says where it is. Blocks.
    """
    missing = sum(len(_missing_parts(tape, number, store, keys)) for number, tape in _tapes(work))
    if missing:
        logger.error("%d parts of the tape are not in the bucket; they are kept in %s", missing, work)
        return False
    shutil.rmtree(work, ignore_errors=True)
    return True


def _tapes(work: Path) -> Iterator[tuple[int, Path]]:
    for folder in sorted(work.glob("attempt-*")):
        number = int(folder.name.removeprefix("attempt-"))
        yield number, recording_folder(work, number) / TAPE_FOLDER


def _missing_parts(tape: Path, number: int, store: ObjectStore, keys: BotKeys) -> list[Path]:
    parts = sorted(tape.glob(PART_PATTERN))
    if not parts:
        return []
    attempt = keys.attempt(number)
    try:
        there = {listed.key: listed.size for listed in store.list(attempt.tape)}
    except DeliveryError as error:
        logger.warning("the bucket cannot be listed: %s", error)
        return parts
    return [part for part in parts if there.get(attempt.tape_part(part.name)) != part.stat().st_size]
