"""What a person may tell a bot on its page. The one place that knows which commands are served."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.contracts.bot_facts import BotFacts
from worker.server.bots import BotBusyError, Bots
from worker.server.deletion import Deletions
from worker.server.errors import ApiError
from worker.server.records import BotRecord

_NOT_SERVED: Final = "A bot that a worker has begun takes no commands yet."


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
    return [
        Command("leave", "Leave", _NOT_SERVED),
        Command("pause", "Pause", _NOT_SERVED),
        Command("resume", "Resume", _NOT_SERVED),
        Command("message", "Send message", _NOT_SERVED, has_text=True),
    ]


def run_command(bots: Bots, record: BotRecord, name: str, text: str) -> None:
    """Tells the bot. Blocks. Raises ApiError, whose message a person can read."""
    if name != "leave":
        raise ApiError(501, _NOT_SERVED)
    if not bots.cancel(record):
        raise ApiError(409, _NOT_SERVED)


def delete_bot_data(deletions: Deletions, record: BotRecord) -> None:
    """Removes all that was recorded and kept of the bot, for good. Blocks. Raises ApiError as ``run_command``."""
    try:
        deletions.forget(record)
    except BotBusyError as error:
        raise ApiError(409, "The bot is still at work. It can be deleted once it is done.") from error
