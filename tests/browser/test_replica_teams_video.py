"""The replica's Teams shows video in a real Chromium: whose picture is in which tile, read from the pictures themselves."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from playwright.async_api import Page as BrowserPage

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.teams.links import HOSTS
from fixtures.replica.teams.mix_scenario import MixMedia
from fixtures.replica.teams.scenario import TeamsPage
from fixtures.replica.truth import read_truth
from fixtures.replica.video.counter import CounterError, read_mark
from fixtures.replica.video.scenario import CameraSize, VideoMedia
from tests.support.replica_browser import replica_browser

PATIENCE = 15.0
ALWAYS = [(0.0, 60.0)]

TILES = """() => [...document.querySelectorAll("[data-cid=calling-participant-stream] video")].map((video) => {
  const tile = video.closest("[data-cid=calling-participant-stream]");
  const shown = { name: tile.dataset.tid, kind: tile.dataset.streamType, height: video.videoHeight };
  if (!video.videoWidth) return { ...shown, pixels: "" };
  const context = new OffscreenCanvas(320, 180).getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, 320, 180);
  const { data } = context.getImageData(0, 0, 320, 180);
  let bytes = "";
  for (let at = 1; at < data.length; at += 4) bytes += String.fromCharCode(data[at]);
  return { ...shown, pixels: btoa(bytes) };
})"""
"""The pictures in the tiles, made as small as the smallest, as the green of each pixel."""


class Tile(NamedTuple):
    """A tile with a picture: whose it should be and whose it is. ``person`` is None until a picture is there."""

    name: str
    kind: str
    person: str | None
    height: int


def person(index: int, name: str, **fields: Any) -> Participant:
    return Participant(name=name, voice="elif", csrc=414 + 213 * index, host=not index, **fields)


def meeting(people: list[Participant], **fields: Any) -> Scenario:
    return Scenario(
        title="test",
        platform="microsoft_teams",
        duration=60.0,
        participants=people,
        video=VideoMedia(codec="h264", loss=0.01),
        teams=TeamsPage(lobby=0.0),
        **fields,
    )


def read(shown: dict[str, Any], people: list[Participant]) -> Tile:
    whose = None
    if shown["pixels"]:
        grey = np.frombuffer(base64.b64decode(shown["pixels"]), np.uint8)
        try:
            mark = read_mark(grey.reshape(180, 320))
        except CounterError:
            whose = "?"
        else:
            kind = {"webcam": "Video", "screenshare": "ScreenSharing"}[mark.kind]
            whose = people[mark.person].name if kind == shown["kind"] else mark.kind
    return Tile(shown["name"], shown["kind"], whose, shown["height"])


async def tiles_until(
    page: BrowserPage, people: list[Participant], met: Callable[[dict[str, Tile]], bool]
) -> dict[str, Tile]:
    """The tiles with pictures, once they meet the condition; a screen is under ``screen NAME``."""
    tiles: dict[str, Tile] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [read(shown, people) for shown in await page.evaluate(TILES)]
                tiles = {("screen " if tile.kind != "Video" else "") + tile.name: tile for tile in found}
                if met(tiles):
                    return tiles
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"tiles: {tiles}")


def shows(*names: str) -> Callable[[dict[str, Tile]], bool]:
    """Whether these tiles and no others have pictures, and each one its own person's."""

    def met(tiles: dict[str, Tile]) -> bool:
        return set(tiles) == set(names) and all(tile.person == tile.name for tile in tiles.values())

    return met


async def join(page: BrowserPage, url: str) -> None:
    await page.goto(url)
    await page.fill("[data-tid=prejoin-display-name-input]", "Test bot")
    await page.click("[data-tid=prejoin-join-button]:enabled")


async def choose(page: BrowserPage, *selectors: str) -> None:
    await page.click(".view")
    for selector in selectors:
        await page.click(selector)


async def test_tiles_show_their_people(tmp_path: Path) -> None:
    trio = [
        person(
            0,
            "Ada Ray",
            cameras=ALWAYS,
            camera_sizes=[CameraSize(at=0.0, height=360)],
            presents=[(5.0, 60.0)],
            says=ALWAYS,
        ),
        person(1, "Ben Oak", cameras=ALWAYS, presents=[(0.0, 5.0)]),
        person(2, "Cleo Finch", cameras=[(2.0, 60.0)]),
    ]
    everything = shows("Ada Ray", "Ben Oak", "Cleo Finch", "screen Ada Ray")
    async with replica_browser(HOSTS, "") as browser:
        truth = tmp_path / "offer.jsonl"
        async with browser.visiting(meeting(trio, mix=MixMedia(reconnects=[3.5])), truth) as (replica, page):
            await join(page, replica.meeting_url)
            tiles = await tiles_until(page, trio, everything)
            assert (tiles["Ada Ray"].height, tiles["screen Ada Ray"].height) == (180, 720)
            await choose(page, "#custom-view-button-SpeakerViewButton")
            await tiles_until(page, trio, lambda tiles: tiles["Ada Ray"].height == 360)
            await choose(page, "#incoming-video-button")
            await tiles_until(page, trio, shows())
            replica.end_meeting()
            assert await replica.wait_ended() == "host_ended"
            assert replica.page_reports[-1].errors == []
        frames = read_truth(truth).frames
        assert {frame.connection for frame in frames} == {0, 1}
        screens = [frame for frame in frames if frame.kind == "screenshare"]
        assert [frame.participant for frame in screens] == sorted(
            (frame.participant for frame in screens), reverse=True
        ), "Ben shows his, then Ada hers"
        assert {frame.slot for frame in screens} == {10}
        assert {frame.slot for frame in frames} == {1, 2, 3, 10}
        assert any(frame.repeated for frame in frames), "lost packets were sent again"

        own_offer = meeting(trio, mix=MixMedia(signalling="add_transceiver"))
        async with browser.visiting(own_offer, tmp_path / "answer.jsonl") as (replica, page):
            await join(page, replica.meeting_url)
            await tiles_until(page, trio, everything)
            assert replica.page_reports[-1].errors == []
