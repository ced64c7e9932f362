"""A page with a CSP like Meet's that calls itself, and what the tap hears of it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from playwright.async_api import Page, Route

from worker.browser.injected_scripts import TapLimits, VideoLimits
from worker.browser.launch import BrowserSession, new_context
from worker.browser.tap import Tap, TappedEvent
from worker.platforms.registry import PLATFORMS
from worker.tape.events import (
    Batch,
    DocumentClosed,
    Frame,
    FrameBatch,
    PageEvent,
    PageFault,
    ReceiverTapped,
    VideoBatch,
    VideoFrame,
)

ORIGIN = "https://example.test"
CSP = "require-trusted-types-for 'script'; script-src 'nonce-a'; worker-src 'none'; object-src 'none'"
SCRIPT = (Path(__file__).parent / "loopback.js").read_text("utf-8")
HTML = f"<!doctype html><html lang=en><title>Loopback</title><body><script nonce=a>{SCRIPT}</script></body></html>"

ALL_SCRIPTS = tuple(script for entry in PLATFORMS.values() for script in entry.page_scripts)

E = TypeVar("E", bound=PageEvent)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until the condition is true. Raises TimeoutError after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - any condition, not one event
            await asyncio.sleep(0.02)


class Loopback:
    """The page, the batches of frames with the times of their arrival, and the other events."""

    page: Page
    tap: Tap

    def __init__(self) -> None:
        self.batches: list[tuple[float, FrameBatch]] = []
        self.videos: list[VideoBatch] = []
        self.events: list[PageEvent | DocumentClosed] = []

    @classmethod
    async def open(
        cls,
        session: BrowserSession,
        limits: TapLimits | None = None,
        init_script: str = "",
        video: VideoLimits | None = None,
    ) -> Loopback:
        """``init_script`` runs in each document before the tap's scripts."""
        context = await new_context(session)
        await context.add_init_script(init_script)
        self = cls()
        self.tap = await Tap.attach(context, self.hear, ALL_SCRIPTS, limits, video=video)
        self.page = await self.tap.open_page()
        await context.route(f"{ORIGIN}/**", _serve)
        await self.page.goto(f"{ORIGIN}/")
        return self

    def hear(self, event: TappedEvent) -> None:
        if isinstance(event, FrameBatch):
            self.batches.append((time.time(), event))
        elif isinstance(event, VideoBatch):
            self.videos.append(event)
        else:
            self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def frames(self) -> list[Frame]:
        return [frame for _, batch in self.batches for frame in batch.frames]

    @property
    def video_frames(self) -> list[VideoFrame]:
        return [frame for batch in self.videos for frame in batch.frames]

    def frames_of(self, receiver: int) -> list[Frame]:
        return [frame for frame in self.frames if frame.receiver == receiver]

    async def until_frames(self, count: int, receiver: int | None = None) -> None:
        await until(lambda: len(self.frames if receiver is None else self.frames_of(receiver)) >= count)

    async def until_page(self, expression: str) -> None:
        """Waits until the expression, or its promise, is true in the page."""
        async with asyncio.timeout(60.0):
            while not await self.page.evaluate(expression):  # noqa: ASYNC110 - the page sends no event for it
                await asyncio.sleep(0.05)

    async def until_received(self, packets: int) -> None:
        """Waits until the page's first receiver has received this many packets, tapped or not."""
        await self.until_page("heard.receivers.length")
        await self.until_page(
            f"inbound(heard.receivers[0]).then((stats) => stats.packetsReceived >= {packets})"
        )

    @property
    def listeners(self) -> list[ReceiverTapped]:
        """The receivers of the listening side, whose connection always opens second."""
        return [event for event in self.of(ReceiverTapped) if event.connection % 2]

    def assert_nothing_lost(self) -> None:
        """Checks that there was no fault, no lost batch, and no lost frame in any stream."""
        assert self.of(PageFault) == []
        assert (
            self.tap.counters.invalid == self.tap.counters.batches_missing == self.tap.counters.dropped == 0
        )
        assert not self.tap.failed.done()
        numbers = defaultdict(list)
        batches: list[Batch] = [*(batch for _, batch in self.batches), *self.videos]
        for batch in batches:
            numbers[type(batch), batch.document].append(batch.sequence)
        counters = self.tap.counters
        assert counters.video_batches_missing == counters.video_dropped == 0
        for sequences in numbers.values():
            assert sequences == list(range(len(sequences)))
        for ssrc in {frame.ssrc for frame in self.frames}:
            assert missing(self.frames, ssrc) == 0


def missing(frames: list[Frame], ssrc: int) -> int:
    """How many sequence numbers are missing between the first and the last of a stream."""
    numbers = [frame.sequence for frame in frames if frame.ssrc == ssrc]
    return (numbers[-1] - numbers[0] + 1) % 0x10000 - len(numbers)


async def _serve(route: Route) -> None:
    headers = {"content-security-policy": CSP}
    if "SyncMeetingSpaceCollections" in route.request.url:
        await route.fulfill(body="cm9zdGVy", content_type="application/x-protobuf")
    elif route.request.url.endswith("/broken"):
        await route.abort()
    else:
        await route.fulfill(body=HTML, content_type="text/html", headers=headers)
