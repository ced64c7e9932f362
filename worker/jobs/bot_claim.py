"""``job.json``: which job a bot id belongs to. The same id with another body is a mistake of the sender."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import ObjectStore, PreconditionFailedError

JOB_FILE: Final = "job.json"

_NOT_COMPARED: Final = frozenset({"bot_id"})
"""A body that was sent without an id gets one when it is put back on the queue."""


class ClaimedJob(msgspec.Struct, frozen=True, kw_only=True):
    """The file. ``body_sha256`` is of the body, which itself may hold a passcode."""

    bot_id: str
    body_sha256: str


class BotIdTakenError(JobError):
    """The bot id belongs to a job with another body."""


def claim_bot(store: ObjectStore, keys: BotKeys, job: Job) -> None:
    """Claims the bot's id for ``job``; does nothing where the same job has claimed it before.

    Blocks. Raises BotIdTakenError, and what the store raises.
    """
    claimed = ClaimedJob(bot_id=job.bot_id, body_sha256=body_sha256(job.body))
    key = f"{keys.folder}{JOB_FILE}"
    try:
        store.put(key, msgspec.json.encode(claimed), content_type="application/json", if_absent=True)
    except PreconditionFailedError as error:
        if msgspec.json.decode(store.get(key).data, type=ClaimedJob).body_sha256 != claimed.body_sha256:
            raise BotIdTakenError(
                f"job: bot_id: {job.bot_id!r} belongs to a job with another body; expected an id that was not used before"
            ) from error


def body_sha256(body: dict[str, Any]) -> str:
    """The same for each order of the fields and for any number format of JSON."""
    compared = {name: value for name, value in body.items() if name not in _NOT_COMPARED}
    return hashlib.sha256(msgspec.json.encode(compared, order="deterministic")).hexdigest()
