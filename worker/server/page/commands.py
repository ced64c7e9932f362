"""What a person may tell a bot on its page. The one place that knows which commands are served."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.contracts.bot_facts import BotFacts
from worker.server.bots import Bots
from worker.server.errors import ApiError
from worker.server.records import BotRecord
from worker.states import State

_NOT_SERVED: Final = "A bot that is in a meeting cannot be told so from here yet."
_NOT_IN_CALL: Final = "The bot is not in the call."


class Command(NamedTuple):
    """A button. ``refusal``: why it cannot be pressed, empty if it can. ``has_text``: a text goes with it."""

    name: str
    label: str
    refusal: str = ""
    has_text: bool = False


def commands_of(facts: BotFacts) -> list[Command]:
    """The buttons on the bot's page, in order; none once it is over."""
    if facts.is_over:
        return []
    if facts.status is None:
        return [Command("leave", "Cancel")]
    in_call = facts.status.state in {State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING}
    refusal = _NOT_SERVED if in_call else _NOT_IN_CALL
    return [
        Command("leave", "Leave", _NOT_SERVED),
        Command("pause", "Pause", refusal),
        Command("resume", "Resume", refusal),
        Command("message", "Send message", refusal, has_text=True),
    ]


def run_command(bots: Bots, record: BotRecord, name: str, text: str) -> None:
    """Tells the bot. Blocks. Raises ApiError, whose message a person can read."""
    if name != "leave":
        raise ApiError(501, _NOT_SERVED)
    if not bots.cancel(record):
        raise ApiError(409, "A worker has the bot already. " + _NOT_SERVED)
