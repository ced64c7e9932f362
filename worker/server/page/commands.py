"""What a person may tell a bot on its page. The one place that knows which commands have a button."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.contracts.bot_facts import BotFacts
from worker.contracts.commands import CommandKind, chat_text
from worker.server.bots import BotBusyError, Bots
from worker.server.command_box import tell, tell_to_leave
from worker.server.deletion import Deletions
from worker.server.errors import ApiError
from worker.server.records import BotRecord
from worker.states import State

LEAVE: Final = "leave"
MESSAGE: Final = "message"

_KINDS: Final[Mapping[str, CommandKind]] = MappingProxyType(
    {
        "start": CommandKind.START,
        "pause": CommandKind.PAUSE,
        "resume": CommandKind.RESUME,
        MESSAGE: CommandKind.SEND_MESSAGE,
    }
)

_NOT_YET: Final = "The bot is not in the call yet."
_BEFORE: Final = frozenset({State.JOINING, State.WAITING_ROOM})


class Command(NamedTuple):
    """A button. ``refusal``: why it cannot be pressed, empty if it can. ``has_text``: a text goes with it."""

    name: str
    label: str
    refusal: str = ""
    has_text: bool = False


def commands_of(facts: BotFacts) -> list[Command]:
    """The buttons on the bot's page, in order; none once it leaves."""
    status = facts.status
    if facts.is_over:
        return []
    if status is None:
        return [Command(LEAVE, "Cancel")]
    recording = Command("resume", "Resume") if status.paused else Command("pause", "Pause")
    if status.state in _BEFORE:
        waiting = [recording, Command(MESSAGE, "Send message", has_text=True)]
        return [Command(LEAVE, "Leave"), *(each._replace(refusal=_NOT_YET) for each in waiting)]
    if status.state == State.IN_CALL_NOT_RECORDING:
        recording = Command("start", "Start recording")
    elif status.state != State.IN_CALL_RECORDING:
        return []
    return [Command(LEAVE, "Leave"), recording, Command(MESSAGE, "Send message", has_text=True)]


async def run_command(bots: Bots, record: BotRecord, name: str, text: str, now: float) -> None:
    """Tells the bot; returns once it has done it, or after a moment. ``now`` is in Unix seconds.

    Raises ApiError, whose message a person can read.
    """
    if name == LEAVE:
        await tell_to_leave(bots, record, now)
        return
    kind = _KINDS.get(name)
    if kind is None:
        raise ApiError(404, "There is no such command.")
    message = chat_text(text) if kind is CommandKind.SEND_MESSAGE else ""
    if kind is CommandKind.SEND_MESSAGE and not message:
        raise ApiError(400, "The message is empty.")
    await tell(bots, record, kind, now, message)


def delete_bot_data(deletions: Deletions, record: BotRecord) -> None:
    """Removes all that was recorded and kept of the bot, for good. Blocks. Raises ApiError as ``run_command``."""
    try:
        deletions.forget(record)
    except BotBusyError as error:
        raise ApiError(409, "The bot is still at work. It can be deleted once it is done.") from error
