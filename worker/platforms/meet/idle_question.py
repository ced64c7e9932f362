"""Answers a question of unknown words that would end the call for one who is alone in it (pure).

Meet asks in the page's language. What the question is about stays recognisable: a dialog with two buttons, of which one
leaves. The page's own button to leave says how it calls leaving. Of its words, the question repeats the one for the call; a
word that is left, in one of the two buttons and not in the other, is the one for leaving, and the other button stays.
"""

from __future__ import annotations

from collections.abc import Iterator

from worker.platforms.meet.facts import Dialog, Facts
from worker.platforms.signs import plain

_SYLLABLES = "\u1100"
"""From here on (Unicode: Hangul, kana, Chinese) a letter is a syllable or a word, and there may be no blanks between words."""


def staying_answer(dialog: Dialog, facts: Facts) -> str | None:
    """The label of the button that stays in the call; None where that cannot be known, or somebody else may be asking."""
    if not is_asked_alone(dialog, facts):
        return None
    question = plain(dialog.question)
    leaving = {part for part in _parts(facts.leave_label) if part not in question}
    first, second = dialog.answers
    first_leaves, second_leaves = (bool(leaving & set(_parts(answer))) for answer in dialog.answers)
    if first_leaves == second_leaves:
        return None
    return second if first_leaves else first


def is_asked_alone(dialog: Dialog, facts: Facts) -> bool:
    """Whether the dialog offers two answers, and nobody but the bot is seen in the call: with others in it a dialog may come
    from them, and Meet asks nobody who has company.
    """
    two = len(dialog.answers) == 2 and len(set(map(plain, dialog.answers)) - {""}) == 2
    return two and facts.tiles <= 1 and len(facts.dialogs) == 1


def _parts(text: str) -> Iterator[str]:
    """The words of ``text``, of at least two letters; in scripts of syllables all pairs that stand side by side."""
    for word in "".join(each if each.isalnum() else " " for each in plain(text)).split():
        if max(word) >= _SYLLABLES:
            yield from (word[at : at + 2] for at in range(len(word) - 1))
        elif len(word) > 1:
            yield word
