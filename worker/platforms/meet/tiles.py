"""What a participant's tile, or line in the list of people, says of them (pure)."""

from __future__ import annotations

import re
from typing import Final

from worker.platforms.signs import plain
from worker.tape.events import Tile

_NAMING: Final = tuple(
    map(
        re.compile,
        (
            r"(?:Pin|Unpin) (.+) (?:to|from) your main screen",
            r"More options for (.+)",
            r"More actions for (.+)",
            r"Fixar (.+) na tela principal",
        ),
    )
)
"""Labels of a tile's buttons that contain the name. Observed on saved pages of 2026, in English and Portuguese; "Unpin" and
"actions" are inference."""

_WAITING_LIST: Final = ("waiting", "wants to join", "want to join", "asking to join")
"""Parts of the label of the list of people in the waiting room, in plain() form. That they have another list than those in the
call was observed, its label is inference."""

_ADMITTING: Final = re.compile(r"(?:admit|deny|let in)\b")
"""How the label of a button begins that a line of the waiting room has, in plain() form. Inference."""

_PRESENTATION: Final = re.compile(
    r"(.+) \((?:Presentation|Presenting|Apresentação|Präsentation|Presentación|Présentation)\)"
)
"""How Meet names the tile of a presentation. The English form was observed, the others are inference."""


def shown_name(tile: Tile) -> str:
    """The participant's name, empty where the tile shows none.

    A text of the tile counts if a label of its buttons contains it, or none names anybody: what an icon font writes, and
    looks like a name, is in no such label.
    """
    named = [match[1] for label in tile.labels for form in _NAMING if (match := form.fullmatch(label))]
    if not named or any(tile.name and tile.name in each for each in named):
        return tile.name
    return named[0]


def waits(tile: Tile) -> bool:
    """Whether the participant is in the waiting room."""
    listed_in = plain(tile.listed_in)
    return any(part in listed_in for part in _WAITING_LIST) or any(
        _ADMITTING.match(plain(label)) for label in tile.labels
    )


def presenter(name: str) -> str | None:
    """The name of the participant whose presentation the tile of this ``name`` shows; None where it is no presentation's."""
    match = _PRESENTATION.fullmatch(name)
    return match[1] if match else None
