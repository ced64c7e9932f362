"""A page without a browser: what its scripts return, and the elements that its locators find."""

# ruff: noqa: ASYNC109 - the parameters are Playwright's

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from worker.platforms.signs import Sign


def sign(name: str) -> Sign:
    """A sign that is known by the selector ``#name``."""
    return Sign(name=name, selectors=(f"#{name}",), evidence_for="a test", source="this test")


class FakeElement:
    """A locator of one element. ``on_send`` is called when it is clicked, or when Enter is pressed in it."""

    first: FakeElement

    def __init__(self, on_send: Callable[[], None] = lambda: None, *, visible: bool = True) -> None:
        self.first = self
        self.visible = visible
        self.text = ""
        self.filled: list[str] = []
        self._on_send = on_send

    def filter(self, *, visible: bool) -> FakeElement:
        return self

    async def count(self) -> int:
        return int(self.visible)

    async def click(self, *, timeout: float) -> None:
        self._expect_visible()
        self._on_send()

    async def press(self, key: str, *, timeout: float) -> None:
        assert key == "Enter"
        await self.click(timeout=timeout)

    async def fill(self, text: str, *, timeout: float) -> None:
        self._expect_visible()
        self.text = text
        self.filled.append(text)

    async def input_value(self, *, timeout: float) -> str:
        self._expect_visible()
        return self.text

    async def inner_text(self, *, timeout: float) -> str:
        """Ends in a line break, as an editable element's text does."""
        return await self.input_value(timeout=timeout) + "\n"

    def _expect_visible(self) -> None:
        if not self.visible:
            raise PlaywrightTimeoutError("Timeout exceeded")


class FakeHandle:
    """A function in the page that returns JSON of what ``look`` returns."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look

    async def evaluate(self, script: str) -> str:
        return json.dumps(self._look())

    async def dispose(self) -> None:
        pass


class FakePage:
    """Returns ``shown`` one after the other when a script is evaluated, the last one for ever; an exception is raised.

    ``elements`` are found by their selectors; all others are invisible.
    """

    def __init__(self, *shown: object, elements: dict[str, FakeElement] | None = None) -> None:
        self._shown = list(shown)
        self._elements = elements or {}
        self.closed = False
        self.url = ""
        self.main_frame = self
        self.frames = [self]

    async def evaluate_handle(self, script: str, argument: object) -> FakeHandle:
        return FakeHandle(self._look)

    def _look(self) -> object:
        shown = self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]
        if isinstance(shown, Exception):
            raise shown
        return shown

    def locator(self, selector: str) -> FakeElement:
        return self._elements.get(selector) or FakeElement(visible=False)

    def is_closed(self) -> bool:
        return self.closed
