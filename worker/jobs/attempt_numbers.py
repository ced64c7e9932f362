"""Numbers for the bot's attempts: each attempt writes under a number of its own, which nobody else can have."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import ObjectStore, PreconditionFailedError

_CLAIMS_AT_MOST: Final = 100


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``attempt.json``: whose number it is. ``claimed_at`` is in seconds since the Unix epoch."""

    attempt: int
    owner: str
    claimed_at: float


def claim_attempt(store: ObjectStore, keys: BotKeys, owner: str, now: float) -> int:
    """The next free number, from 1 on, claimed by a conditional write. Blocks; raises what the store raises."""
    number = max(attempts_of(store, keys), default=0) + 1
    for candidate in range(number, number + _CLAIMS_AT_MOST):
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
    raise PreconditionFailedError(f"{keys.attempts}: {_CLAIMS_AT_MOST} numbers were claimed meanwhile")


def attempts_of(store: ObjectStore, keys: BotKeys) -> list[int]:
    """The numbers of all attempts so far, ascending. Blocks; raises what the store raises."""
    numbers = {keys.attempt_of(listed.key) for listed in store.list(keys.attempts)}
    return sorted(number for number in numbers if number is not None)


def attempt_key(keys: BotKeys, number: int) -> str:
    """Where the number is claimed."""
    return f"{keys.attempt(number).folder}attempt.json"
