from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import msgspec
import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from tests.support.fake_page import FakeElement, FakePage, sign
from worker.platforms import page_driver as module
from worker.platforms.page_driver import PageDriver
from worker.platforms.signs import Sign

LEAVE, CANCEL = sign("leave"), sign("cancel")


class Shown(msgspec.Struct, frozen=True):
    count: int = 0


class Documents:
    """A page that goes through ``documents``; each returns its answers to looks one after another, an exception is raised."""

    def __init__(self, *documents: list[str | PlaywrightError | None]) -> None:
        self._documents = list(documents)
        self.prepared = 0
        self.disposed = 0

    async def evaluate_handle(self, script: str, wanted: object) -> Documents:
        if not self._documents[0]:
            self._documents.pop(0)
        self.prepared += 1
        return self

    async def evaluate(self, script: str) -> str | None:
        if not self._documents[0]:
            raise PlaywrightError("Execution context was destroyed")
        answer = self._documents[0].pop(0)
        if isinstance(answer, PlaywrightError):
            raise answer
        return answer

    async def dispose(self) -> None:
        self.disposed += 1
        raise PlaywrightError("JSHandle is disposed")

    def is_closed(self) -> bool:
        return False


async def counts(page: Documents, looks: int) -> list[int]:
    driver = PageDriver(cast(Page, page), "Stems")
    return [(await driver.observe("read", {"a": 1}, Shown)).count for _ in range(looks)]


async def test_a_document_gets_the_script_once_and_returns_changes() -> None:
    page = Documents(['{"count": 1}', None, None, '{"count": 2}', None])
    assert await counts(page, 5) == [1, 1, 1, 2, 2]
    assert page.prepared == 1


async def test_the_document_after_a_navigation_is_read_at_the_same_look() -> None:
    page = Documents(['{"count": 1}', None], ['{"count": 2}'])
    assert await counts(page, 3) == [1, 1, 2]
    assert (page.prepared, page.disposed) == (2, 1)


@pytest.mark.parametrize("answer", ["{", "[]", '{"count": "many"}', PlaywrightError("navigating")])
async def test_a_document_that_cannot_be_read_is_read_anew(answer: str | PlaywrightError) -> None:
    page = Documents([answer, '{"count": 2}', None])
    assert await counts(page, 3) == [0, 2, 2]
    assert (page.prepared, page.disposed) == (2, 1)


async def test_each_wanted_value_has_separate_changes() -> None:
    page = Documents(['{"count": 1}', '{"count": 2}', None, None])
    driver = PageDriver(cast(Page, page), "Stems")
    wanted = [{"text": True}, {"text": False}] * 2
    assert [(await driver.observe("read", each, Shown)).count for each in wanted] == [1, 2, 1, 2]


class SlowDocument:
    """A page with one state, which each preparation returns once; an answer may be held on its way."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.on_its_way = asyncio.Event()
        self._known: bool | None = None

    async def evaluate_handle(self, script: str, wanted: object) -> SlowDocument:
        self._known = False
        return self

    async def evaluate(self, script: str) -> str | None:
        known, self._known = self._known, True
        self.told.set()
        await self.on_its_way.wait()
        return None if known else '{"count": 1}'

    def is_closed(self) -> bool:
        return False


async def test_what_a_document_told_to_a_look_that_was_cut_is_not_lost() -> None:
    page = SlowDocument()
    driver = PageDriver(cast(Page, page), "Stems")
    cut = asyncio.create_task(driver.observe("read", {}, Shown))
    await page.told.wait()
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    page.on_its_way.set()
    assert (await driver.observe("read", {}, Shown)).count == 1


class PageWithWaysOut(FakePage):
    """``shown`` are the names of the ways out that it shows; ``pressed`` those that were pressed. ``stuck``: they stay."""

    def __init__(self, *shown: Sign, stuck: bool = False) -> None:
        self.shown = {way_out.name for way_out in shown}
        self.pressed: list[str] = []
        self._stuck = stuck
        buttons = {f"#{name}": FakeElement(partial(self._press, name)) for name in self.shown}
        super().__init__(elements=buttons)

    async def visible(self) -> frozenset[str]:
        return frozenset(self.shown)

    def _press(self, name: str) -> None:
        self.pressed.append(name)
        if not self._stuck:
            self.shown.clear()


async def leave(page: PageWithWaysOut) -> None:
    await PageDriver(cast(Page, page), "Stems").leave_by((LEAVE, CANCEL), page.visible)


@pytest.mark.parametrize(
    ("shown", "pressed"), [((LEAVE, CANCEL), ["leave"]), ((CANCEL,), ["cancel"]), ((), [])]
)
async def test_leave_by_presses_the_first_way_out_that_is_visible(
    shown: tuple[Sign, ...], pressed: list[str]
) -> None:
    page = PageWithWaysOut(*shown)
    await leave(page)
    assert page.pressed == pressed


async def test_leave_by_gives_up_waiting_after_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAVE_TIMEOUT", 0.15)
    page = PageWithWaysOut(LEAVE, CANCEL, stuck=True)
    await leave(page)
    assert page.pressed == ["leave"]
