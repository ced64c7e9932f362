from __future__ import annotations

import pytest

from worker.platforms.meet.tiles import presenter, shown_name, waits
from worker.tape.events import Tile


def tile(name: str = "", labels: list[str] | None = None, listed_in: str = "") -> Tile:
    return Tile(participant_id="x", name=name, sources=[], labels=labels or [], listed_in=listed_in)


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("Ben Own", ["Pin Ben Own to your main screen", "More options for Ben Own"], "Ben Own"),
        ("Ben", ["More options for Ben Own"], "Ben"),
        ("Ben Own", ["Reframe", "Backgrounds and effects"], "Ben Own"),
        ("Ben Own", [], "Ben Own"),
        ("keep_outline", ["Pin Ben Own to your main screen"], "Ben Own"),
        ("", ["Reframe", "More options for Ben Own"], "Ben Own"),
        ("", ["Fixar Ben Own na tela principal"], "Ben Own"),
        ("", ["Unpin Ben Own from your main screen"], "Ben Own"),
        ("", ["Reframe"], ""),
        ("more_vert", ["More options for more_vert"], "more_vert"),
    ],
)
def test_labels_name_a_tile_that_shows_no_name_or_another(
    name: str, labels: list[str], expected: str
) -> None:
    assert shown_name(tile(name, labels)) == expected


@pytest.mark.parametrize(
    ("labels", "listed_in", "expected"),
    [
        ([], "Waiting to join", True),
        ([], "People who want to join", True),
        (["Admit Ben"], "", True),
        (["Deny entry"], "", True),
        ([], "In the call", False),
        (["More options for Admit Ben"], "", False),
        (["Denys, pin"], "", False),
        ([], "", False),
    ],
)
def test_a_waiting_participant_is_recognized_by_the_list_or_its_buttons(
    labels: list[str], listed_in: str, expected: bool
) -> None:
    assert waits(tile("Ben", labels, listed_in)) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ben Own (Presentation)", "Ben Own"),
        ("Ben (Sales) (Presentation)", "Ben (Sales)"),
        ("Ben (Sales)", None),
        ("(Presentation)", None),
        ("Presentation", None),
    ],
)
def test_a_presentation_is_known_by_its_name(name: str, expected: str | None) -> None:
    assert presenter(name) == expected
