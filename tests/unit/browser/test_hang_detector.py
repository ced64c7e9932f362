from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser import hang_detector
from worker.browser.hang_detector import until_hung


class AskedPage:
    """A page that answers with ``answer``; ``asked`` counts how often it was asked."""

    def __init__(self, answer: Callable[[], None] = lambda: None) -> None:
        self.asked = 0
        self._answer = answer

    async def evaluate(self, script: str) -> None:
        self.asked += 1
        self._answer()


class SilentPage(AskedPage):
    """A page that never answers."""

    async def evaluate(self, script: str) -> None:
        self.asked += 1
        await asyncio.Event().wait()


class Checks:
    """The clock of a detector that checks a page every second; its scripts were seen running at the times ``seen``."""

    def __init__(
        self, page: AskedPage, monkeypatch: pytest.MonkeyPatch, seen: Callable[[float], float | None]
    ) -> None:
        self.page = page
        self.now = 0.0
        self._seen = seen
        self._left = 0
        monkeypatch.setattr(hang_detector, "_HUNG_PERIOD", 1.0)
        monkeypatch.setattr(hang_detector, "HUNG_TIMEOUT", 0.01)
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    async def run(self, checks: int) -> str | None:
        """Returns what the detector found within so many checks; None: nothing."""
        self._left = checks
        try:
            return await until_hung(cast(Page, self.page), lambda: self._seen(self.now), lambda: self.now)
        except asyncio.CancelledError:
            return None

    async def _sleep(self, seconds: float) -> None:
        if not self._left:
            raise asyncio.CancelledError
        self._left -= 1
        self.now += seconds


def refuse() -> None:
    raise PlaywrightError("the page is navigating")


async def test_a_page_whose_scripts_run_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(SilentPage(), monkeypatch, lambda now: now - 0.5)
    assert await checks.run(10) is None
    assert checks.page.asked == 0


@pytest.mark.parametrize("seen", [lambda now: None, lambda now: 0.5], ids=["never", "once"])
async def test_a_page_whose_scripts_were_not_seen_since_the_last_check_is_asked(
    monkeypatch: pytest.MonkeyPatch, seen: Callable[[float], float | None]
) -> None:
    checks = Checks(AskedPage(), monkeypatch, seen)
    assert await checks.run(10) is None
    assert checks.page.asked == (10 if seen(1.0) is None else 9)


async def test_a_page_that_does_not_answer_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(SilentPage(), monkeypatch, lambda now: min(now, 3.0))
    assert await checks.run(10) == "the page did not answer for 0 s"
    assert (checks.page.asked, checks.now) == (1, 5.0)


async def test_a_page_that_cannot_answer_now_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(AskedPage(refuse), monkeypatch, lambda now: None)
    assert await checks.run(3) is None
    assert checks.page.asked == 3
