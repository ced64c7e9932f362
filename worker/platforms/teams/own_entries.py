"""Which entries of a Teams roster are the bot's own (pure).

The bot is known by its own id, which the page's objects name. Without it, it is known by its name, to which Teams adds words in
brackets in the page's language: of several participants with that name, one is the bot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.platforms.teams.call_facts import CallFacts, first_facts, name_of
from worker.platforms.teams.trouter import well_formed

MAX_OWN_IDS = 16
"""Ids of the bot that are kept: a reloaded page joins with another."""

_OPENING, _CLOSING = "([\uff08\u3010", ")]\uff09\u3011"
"""Brackets around what Teams adds to the names of guests and of external participants, in the page's language."""


class OwnEntries:
    """Finds the bot's entries by what was learned of its name and its ids."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        """The ids that the page's objects named as the bot's, at most MAX_OWN_IDS, the latest last."""
        self._bot_name = ""

    def learn_name(self, bot_name: str) -> None:
        """Sets the name under which the bot joins; the first counts."""
        self._bot_name = self._bot_name or _plain(bot_name)

    def learn_id(self, us: str) -> None:
        """Adds an id of the bot's."""
        self.ids.pop(us, None)
        self.ids[well_formed(us)] = None
        if len(self.ids) > MAX_OWN_IDS:
            del self.ids[next(iter(self.ids))]

    def among(self, calls: list[CallFacts]) -> set[str]:
        """The ids of the bot's own entries in one call, of which ``calls`` are the kinds of evidence, the strongest first.

        At most one that has not left is taken for the bot's by its name alone; it is the one that came through the lobby.
        """
        ids = dict.fromkeys(device_id for call in calls for device_id in call.devices)
        named = self._named_as_bot(ids, calls)
        left = {each for each in named if first_facts(calls, each).state.is_gone}
        if ours := {each for each in ids if each in self.ids}:
            return ours | left
        here = [each for each in named if each not in left]
        here.sort(key=lambda each: not first_facts(calls, each).waited)
        return {*here[:1], *left}

    def _named_as_bot(self, ids: Iterable[str], calls: list[CallFacts]) -> list[str]:
        """The participants who have the bot's name, or, if nobody has exactly that one, with words added."""
        if not self._bot_name:
            return []
        names = {each: _plain(name_of(calls, each)) for each in ids}
        exactly = [each for each, name in names.items() if name == self._bot_name]
        return exactly or [each for each, name in names.items() if self._bot_name in _without_additions(name)]


def _without_additions(name: str) -> Iterator[str]:
    """``name`` without the last words in brackets, without the last two, and so on."""
    depth, end = 0, len(name)
    for place in range(len(name) - 1, -1, -1):
        if name[place] in _CLOSING:
            depth += 1
        elif name[place] in _OPENING and depth:
            depth -= 1
            if not depth:
                end = place
                yield name[:place].rstrip()
        elif not depth and place < end and not name[place].isspace():
            return


def _plain(name: str) -> str:
    """A name in the form in which names are compared: without case and outer blanks."""
    return " ".join(name.casefold().split())
