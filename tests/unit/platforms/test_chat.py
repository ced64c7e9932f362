from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from tests.support.fake_page import FakeElement, FakePage, sign
from worker.lifecycle.announcement import NotAnnounced
from worker.platforms import chat as module
from worker.platforms.call import CallError
from worker.platforms.chat import Chat, shortened, write_message
from worker.platforms.page_driver import PageDriver
from worker.reasons import Reason

TEXT_AREA = Chat(toggle=sign("toggle"), field=sign("field"), limit=11)
RICH_TEXT = TEXT_AREA._replace(send=sign("send"), rich_text=True)


class ChatPage(FakePage):
    """A chat that is closed at first; its toggle opens and closes it. ``takes``: it takes messages. ``with_button``: by a
    button as well as by Enter. ``toggle_stays``: the toggle is still visible after a message was sent.
    """

    def __init__(self, *, takes: bool = True, with_button: bool = False, toggle_stays: bool = True) -> None:
        self.sent: list[str] = []
        self.takes = takes
        self.toggle_stays = toggle_stays
        self.with_button = with_button
        self.toggle = FakeElement(self._toggle)
        self.field = FakeElement(self._send, visible=False)
        self.send = FakeElement(self._send, visible=False)
        super().__init__(elements={"#toggle": self.toggle, "#field": self.field, "#send": self.send})

    def _toggle(self) -> None:
        self.field.visible = not self.field.visible
        self.send.visible = self.field.visible and self.with_button

    def _send(self) -> None:
        if self.takes:
            self.sent.append(self.field.text)
            self.field.text = ""
        self.toggle.visible = self.toggle_stays


def driver(page: FakePage) -> PageDriver:
    return PageDriver(cast(Page, page), "Stems")


@pytest.mark.parametrize("with_button", [False, True])
@pytest.mark.parametrize("chat", [TEXT_AREA, RICH_TEXT], ids=["text area", "rich text"])
async def test_write_message_opens_the_chat_sends_and_closes_it(chat: Chat, with_button: bool) -> None:
    page = ChatPage(with_button=with_button)
    assert await write_message(driver(page), chat, "Hello there") is None
    assert page.sent == ["Hello there"]
    assert not page.field.visible


async def test_write_message_cuts_the_message_to_the_limit() -> None:
    page = ChatPage()
    assert await write_message(driver(page), TEXT_AREA, "Hello there you") is None
    assert page.sent == ["Hello…"]


async def test_write_message_leaves_a_chat_open_that_was_open() -> None:
    page = ChatPage()
    page.field.visible = True
    assert await write_message(driver(page), TEXT_AREA, "Hello") is None
    assert page.field.visible


async def test_write_message_succeeds_where_the_toggle_goes_away_after_sending() -> None:
    assert await write_message(driver(ChatPage(toggle_stays=False)), TEXT_AREA, "Hello") is None


async def test_write_message_fails_where_the_page_has_no_chat() -> None:
    assert await write_message(driver(FakePage()), TEXT_AREA, "Hello") is NotAnnounced.NO_CHAT


@pytest.mark.parametrize("chat", [TEXT_AREA, RICH_TEXT], ids=["text area", "rich text"])
async def test_write_message_fails_where_the_message_stays_in_the_field(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHAT_TIMEOUT", 0.15)
    page = ChatPage(takes=False)
    assert await write_message(driver(page), chat, "Hello") is NotAnnounced.NOT_TAKEN
    assert page.field.filled == ["Hello"]


async def test_write_message_fails_where_the_panel_does_not_open() -> None:
    page = FakePage(elements={"#toggle": FakeElement()})
    assert await write_message(driver(page), TEXT_AREA, "Hello") is NotAnnounced.NOT_TAKEN


@pytest.mark.parametrize("closed", [False, True])
async def test_write_message_raises_only_once_the_page_is_gone(closed: bool) -> None:
    def fail() -> None:
        raise PlaywrightError("Target closed")

    page = FakePage(elements={"#toggle": FakeElement(fail)})
    page.closed = closed
    if not closed:
        assert await write_message(driver(page), TEXT_AREA, "Hello") is NotAnnounced.NOT_TAKEN
        return
    with pytest.raises(CallError) as error:
        await write_message(driver(page), TEXT_AREA, "Hello")
    assert error.value.reason == Reason.BROWSER_DIED


@pytest.mark.parametrize(
    ("message", "most", "shown"),
    [
        ("Hello", 5, "Hello"),
        ("Hello there", 11, "Hello there"),
        ("Hello there", 10, "Hello…"),
        ("Hello there you", 12, "Hello there…"),
        ("Helloooooo", 5, "Hell…"),
        ("Hello\nthere you", 12, "Hello\nthere…"),
        ("ab \U0001f600\U0001f600", 6, "ab…"),
        ("\U0001f600\U0001f600\U0001f600", 4, "\U0001f600…"),
        ("ab", 1, "…"),
    ],
)
def test_shortened_cuts_a_message_at_a_word(message: str, most: int, shown: str) -> None:
    assert shortened(message, most) == shown


@given(st.text(), st.integers(1, 50))
def test_shortened_never_exceeds_the_limit(message: str, most: int) -> None:
    shown = shortened(message, most)
    assert len(shown.encode("utf-16-le", "surrogatepass")) // 2 <= most
    assert shown == message or (shown.endswith("…") and message.startswith(shown[:-1].rstrip()))
