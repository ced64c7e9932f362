from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from playwright.async_api import Page

from worker.browser.launch import BrowserSession
from worker.browser.tap import Tap
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording import interruptions
from worker.recording.interruptions import Interruptions
from worker.tape.errors import TapeWriteError

NOW = 1_800_000_000.0


class AnsweringPage:
    """A page that does not hang."""

    async def evaluate(self, script: str) -> None:
        await asyncio.Event().wait()


class Recording:
    """What interrupts a recording, and a call that goes on."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[Ending] = loop.create_future()
        self.failed: asyncio.Future[Exception] = loop.create_future()
        self.died: asyncio.Future[str] = loop.create_future()
        self.interruptions = Interruptions(
            cast(BrowserSession, SimpleNamespace(died=self.died)),
            cast(Tap, SimpleNamespace(failed=self.failed, last_heartbeat=NOW - 1.0)),
            cast(Page, AnsweringPage()),
            self.stopped,
            lambda: NOW,
        )

    async def wait(self) -> Ending | None:
        call = asyncio.create_task(asyncio.sleep(3600))
        try:
            return await self.interruptions.wait_beside(call)
        finally:
            call.cancel()


async def test_a_stop_is_dated_by_the_recordings_clock() -> None:
    """The system's clock was an hour ahead where the stop was made."""
    recording = Recording()
    recording.stopped.set_result(Ending(Reason.DRAINED, "SIGTERM", NOW + 3600))
    assert await recording.wait() == Ending(Reason.DRAINED, "SIGTERM", NOW)


async def test_every_interruption_is_dated_by_the_recordings_clock() -> None:
    died, failed = Recording(), Recording()
    died.died.set_result("gone")
    failed.failed.set_result(TapeWriteError("full"))
    assert await died.wait() == Ending(Reason.BROWSER_DIED, "gone", NOW)
    assert await failed.wait() == Ending(Reason.TAPE_FAILED, "full", NOW)


async def test_a_stop_has_precedence() -> None:
    recording = Recording()
    recording.died.set_result("gone")
    recording.stopped.set_result(Ending(Reason.DRAINED, "SIGTERM", NOW))
    ending = await recording.wait()
    assert ending is not None
    assert ending.reason is Reason.DRAINED


async def test_a_call_that_ends_by_itself_is_no_interruption() -> None:
    recording = Recording()
    assert await recording.interruptions.wait_beside(asyncio.create_task(asyncio.sleep(0))) is None


async def test_the_hang_detector_knows_when_the_page_was_seen_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[object, ...]] = []

    async def detect(page: Page, seen_running: Callable[[], float | None], clock: Callable[[], float]) -> str:
        told.append((seen_running(), clock()))
        return "it hangs"

    monkeypatch.setattr(interruptions, "until_hung", detect)
    assert await Recording().wait() == Ending(Reason.PAGE_HUNG, "it hangs", NOW)
    assert told == [(NOW - 1.0, NOW)]
