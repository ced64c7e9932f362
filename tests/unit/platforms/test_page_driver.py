from __future__ import annotations

from functools import partial
from typing import cast

import pytest
from playwright.async_api import Page

from tests.unit.platforms.fake_page import FakeElement, FakePage, sign
from worker.platforms import page_driver as module
from worker.platforms.page_driver import PageDriver
from worker.platforms.signs import Sign

LEAVE, CANCEL = sign("leave"), sign("cancel")


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
