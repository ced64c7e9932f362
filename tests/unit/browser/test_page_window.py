from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser.page_window import REST_AFTER, PageWindow


class FakePage:
    """A page, its context and its CDP session in one. ``states`` are the window's; ``refuses``: it does not change."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.context = self
        self.states: list[str] = []
        self._refuses = refuses

    async def new_cdp_session(self, page: object) -> FakePage:
        return self

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, int]:
        if params is None:
            assert method == "Browser.getWindowForTarget"
            return {"windowId": 7}
        if self._refuses:
            raise PlaywrightError("not supported")
        assert (method, params["windowId"]) == ("Browser.setWindowBounds", 7)
        self.states.append(params["bounds"]["windowState"])
        return {}


class Run:
    def __init__(self, *, minimizes: bool = True, refuses: bool = False) -> None:
        self.now = 100.0
        self.page = FakePage(refuses=refuses)
        self.window = PageWindow(cast(Page, self.page), minimizes=minimizes, clock=lambda: self.now)

    async def rest_after(self, seconds: float) -> list[str]:
        self.now += seconds
        await self.window.rest()
        return self.page.states


async def test_a_window_rests_once_no_step_was_taken_for_a_while() -> None:
    run = Run()
    assert await run.rest_after(REST_AFTER - 1) == []
    async with run.window.restored():
        assert await run.rest_after(REST_AFTER + 1) == []
    assert await run.rest_after(REST_AFTER - 1) == []
    assert await run.rest_after(1) == ["minimized"]
    assert await run.rest_after(REST_AFTER) == ["minimized"]


async def test_a_step_restores_the_window_and_a_later_look_minimizes_it_again() -> None:
    run = Run()
    await run.rest_after(REST_AFTER)
    async with run.window.restored():
        assert run.page.states == ["minimized", "normal"]
        async with run.window.restored():
            pass
        assert await run.rest_after(REST_AFTER) == ["minimized", "normal"]
    assert await run.rest_after(REST_AFTER) == ["minimized", "normal", "minimized"]


async def test_a_step_that_fails_counts_as_one() -> None:
    run = Run()
    await run.rest_after(REST_AFTER)
    with pytest.raises(PlaywrightError):
        async with run.window.restored():
            raise PlaywrightError("no such button")
    assert await run.rest_after(REST_AFTER - 1) == ["minimized", "normal"]
    assert await run.rest_after(1) == ["minimized", "normal", "minimized"]


async def test_minimizing_can_be_turned_off() -> None:
    run = Run(minimizes=False)
    assert await run.rest_after(REST_AFTER) == []
    async with run.window.restored():
        assert run.page.states == []


async def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    run = Run(refuses=True)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await run.rest_after(REST_AFTER)
    assert [record.getMessage() for record in caplog.records] == [
        "the window is not minimized: not supported"
    ]
    assert not run.window.minimized
