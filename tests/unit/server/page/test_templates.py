from __future__ import annotations

from html.parser import HTMLParser
from importlib.resources import files

from hypothesis import given
from hypothesis import strategies as st

from worker.safe_text import printable
from worker.server.page.call_events import EventView
from worker.server.page.deliveries import Try
from worker.server.page.templates import LONGEST_TEXT, asset, asset_version, render
from worker.server.page.views import ListedBot, Moment, StateView

WORDS = st.text(st.characters() | st.sampled_from("<>\"'&{}%\u202e\u2066\x00\n"), max_size=30)


class Reader(HTMLParser):
    """Which elements and attributes there are, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[str]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, [name for name, _ in attrs]))
        self.words += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def row(words: str) -> Reader:
    at = Moment("", words)
    bot = ListedBot("id", words, words, words, StateView("done", words), words, at, at, at, words)
    return Reader(render("row.html", base="", bot=bot))


@given(WORDS.filter(str.strip))
def test_whatever_people_write_is_text_and_stays_on_its_line(words: str) -> None:
    found, plain = row(words), row("x")
    assert found.elements == plain.elements
    assert sum(printable(words, LONGEST_TEXT) in text for text in found.words) >= 5
    assert all(letter not in "".join(found.words) for letter in "\u202e\u2066\x00")


@given(WORDS, WORDS)
def test_messages_and_answers_of_receivers_are_text(who: str, text: str) -> None:
    def shown(who: str, text: str) -> Reader:
        state = StateView("done", "Done")
        at = Moment("", "today")
        html = render(
            "bot.html",
            base="",
            error="",
            bot=ListedBot("id", who, who, "Google Meet", state, "", at, None, None, ""),
            state=state,
            is_over=True,
            blame="",
            commands=[],
            steps=[],
            recording=None,
            events=[EventView("0:01", who, "wrote", text or "x")],
            tries=[Try(at, who, text, who)],
            ignored=[who],
        )
        return Reader(html)

    found, plain = shown(who, text), shown("x", "x")
    assert found.elements == plain.elements
    assert all(letter not in "".join(found.words) for letter in "\u202e\u2066\x00")


def test_every_asset_is_served_and_changes_the_version() -> None:
    folder = files("worker.server.page").joinpath("assets")
    names = [each.name for each in folder.iterdir()]
    assert sorted(names) == ["icon.svg", "page.css", "page.js"]
    assert all(asset(name) is not None for name in names)
    assert asset("../routes.py") is None
    assert len(asset_version()) == 12
