"""Every text of Meet's pages is there in each language."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import fixtures.replica.meet
from fixtures.replica.meet.scenario import JoinLabel, Language, Tip

PAGES = Path(fixtures.replica.meet.__file__).parent / "pages"
TRANSLATED = set(get_args(Language)) - {"en", "x-backwards"}
ENTRY = re.compile(r'^  "(?P<english>.+?)": \{(?P<texts>.*?)\},$', re.MULTILINE | re.DOTALL)
IN_ANY_LANGUAGE = {"Somebody will be with you in a moment", "Have a coffee"} | {
    *("Better luck next time", "Nobody comes in here today.", "So much for this one", "It was a pleasure."),
    *("{{code}}", "60", "recaptcha challenge expires in two minutes"),
}
"""Texts that no bot knows in any language, and what is no text."""


class Texts(HTMLParser):
    """The texts and labels of a page's templates."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._silent = False
        self._in_template = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_template |= tag == "template"
        self._silent = tag == "i"
        labels = (given.get(name) for name in ("aria-label", "placeholder", "data-label"))
        self.found.update(label for label in labels if label)

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        self._in_template &= tag != "template"

    def handle_data(self, data: str) -> None:
        if self._in_template and not self._silent and data.strip():
            self.found.add(data.strip())


def translations() -> dict[str, dict[str, str]]:
    source = (PAGES / "translations.js").read_text("utf-8")
    return {
        entry["english"]: dict(re.findall(r'(\w+): "(.+?)"', entry["texts"]))
        for entry in ENTRY.finditer(source)
    }


def texts_of_pages() -> set[str]:
    page = Texts()
    page.feed((PAGES / "meeting.html").read_text("utf-8"))
    written = {
        text
        for name in ("over.js", "lobby.js")
        for text in re.findall(r'"([^"]*)"', (PAGES / name).read_text("utf-8"))
        if text[:1].isupper()
    }
    tips = set(get_args(Tip)) - {"effects"}
    return (page.found | written | tips | set(get_args(JoinLabel))) - IN_ANY_LANGUAGE - {""}


def test_every_text_is_there_in_each_language() -> None:
    known = translations()
    texts = texts_of_pages()
    assert len(texts) > 80
    assert texts - set(known) == set()
    for english, texts_in in known.items():
        assert set(texts_in) == TRANSLATED, english


def test_names_stay_in_labels() -> None:
    for english, texts_in in translations().items():
        assert all(("NAME" in text) == ("NAME" in english) for text in texts_in.values()), english


def test_two_languages_are_not_latin() -> None:
    by_language = {
        language: "".join(each[language] for each in translations().values()) for language in TRANSLATED
    }
    latin = {
        language: sum(letter.isascii() and letter.isalpha() for letter in text) / len(text)
        for language, text in by_language.items()
    }
    assert sum(share < 0.2 for share in latin.values()) == 2
