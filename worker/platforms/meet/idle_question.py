"""Answers a question of unknown words that would end the call for one who is alone in it (pure).

Meet asks in the page's language. What the question is about stays recognisable: a dialog with two buttons, of which one
leaves. The page's own button to leave says how it calls leaving. Of its words, the question repeats the one for the call; a
word that is left, in one of the two buttons and not in the other, is the one for leaving, and the other button stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from worker.platforms.meet.facts import Dialog, Facts
from worker.platforms.signs import plain

_SYLLABLES: Final = "\u1100"
"""From here on (Unicode: Hangul, kana, Chinese) a letter is a syllable or a word, and there may be no blanks between words."""

_SHORTEST: Final = 3
"""Letters of a word that can be the one for leaving; shorter ones are articles and the like."""


def staying_answer(dialog: Dialog, facts: Facts) -> str | None:
    """The label of the button that stays in the call; None where that cannot be known.

    Names of people do not matter: where a dialog's buttons have one, its question has it, too.
    """
    if len(facts.dialogs) != 1 or not _has_two_answers(dialog):
        return None
    question = plain(dialog.question)
    leaving = [part for part in _parts(facts.leave_label) if part not in question]
    first, second = dialog.answers
    first_leaves, second_leaves = (
        any(part in plain(answer) for part in leaving) for answer in dialog.answers
    )
    if first_leaves == second_leaves:
        return None
    return second if first_leaves else first


def is_asked_alone(dialog: Dialog, facts: Facts) -> bool:
    """Whether the dialog offers two answers while nobody but the bot is seen in the call, as Meet's question does."""
    return _has_two_answers(dialog) and facts.tiles <= 1 and len(facts.dialogs) == 1


def _has_two_answers(dialog: Dialog) -> bool:
    return len(dialog.answers) == len(set(map(plain, dialog.answers)) - {""}) == 2


def _parts(text: str) -> Iterator[str]:
    """The words of ``text``, of at least _SHORTEST letters; in scripts of syllables all pairs that stand side by side."""
    for word in "".join(each if each.isalnum() else " " for each in plain(text)).split():
        if max(word) >= _SYLLABLES:
            yield from (word[at : at + 2] for at in range(len(word) - 1))
        elif len(word) >= _SHORTEST:
            yield word
