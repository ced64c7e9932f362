"""What nine cameras of 360p at 15 frames a second cost Chromium, by what of their frames it gets to decode.

Another Chromium sends, so that its encoders do not count. The ways are those that browser_scripts/video_tap.js could go;
``chosen`` is the one that it goes. What a sender suffers are the key frames that Chromium requests (PLIs, for each stream).
Everything is printed, and what the choice rests on is asserted as ratios, since no test knows its machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
import pytest
from playwright.async_api import Page

from tests.benchmarks.script_lines import PASSES, REPLACES, replaced_lines
from worker.browser.injected_scripts import VideoLimits
from worker.browser.launch import BrowserSession, launch_browser, new_context
from worker.browser.page_window import PageWindow
from worker.browser.processes import browser_processes, cpu_seconds
from worker.browser.tap import Tap, TappedEvent
from worker.settings import BrowserSettings
from worker.tape.events import VideoBatch

STREAMS: Final = 9
SETTLE: Final = 4.0
MEASURE: Final = 10.0
"""Seconds. PLIs are counted from the first frame on, everything else only while it is measured."""

PAGE: Final = (Path(__file__).parent / "video_capture.js").read_text("utf-8")


class Way(NamedTuple):
    """``replaces`` and ``passes`` stand in the place of those lines; ``shown`` is what the page does with the tracks (see
    video_capture.js).
    """

    replaces: str = REPLACES
    passes: str = PASSES
    shown: str = "drawn"
    minimized: bool = False
    tapped: bool = True


ALL: Final = ""
KEYS: Final = f'    if (value.type === "key")\n{PASSES}'
BASE: Final = f"    if (!value.getMetadata().temporalIndex)\n{PASSES}"
WAYS: Final = {
    "withheld (no video asked for)": Way(tapped=False),
    "only key frames": Way(ALL, KEYS),
    "all, drawn": Way(ALL),
    "all, small tiles": Way(ALL, shown="small"),
    "all, window minimized": Way(ALL, minimized=True),
    "all, elements hidden": Way(ALL, shown="hidden"),
    "all, no elements": Way(ALL, shown="detached"),
    "all, tracks disabled": Way(ALL, shown="disabled"),
    "chosen, drawn": Way(),
    "chosen, window minimized": Way(minimized=True),
    "chosen, elements invisible": Way(shown="invisible", minimized=True),
    "chosen, no elements": Way(shown="detached", minimized=True),
    "chosen, base layer only, minimized": Way(passes=BASE, minimized=True),
}


class Cost(NamedTuple):
    """Cores, MiB of the renderer's own memory, and what became of the frames in MEASURE seconds; PLIs of the whole visit."""

    chromium: float
    worker: float
    mib: float
    plis: float
    tapped: int
    decoded: int
    dropped: int


@asynccontextmanager
async def browser(others: list[int]) -> AsyncIterator[tuple[BrowserSession, list[int], list[int]]]:
    """A Chromium with its processes and those of its driver."""
    async with launch_browser(BrowserSettings.from_environment(os.environ)) as session:
        drivers = [pid for pid in browser_processes().driver if pid not in others]
        yield (
            session,
            drivers,
            [child.pid for pid in drivers for child in psutil.Process(pid).children(recursive=True)],
        )


async def open_page(page: Page) -> Page:
    html = f"<!doctype html><title>Call</title><body><script>{PAGE}</script></body>"
    await page.context.route(
        "https://call.test/**", lambda route: route.fulfill(body=html, content_type="text/html")
    )
    await page.goto("https://call.test/")
    return page


def reachable(sdp: str) -> str:
    """Chromium hides its addresses behind names that only some networks resolve."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    return re.sub(r"[0-9a-f-]{36}\.local", address, sdp)


async def measure(way: Way, mime_type: str, sender: BrowserSession) -> Cost:
    tapped = 0

    def hear(event: TappedEvent) -> None:
        nonlocal tapped
        if isinstance(event, VideoBatch):
            tapped += len(event.frames)

    with replaced_lines({REPLACES: way.replaces, PASSES: way.passes}):
        async with browser(browser_processes().driver) as (session, drivers, _):
            context = await new_context(session)
            tap = await Tap.attach(context, hear, video=VideoLimits() if way.tapped else None)
            page = await open_page(await tap.open_page())
            window = PageWindow(page)
            sending = await open_page(await (await new_context(sender)).new_page())
            offer = await sending.evaluate(f"offer({STREAMS}, {mime_type!r})")
            answer = await page.evaluate(
                "([sdp, shown]) => answer(sdp, shown)", [reachable(offer), way.shown]
            )
            await sending.evaluate("accept", reachable(answer))
            if way.minimized:
                await window._set("minimized")
            await asyncio.sleep(SETTLE)
            chromium = [
                child.pid for pid in drivers for child in psutil.Process(pid).children(recursive=True)
            ]
            first, before, cpu = await page.evaluate("totals()"), tapped, cpu_seconds(chromium)
            ours = cpu_seconds([os.getpid(), *drivers])
            await asyncio.sleep(MEASURE)
            cpu, ours = cpu_seconds(chromium) - cpu, cpu_seconds([os.getpid(), *drivers]) - ours
            last: dict[str, Any] = await page.evaluate("totals()")
            count = tapped - before
            mib = sum(psutil.Process(pid).memory_full_info().uss for pid in chromium) / 2**20
            await sending.context.close()
    return Cost(
        chromium=cpu / MEASURE,
        worker=ours / MEASURE,
        mib=mib,
        plis=(last["pliCount"] - first["pliCount"]) * 60 / MEASURE / STREAMS,
        tapped=count,
        decoded=last["framesDecoded"] - first["framesDecoded"],
        dropped=last["framesDropped"] - first["framesDropped"],
    )


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mime_type", ["video/H264", "video/VP9"])
async def test_what_chromium_must_decode(mime_type: str) -> None:
    costs: dict[str, Cost] = {}
    async with browser([]) as (sender, _, _):
        for name, way in WAYS.items():
            costs[name] = await measure(way, mime_type, sender)
            print(f"\n{mime_type} {name}: {costs[name]}", end="")
    print(f"\n\n{mime_type}, {STREAMS} streams of 640 × 360 at 15 frames a second, {MEASURE:.0f} s each")
    print(
        f"{'':32}{'Chromium':>10}{'worker':>8}{'MiB':>6}{'PLI/min':>9}{'tapped':>8}{'decoded':>9}{'dropped':>9}"
    )
    for name, cost in costs.items():
        print(
            f"{name:32}{cost.chromium:10.3f}{cost.worker:8.3f}{cost.mib:6.0f}{cost.plis:9.1f}"
            f"{cost.tapped:8}{cost.decoded:9}{cost.dropped:9}"
        )
    chosen = costs["chosen, window minimized"]
    # Nobody's sender is troubled, nothing that was sent is missing, and it is cheaper than to decode what nobody watches.
    assert chosen.plis <= 1
    assert chosen.tapped >= 0.9 * STREAMS * 15 * MEASURE
    assert chosen.chromium < 0.95 * costs["all, window minimized"].chromium
    assert costs["withheld (no video asked for)"].plis > 60
