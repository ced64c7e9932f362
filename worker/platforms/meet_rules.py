"""What the facts of a Meet page mean, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from worker.platforms import meet_page as look
from worker.platforms.meet_page import Facts

_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})
_DETAIL_LENGTH: Final = 200


class Opening(NamedTuple):
    """The page is on its way into the call: loading, or before its join button."""


class InLobby(NamedTuple):
    """Somebody has to let us in."""


class InCall(NamedTuple):
    """The call's view is there and nothing stands before it."""


class Refused(NamedTuple):
    """We will not be let in. ``reason`` is a key of meet_page.REFUSED or ``sign_in_required``; ``detail`` the page's text."""

    reason: str
    detail: str


class Over(NamedTuple):
    """The call is over for us. ``reason`` is a key of meet_page.ENDED; ``detail`` is the page's text."""

    reason: str
    detail: str


Situation: TypeAlias = Opening | InLobby | InCall | Refused | Over


class FillName(NamedTuple):
    """Write the bot's name."""

    selector: str


class Click(NamedTuple):
    """Press a button."""

    selector: str


Step: TypeAlias = FillName | Click


def plain(text: str) -> str:
    """Lower case, straight apostrophes, single spaces: the form in which phrases are compared."""
    return " ".join(text.translate(_APOSTROPHES).casefold().split())


def situation(facts: Facts) -> Situation:
    """Where we are. The lobby shares the call's controls, so its text outweighs them; names and chat can say anything, so texts
    that end a call count only where no call is to be seen."""
    text = plain(facts.text)
    if not facts.call_controls:
        if reason := _first(look.ENDED, text):
            return Over(reason, _detail(facts, look.ENDED[reason]))
        if facts.name is None and (refusal := _refusal(facts, text)):
            return refusal
    if _any(look.LOBBY, text):
        return InLobby()
    if facts.call_controls and facts.tiles and not _consent_wanted(facts):
        return InCall()
    return Opening()


def steps(facts: Facts) -> Iterator[Step]:
    """What there is to do on the way into the call or in it, the most urgent first."""
    yield from _answers(facts)
    if obstacle := _offered(look.IN_THE_WAY, facts.buttons):
        yield Click(look.button(obstacle))
    if facts.microphone_on:
        yield Click(look.MICROPHONE_ON)
    if facts.camera_on:
        yield Click(look.CAMERA_ON)
    if facts.call_controls:
        return
    if facts.name is not None and not facts.name.strip():
        yield FillName(look.NAME_FIELD)
    elif join := _offered(look.JOIN, facts.buttons):
        yield Click(look.button(join))


class Attempts:
    """Decides which step to take when a page is slow to show the effect of one, or never does."""

    PATIENCE: Final = 1.0
    """Seconds that a page has to show that a step worked."""
    LIMIT: Final = 3
    """After so many fruitless tries the next step gets its turn."""
    FORGET: Final = 10.0
    """Seconds after which a fruitless step is tried again."""

    def __init__(self) -> None:
        self._tried: dict[Step, tuple[int, float]] = {}

    def choose(self, candidates: Iterable[Step], now: float) -> Step | None:
        """The step to take ``now`` (seconds on a steady clock); None where waiting is better."""
        for step in candidates:
            count, last = self._tried.get(step, (0, -self.FORGET))
            if now - last >= self.FORGET:
                count = 0
            if count and now - last < self.PATIENCE:
                return None
            if count < self.LIMIT:
                self._tried[step] = (count + 1, now)
                return step
        return None


def _answers(facts: Facts) -> Iterator[Click]:
    for dialog in facts.dialogs:
        text = plain(dialog.text)
        if _any(look.NOTICES, text):
            yield Click(look.DIALOG_OK)
        elif _any(look.CONSENT, text) and (join := _offered(look.JOIN, dialog.buttons)):
            yield Click(f"{look.DIALOG} >> {look.button(join)}")
        elif _any(look.QUESTIONS, text) and (answer := _offered(look.STILL_THERE, dialog.buttons)):
            yield Click(f"{look.DIALOG} >> {look.button(answer)}")


def _consent_wanted(facts: Facts) -> bool:
    return any(_any(look.CONSENT, plain(dialog.text)) for dialog in facts.dialogs)


def _refusal(facts: Facts, text: str) -> Refused | None:
    if reason := _first(look.REFUSED, text):
        return Refused(reason, _detail(facts, look.REFUSED[reason]))
    if look.SIGN_IN_HEADING in map(plain, facts.headings) and look.SIGN_IN_TEXT in text:
        return Refused("sign_in_required", _detail(facts, (look.SIGN_IN_TEXT,)))
    return None


def _detail(facts: Facts, phrases: Iterable[str]) -> str:
    """The line of the page that says it; the whole text where it runs over several lines."""
    lines = [line for line in facts.text.splitlines() if _any(phrases, plain(line))]
    return " ".join((lines[0] if lines else facts.text).split())[:_DETAIL_LENGTH]


def _any(phrases: Iterable[str], text: str) -> bool:
    return any(phrase in text for phrase in phrases)


def _first(reasons: Mapping[str, Iterable[str]], text: str) -> str | None:
    return next((reason for reason, phrases in reasons.items() if _any(phrases, text)), None)


def _offered(labels: Iterable[str], buttons: Iterable[str]) -> str | None:
    shown = set(buttons)
    return next((label for label in labels if label in shown), None)
