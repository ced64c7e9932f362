"""The replica's video in a real Chromium, without any of the worker's scripts: what arrives, and what is decoded of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import async_playwright, expect

from fixtures.replica.meet.media import MeetingMedia
from fixtures.replica.scenario import Media, Page, Participant, Scenario
from fixtures.replica.truth import TruthFrame, read_truth
from fixtures.replica.video.counter import Mark, read_mark
from fixtures.replica.video.scenario import MOST_LAYERS, CameraSize, Codec, VideoMedia
from tests.browser.test_replica_pages import ask_to_join, visiting
from worker.browser.launch import find_chromium
from worker.settings import BrowserSettings

SECONDS = 4.0
ASK_AFTER = 1000
"""Milliseconds after its first frame a receiver asks for a key frame."""

RECEIVE = """
async ({ sdp, name }) => {
    const source = `
        const hex = async (data) => {
            const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
            return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        };
        onrtctransform = ({ transformer }) => {
            let asks = true;
            const transform = async (frame, controller) => {
                if (asks) setTimeout(() => transformer.sendKeyFrameRequest(), ASK_AFTER);
                asks = false;
                const { synchronizationSource: ssrc } = frame.getMetadata();
                postMessage({ ssrc, type: frame.type, hash: await hex(frame.data) });
                controller.enqueue(frame);
            };
            transformer.readable.pipeThrough(new TransformStream({ transform })).pipeTo(transformer.writable);
        };`;
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const one = { pc, frames: [], pictures: [], streams: [] };
    (window.all ??= {})[name] = one;
    const worker = new Worker(URL.createObjectURL(new Blob([source])));
    worker.onmessage = ({ data }) => one.frames.push(data);
    pc.ontrack = ({ track, receiver, streams: [stream] }) => {
        if (track.kind !== "video") return;
        receiver.transform = new RTCRtpScriptTransform(worker);
        one.streams.push(stream.id);
        const video = Object.assign(document.createElement("video"), { muted: true, srcObject: stream });
        document.body.append(video);
        void video.play();
        const canvas = new OffscreenCanvas(64, 36);
        const context = canvas.getContext("2d", { willReadFrequently: true });
        let pictures = 0;
        const look = () => {
            video.requestVideoFrameCallback(look);
            pictures += 1;
            if (pictures % 4 !== 1) return;
            context.drawImage(video, 0, 0, 64, 36);
            const { data } = context.getImageData(0, 0, 64, 36);
            const grey = [...data.filter((_, at) => at % 4 === 1)];
            // Nothing is drawn of a frame that the compositor has not taken yet.
            if (grey.some((value) => value > 0)) one.pictures.push([stream.id, video.videoHeight, grey]);
        };
        video.requestVideoFrameCallback(look);
    };
    await pc.setRemoteDescription({ type: "offer", sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    while (pc.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 20));
    return pc.localDescription.sdp;
}
""".replace("ASK_AFTER", str(ASK_AFTER))

RESULT = """
async (name) => {
    const { pc, frames, pictures, streams } = window.all[name];
    const stats = [...(await pc.getStats()).values()];
    const codecs = Object.fromEntries(stats.map(({ id, mimeType }) => [id, mimeType]));
    const inbound = stats.filter(({ type, kind }) => type === "inbound-rtp" && kind === "video");
    const decoded = inbound.map(({ framesDecoded, codecId }) => [framesDecoded, codecs[codecId]]);
    pc.close();
    return { frames, pictures, streams, decoded };
}
"""


class Received(NamedTuple):
    """What a page had of one codec, and the truth about it."""

    frames: list[dict[str, Any]]
    marks: list[tuple[int, Mark]]
    streams: list[str]
    decoded: list[tuple[int, str]]
    truth: list[TruthFrame]


@asynccontextmanager
async def a_page() -> AsyncIterator[BrowserPage]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(BrowserSettings.from_environment({})), chromium_sandbox=False
        )
        page = await browser.new_page()
        # Only a secure page may hash.
        await page.route("https://receiver.test/", lambda route: route.fulfill(body="<body></body>"))
        await page.goto("https://receiver.test/")
        yield page
        await browser.close()


async def receive(page: BrowserPage, codec: Codec, folder: Path) -> Received:
    people = [
        Participant(
            name="Ada", voice="elif", csrc=1, cameras=[(0, 9)], camera_sizes=[CameraSize(at=2, height=360)]
        ),
        Participant(name="Ben", voice="nuno", csrc=2, presents=[(0, 9)]),
    ]
    layers = MOST_LAYERS[codec]
    scenario = Scenario(
        title="t",
        duration=SECONDS,
        participants=people,
        media=Media(signalling="offer"),
        video=VideoMedia(codec=codec, temporal_layers=layers),  # type: ignore[arg-type] # 1 to 3
    )
    media = MeetingMedia(scenario, folder / codec)
    try:
        media.set_video(media.layout.steps(0.0)[-1])
        answer = await page.evaluate(RECEIVE, {"sdp": await media.offer(), "name": codec})
        await media.accept_answer(answer)
        media.allow_start()
        await media.wait_finished()
        result = await page.evaluate(RESULT, codec)
    finally:
        await media.close()
    marks = [
        (height, read_mark(np.array(grey, np.uint8).reshape(36, 64)))
        for _, height, grey in result["pictures"]
    ]
    decoded = [(frames, mime) for frames, mime in result["decoded"]]
    return Received(result["frames"], marks, result["streams"], decoded, read_truth(folder / codec).frames)


def check(codec: Codec, received: Received) -> None:
    """What must hold for every codec."""
    assert sorted(received.streams) == ["500001", "700002"]
    assert len(received.decoded) == 2
    for count, mime in received.decoded:
        assert count > 8 and mime.lower() == f"video/{codec}"
    assert {(mark.person, mark.kind, height) for height, mark in received.marks} == {
        (0, "webcam", 180),
        (0, "webcam", 360),
        (1, "screenshare", 720),
    }
    for ssrc in {frame.ssrc for frame in received.truth}:
        truth = [frame for frame in received.truth if frame.ssrc == ssrc]
        frames = [frame for frame in received.frames if frame["ssrc"] == ssrc]
        # Every frame is that of the truth, in its order, and none is missing in between.
        hashes = [frame.sha256 for frame in truth]
        begin = hashes.index(frames[0]["hash"])
        assert [frame["hash"] for frame in frames] == hashes[begin : begin + len(frames)]
        assert len(truth) - begin - len(frames) <= 3
        assert [frame["type"] == "key" for frame in frames] == [
            frame.key for frame in truth[begin : begin + len(frames)]
        ]
        assert any(frame.asked and frame.arrived for frame in truth)


@pytest.mark.timeout(60)
async def test_chromium_decodes_each_codec_and_gets_a_key_frame_that_it_asks_for(tmp_path: Path) -> None:
    codecs: tuple[Codec, ...] = get_args(Codec)
    async with a_page() as page, asyncio.TaskGroup() as tasks:
        running = {codec: tasks.create_task(receive(page, codec, tmp_path)) for codec in codecs}
        await asyncio.wait(running.values())
    for codec, task in running.items():
        check(codec, task.result())


async def test_the_page_of_meet_shows_what_its_layout_asks_for(tmp_path: Path) -> None:
    people = [
        Participant(name=f"Guest {number}", voice="elif", csrc=100 + number, cameras=[(0, 90)])
        for number in range(6)
    ]
    scenario = Scenario(
        title="t", duration=90.0, participants=people, page=Page(lobby=0.0), video=VideoMedia(fps=5.0)
    )
    async with visiting(scenario, tmp_path / "truth") as (replica, page):
        await ask_to_join(page)
        filmed = page.locator(".tile.filmed")
        playing = "count => [...document.querySelectorAll('.filmed video')].filter((v) => v.videoWidth).length === count"
        await expect(filmed).to_have_count(4, timeout=20_000)
        await page.wait_for_function(playing, arg=4)
        await page.click("button[aria-label='More options']")
        await page.click("li:has-text('Adjust view')")
        await page.click("label:has-text('Tiled')")
        await page.click("[role=dialog] button[aria-label=Close]")
        await expect(filmed).to_have_count(6)
        await page.wait_for_function(playing, arg=6)
        for tile in await filmed.all():
            stream = await tile.locator("video").evaluate("(video) => video.srcObject.id")
            assert stream == await tile.get_attribute("data-video")
        await page.click("button[aria-label='More options']")
        await page.click("li:has-text('Settings')")
        await page.click("button[role=tab][aria-label=Video]")
        await page.click("li[aria-label='Audio only']")
        await expect(filmed).to_have_count(0)
        assert replica.page_reports[-1].errors == []
    frames = read_truth(tmp_path / "truth").frames
    assert {(frame.slot, frame.participant) for frame in frames} == {(number, number) for number in range(6)}
