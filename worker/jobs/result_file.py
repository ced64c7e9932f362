"""``result.json``: how a job ended, written once and never replaced."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.contracts.status import Result
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError
from worker.jobs.reporter import JSON

RESULT_FILE: Final = "result.json"


def read_result(store: ObjectStore, keys: BotKeys) -> Result | None:
    """The bot's result, None where there is none yet. Blocks; raises what the store raises."""
    try:
        return _read(store, keys)
    except NotFoundError:
        return None


def keep_result(store: ObjectStore, keys: BotKeys, result: Result) -> Result:
    """Writes ``result`` and returns it; returns the stored result where there is one already.

    Blocks; raises what the store raises.
    """
    body = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    try:
        store.put(_key(keys), body, content_type=JSON, if_absent=True)
    except PreconditionFailedError:
        return _read(store, keys)
    return result


def _read(store: ObjectStore, keys: BotKeys) -> Result:
    return msgspec.json.decode(store.get(_key(keys)).data, type=Result)


def _key(keys: BotKeys) -> str:
    return f"{keys.folder}{RESULT_FILE}"
