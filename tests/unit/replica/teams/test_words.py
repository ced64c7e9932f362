"""The words of the local Teams' pages: every language has every text, and templates name only texts that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import fixtures.replica.teams
from fixtures.replica.teams.scenario import Language, Wall

PAGES = Path(fixtures.replica.teams.__file__).parent / "pages"
LANGUAGES = get_args(Language)
FORMED = {"none", "wrong_link", "sign_in_redirect"}
"""Walls without a text of their own name in the meeting's page."""


def texts(language: str) -> dict[str, str]:
    source = (PAGES / "words" / f"{language}.js").read_text("utf-8")
    return dict(re.findall(r'^ {2}(\w+): "(.*)",$', source, re.MULTILINE))


def is_latin(text: str) -> bool:
    return all(ord(letter) < 0x250 for letter in text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    assert texts(language).keys() == texts("en").keys()
    assert all(texts(language).values())


def test_two_languages_are_not_written_in_latin_letters() -> None:
    assert [language for language in LANGUAGES if not is_latin(texts(language)["deniedTitle"])] == [
        "ja",
        "ar",
    ]


def test_pages_name_only_texts_that_exist() -> None:
    named = {
        key
        for page in PAGES.glob("*.html")
        for key in re.findall(r'data-(?:text|label|placeholder|title)="(\w+)"', page.read_text("utf-8"))
    }
    assert named <= texts("en").keys()
    assert {f"{wall}Title" for wall in get_args(Wall) if wall not in FORMED} <= texts("en").keys()
