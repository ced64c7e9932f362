"""Tells a bot something: stores the command, and waits a moment for what becomes of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from enum import Enum
from typing import Final, NamedTuple, TypeVar

import msgspec

from worker.contracts.commands import (
    Acknowledgement,
    Command,
    CommandKind,
    Commands,
    CommandState,
    Outcome,
    TooManyCommandsError,
    decoded,
    with_command,
)
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError
from worker.jobs.reporter import read_status
from worker.server.bots import Bots
from worker.server.errors import ApiError
from worker.server.records import JSON, BotRecord
from worker.states import State

T = TypeVar("T", bound=msgspec.Struct)

ACKNOWLEDGED_WITHIN: Final = 3.0
"""Seconds for which an answer waits for the bot. What the bot does later, it does all the same."""

LOOK: Final = 0.25
"""Seconds between two looks for the acknowledgement."""

MOST_CONFLICTS: Final = 20
"""Bound on the servers that give a bot a command at the same moment."""

_IN_CALL: Final = frozenset({State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING})
_ON_THE_WAY: Final = frozenset({State.JOINING, State.WAITING_ROOM})


class Phase(Enum):
    """How far a bot is, as far as commands go."""

    UNSTARTED = "unstarted"
    IN_CALL = "in_call"
    COMPLETED = "completed"


class Given(NamedTuple):
    """A command that is stored."""

    keys: BotKeys
    command_id: str


def phase_of(bots: Bots, record: BotRecord) -> Phase:
    """How far the bot is. Blocks."""
    if record.deletion is not None:
        return Phase.COMPLETED
    _, status = read_status(bots.store, bots.keys_of(record.bot_id))
    if status is None or status.state in _ON_THE_WAY:
        return Phase.UNSTARTED
    return Phase.IN_CALL if status.state in _IN_CALL else Phase.COMPLETED


def give(store: ObjectStore, keys: BotKeys, kind: CommandKind, now: float, message: str = "") -> Given:
    """Stores a command; one to leave that waits already is not repeated. ``now`` is in Unix seconds. Blocks.

    Raises ApiError where too many others wait, and what the store raises.
    """
    for _ in range(MOST_CONFLICTS):
        listed, etag = _read(store, keys.commands, Commands)
        state, _ = _read(store, keys.command_state, CommandState)
        if kind is CommandKind.LEAVE:
            for waiting in listed.commands:
                if waiting.kind == kind:
                    return Given(keys, waiting.id)
        command = Command(id=str(uuid.uuid4()), kind=kind, at=now, message=message)
        try:
            body = msgspec.json.encode(with_command(listed, state, command))
            store.put(keys.commands, body, content_type=JSON, if_absent=etag is None, if_match=etag)
        except TooManyCommandsError as error:
            raise ApiError(
                429, "Too many commands wait for the bot.", headers={"Retry-After": "3"}
            ) from error
        except PreconditionFailedError:
            continue
        return Given(keys, command.id)
    raise ApiError(409, "Others give the bot commands at the same time; try again.")


async def acknowledgement(store: ObjectStore, given: Given) -> Acknowledgement | None:
    """What became of a command; None if it still waits after ACKNOWLEDGED_WITHIN."""
    deadline = time.monotonic() + ACKNOWLEDGED_WITHIN
    while True:
        state, _ = await asyncio.to_thread(_read, store, given.keys.command_state, CommandState)
        found: Acknowledgement | None = state.acknowledgement(given.command_id)
        if found is not None or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(LOOK)


async def tell(
    bots: Bots, record: BotRecord, kind: CommandKind, now: float, message: str = ""
) -> Acknowledgement | None:
    """Tells a bot in a call something; returns what became of it, None if it has not done it yet.

    Raises ApiError: for a bot that is not in a call (Recall.ai's codes), and where it failed or refused.
    """
    phase = await asyncio.to_thread(phase_of, bots, record)
    if phase is Phase.UNSTARTED:
        raise ApiError(400, "The bot is not in the call yet.", code="cannot_command_unstarted_bot")
    if phase is Phase.COMPLETED:
        raise completed()
    keys = bots.keys_of(record.bot_id)
    given = await asyncio.to_thread(give, bots.store, keys, kind, now, message)
    if await asyncio.to_thread(bots.remove_if_deleted, record.bot_id):
        raise completed()
    done = await acknowledgement(bots.store, given)
    if done is not None and done.outcome is not Outcome.DONE:
        raise ApiError(400, f"The bot did not do it: {done.detail}.", code=f"command_{done.outcome}")
    return done


async def tell_to_leave(bots: Bots, record: BotRecord, now: float) -> bool:
    """Makes a bot leave, or never join; returns whether it never joined. Raises ApiError where it has left."""
    if await asyncio.to_thread(bots.cancel, record):
        return True
    if await asyncio.to_thread(phase_of, bots, record) is Phase.COMPLETED:
        raise completed()
    given = await asyncio.to_thread(give, bots.store, bots.keys_of(record.bot_id), CommandKind.LEAVE, now)
    if await asyncio.to_thread(bots.remove_if_deleted, record.bot_id):
        raise completed()
    await acknowledgement(bots.store, given)
    return False


def completed() -> ApiError:
    """The answer about a bot that has left."""
    return ApiError(400, "The bot has left the call already.", code="cannot_command_completed_bot")


def _read(store: ObjectStore, key: str, kind: type[T]) -> tuple[T, str | None]:
    """A document and its ETag; an empty one where there is none, or none that can be read."""
    try:
        stored = store.get(key)
    except NotFoundError:
        return kind(), None
    return decoded(stored.data, kind, key), stored.etag
