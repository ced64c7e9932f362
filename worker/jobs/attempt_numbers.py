"""Numbers of a bot's attempts: each attempt claims a unique number, and its keys contain it."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError

_MOST_CLAIMS: Final = 100


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``attempt.json``: the owner of a number. ``claimed_at`` is in seconds since the Unix epoch."""

    attempt: int
    owner: str
    claimed_at: float


def claim_attempt(store: ObjectStore, keys: BotKeys, owner: str, now: float) -> int:
    """Claims the next free number, from 1 on, by a conditional write. Blocks; raises what the store raises."""
    number = max(attempts_of(store, keys), default=0) + 1
    for candidate in range(number, number + _MOST_CLAIMS):
        record = AttemptRecord(attempt=candidate, owner=owner, claimed_at=now)
        try:
            store.put(
                attempt_key(keys, candidate),
                msgspec.json.encode(record),
                content_type="application/json",
                if_absent=True,
            )
        except PreconditionFailedError:
            continue
        return candidate
    raise PreconditionFailedError(f"{keys.attempts}: {_MOST_CLAIMS} numbers were claimed meanwhile")


def attempts_of(store: ObjectStore, keys: BotKeys) -> list[int]:
    """The numbers of all attempts so far, ascending. Blocks; raises what the store raises."""
    numbers = {keys.attempt_of(listed.key) for listed in store.list(keys.attempts)}
    return sorted(number for number in numbers if number is not None)


def owner_of(store: ObjectStore, keys: BotKeys, number: int) -> str | None:
    """The owner of an attempt; None where nobody has claimed it, or that cannot be read. Blocks; raises what the store
    raises.
    """
    try:
        return msgspec.json.decode(store.get(attempt_key(keys, number)).data, type=AttemptRecord).owner
    except (NotFoundError, msgspec.DecodeError):
        return None


def attempt_key(keys: BotKeys, number: int) -> str:
    """The key of ``attempt.json``."""
    return f"{keys.attempt(number).folder}attempt.json"
