"""The folder of a job's recordings on this machine. It is removed only when all tapes in it are in the bucket.

A worker that is killed leaves its folder, and in it what it had not uploaded yet: the part of the tape that was being written.
The next worker with the same job on the same disk uploads that, if the bucket says that the attempt is the killed worker's:
a bot id alone is no proof. It may be that of a bot of another bucket, or of one whose data was deleted meanwhile.
"""

from __future__ import annotations

import fcntl
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.jobs.attempt_numbers import owner_of
from worker.rendering.output import TAPE_FOLDER
from worker.tape.parts import PART_PATTERN

logger = logging.getLogger(__name__)

_PREFIX: Final = "meetstems-"
_RANDOM: Final = re.compile(r"-[a-z0-9_]{8}")
"""What tempfile.mkdtemp adds."""
_LOCK: Final = "in-use.lock"
_ORIGIN: Final = "origin.json"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a folder is: the worker, uniquely, as in ``attempt.json``; the bucket (or data folder) and the prefix in it."""

    owner: str
    bucket: str
    prefix: str

    def is_same_place(self, other: Origin) -> bool:
        """Whether both workers write to the same bucket, under the same prefix."""
        return (self.bucket, self.prefix) == (other.bucket, other.prefix)


@contextmanager
def job_folder(parent: Path | None, bot_id: str, origin: Origin) -> Iterator[Path]:
    """A new folder for a job of ``bot_id`` in ``parent`` (None: the system's for temporary files), which is marked as in use
    for the block, and stays. ``origin`` is written into it. Raises OSError.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{bot_id}-", dir=parent))
    with (folder / _LOCK).open("wb") as lock:
        # The system unlocks it however this process ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / _ORIGIN).write_bytes(msgspec.json.encode(origin))
        yield folder


def upload_abandoned(own: Path, bot_id: str, store: ObjectStore, keys: BotKeys) -> int:
    """Uploads the parts of tapes that killed workers left beside the job folder ``own``, removes their folders, and returns how
    many parts that were. A folder with a part that does not belong to an attempt in this bucket stays as it is.

    Only for the lease's owner. Blocks. Raises what the store raises.
    """
    uploaded = 0
    place = _origin_of(own)
    for folder in sorted(own.parent.glob(f"{_PREFIX}*")):
        name = folder.name.removeprefix(_PREFIX)
        if folder == own or not name.startswith(bot_id) or not _RANDOM.fullmatch(name, len(bot_id)):
            continue
        try:
            with (folder / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_of(folder, place, store, keys):
                    uploaded += _upload(folder, store, keys)
                    remove_local_copy(folder, store, keys)
                else:
                    logger.warning("%s is of no attempt in this bucket; it is kept", folder)
        except BlockingIOError:
            logger.warning("%s is in use by a worker that lost the bot", folder)
        except OSError as error:
            logger.warning("%s cannot be read: %s", folder, error)
    return uploaded


def _origin_of(folder: Path) -> Origin | None:
    try:
        return msgspec.json.decode((folder / _ORIGIN).read_bytes(), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None


def _is_of(folder: Path, place: Origin | None, store: ObjectStore, keys: BotKeys) -> bool:
    """Whether all that ``folder`` holds was recorded by attempts that the bucket at ``place`` knows as its worker's."""
    origin = _origin_of(folder)
    if origin is None or place is None or not origin.is_same_place(place):
        return False
    numbers = [number for number, tape in _tapes(folder) if any(tape.glob(PART_PATTERN))]
    return all(owner_of(store, keys, number) == origin.owner for number in numbers)


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


def _upload(work: Path, store: ObjectStore, keys: BotKeys) -> int:
    uploaded = 0
    for number, tape in _tapes(work):
        for part in _missing_parts(tape, number, store, keys):
            key = keys.attempt(number).tape_part(part.name)
            try:
                store.put(key, part.read_bytes(), content_type="application/octet-stream", if_absent=True)
            except PreconditionFailedError as error:
                logger.warning("%s stays as it is: %s", part, error)
                continue
            logger.info("%s, left by a killed worker, is uploaded", key)
            uploaded += 1
    return uploaded


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
