"""What a running bot is told, and what became of it: two objects in its folder (pure).

``commands.json`` is written by the API, ``command_state.json`` by the worker that has the bot's lease. Each is small and
bounded, and each is replaced as a whole, on the condition that it is still the version that was read.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from worker.contracts.fields import LONGEST_MESSAGE, NotServed
from worker.contracts.recall import SendTo
from worker.safe_text import printable

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)

MOST_WAITING: Final = 30
"""Commands of a bot that may wait. More are refused, but for those to leave."""

MOST_LISTED: Final = 300
"""Commands of one object that a worker takes, far more than the API lists. Others are ignored."""

MOST_REMEMBERED: Final = 100
"""Acknowledgements that are kept, beside those of commands that are still listed."""

LONGEST_DETAIL: Final = 300
"""Characters of an acknowledgement's detail."""


class CommandKind(StrEnum):
    """The value is written to both objects."""

    LEAVE = "leave"
    SEND_MESSAGE = "send_message"
    PAUSE = "pause"
    RESUME = "resume"
    START = "start"
    """To begin a recording that waits for something else."""
    SCREENSHOT = "screenshot"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` is a value of CommandKind, or one of a later version. ``at`` is when it was given, in Unix seconds."""

    id: str
    kind: str
    at: float
    message: str = ""


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """``commands.json``: one to leave before all others, those in the order in which they were given; without those that were
    acknowledged before the last one."""

    commands: list[Command] = []


class Outcome(StrEnum):
    """What became of a command."""

    DONE = "done"
    FAILED = "failed"
    """The bot tried."""
    REFUSED = "refused"
    """The bot did not try: it was not in the right state."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """``at`` is in Unix seconds; ``detail`` is plain English, empty where it is done."""

    id: str
    kind: str
    outcome: Outcome
    at: float
    detail: str = ""


class CommandState(msgspec.Struct, frozen=True, kw_only=True):
    """``command_state.json``: what the commands so far made of the bot, also for its next attempt, and their acknowledgements.

    ``paused``: the recording is paused. ``started``: it was told to record. ``left``: it was told to leave, so it does not join
    again.
    """

    paused: bool = False
    started: bool = False
    left: bool = False
    acknowledged: list[Acknowledgement] = []

    def acknowledgement(self, command_id: str) -> Acknowledgement | None:
        """What became of a command; None: it waits, or is not remembered."""
        return next((each for each in self.acknowledged if each.id == command_id), None)

    def acknowledged_ids(self) -> set[str]:
        """The ids of the commands whose acknowledgements are remembered."""
        return {each.id for each in self.acknowledged}

    def with_acknowledgement(self, added: Acknowledgement, listed: Commands) -> CommandState:
        """With one more; ``listed`` are the commands whose acknowledgements must be kept."""
        ids = {command.id for command in listed.commands}
        known = [*self.acknowledged, added]
        recent = {each.id for each in known[-MOST_REMEMBERED:]}
        kept = [each for each in known if each.id in ids or each.id in recent]
        return msgspec.structs.replace(self, acknowledged=kept)


class TooManyCommandsError(Exception):
    """MOST_WAITING commands wait already."""


def decoded(data: bytes, kind: type[T], key: str) -> T:
    """One of the two objects; an empty one where this version cannot read it: that may cost commands, and nothing else.

    ``key`` names it in the log.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        logger.error("%s: cannot be read: %s", key, error)
        return kind()


def with_command(listed: Commands, state: CommandState, added: Command) -> Commands:
    """``listed`` with one more command, without those that are acknowledged; one to leave comes first and is never refused.

    Raises TooManyCommandsError.
    """
    acknowledged = state.acknowledged_ids()
    waiting = [each for each in listed.commands if each.id not in acknowledged]
    if added.kind == CommandKind.LEAVE:
        return Commands(commands=[added, *waiting])
    if len(waiting) >= MOST_WAITING:
        raise TooManyCommandsError
    return Commands(commands=[*waiting, added])


def chat_text(given: str) -> str:
    """What is written into a chat: lines without control or text-direction characters; empty where nothing is left."""
    return "\n".join(printable(line, LONGEST_MESSAGE) for line in given.splitlines()).strip()


ChatText: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_MESSAGE,
        description="What the bot writes into the chat. On Google Meet it is cut to 500.",
        extra={"expected": f"a text of 1 to {LONGEST_MESSAGE} characters"},
    ),
]


class MeetStreamMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body of MeetStream's send_message."""

    message: ChatText


class RecallMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body of Recall.ai's send_chat_message."""

    message: ChatText
    to: SendTo = None
    pin: NotServed = None
