"""Video that Chromium sent itself, written as it came, in Chromium's own player."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Route

from tests.support.video_checks import decoded, probed
from worker.browser.launch import BrowserSession
from worker.video.codecs import VideoCodec, codec_of, container_for
from worker.video.frame_clock import FrameClock, PlacedFrame
from worker.video.frame_header import needs_new_file, read_header
from worker.video.video_file import VideoFile

CALL = Path(__file__).parents[1] / "support" / "video_call.js"
ORIGIN = "https://example.test/"
MIME_TYPES = ["video/H264", "video/VP8", "video/VP9", "video/AV1"]
SECONDS = 2.4

PLAY = """async (url) => {
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const happens = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
  });
  let ready = happens("loadeddata");
  video.src = url;
  await ready;
  const sizes = [[video.videoWidth, video.videoHeight]];
  video.addEventListener("resize", () => sizes.push([video.videoWidth, video.videoHeight]));
  const { duration } = video;
  ready = happens("seeked");
  video.currentTime = duration / 2;
  await ready;
  const sought = video.currentTime;
  ready = happens("seeked");
  video.currentTime = 0;
  await ready;
  sizes.length = 1;
  ready = happens("ended");
  await video.play();
  await ready;
  const end = video.currentTime;
  video.remove();
  return { duration, sought, end, sizes };
}"""


class Written(NamedTuple):
    """A file, and what was written into it: its frames' times, and sizes as they change."""

    path: Path
    times: list[float]
    sizes: list[list[int]]
    end: float


def write_files(folder: Path, frames: list[dict[str, Any]], *, webm: bool = False) -> list[Written]:
    """Writes the frames of one codec into as many files as they need."""
    codec = codec_of(frames[0]["mimeType"])
    assert codec is not None
    container = container_for(codec, webm=webm)
    clock: FrameClock[dict[str, Any]] = FrameClock()
    placed: list[PlacedFrame[dict[str, Any]]] = []
    for frame in frames:
        placed += clock.put(frame["timestamp"], frame["arrival"] / 1_000, frame)
    placed += clock.flush()
    files: list[tuple[VideoFile, Written]] = []
    last = None
    for seconds, frame in placed:
        payload = base64.b64decode(frame["payload"])
        header = read_header(codec, payload)
        assert header.key == frame["key"]
        if last is None or needs_new_file(last, header):
            path = folder / f"{codec}-{len(files)}.{container}"
            if files:
                files[-1][0].close(seconds)
                files[-1] = (files[-1][0], files[-1][1]._replace(end=seconds))
            files.append((VideoFile(path, codec, container), Written(path, [], [], 0.0)))
        file, written = files[-1]
        file.write(seconds, payload, header)
        written.times.append(seconds)
        if header.key:
            last = header
            if [header.width, header.height] not in written.sizes[-1:]:
                written.sizes.append([header.width, header.height])
    end = placed[-1].seconds + 0.05
    files[-1][0].close(end)
    files[-1] = (files[-1][0], files[-1][1]._replace(end=end))
    return [written for _, written in files]


async def test_chromium_plays_and_seeks_what_it_sent(browser_session: BrowserSession, tmp_path: Path) -> None:
    """All codecs, and a size that changes in between."""
    page = await browser_session.browser.new_page()

    async def serve(route: Route) -> None:
        await route.fulfill(body="<!doctype html><body>", content_type="text/html")

    await page.route(f"{ORIGIN}**", serve)
    await page.goto(ORIGIN)
    await page.add_script_tag(content=CALL.read_text("utf-8"))
    heard = await page.evaluate(
        "([types, seconds]) => Promise.all(types.map((type) => frames_of(type, seconds)))",
        [MIME_TYPES, SECONDS],
    )
    files = [written for frames in heard for written in write_files(tmp_path, frames)]
    files += [written for frames in heard[2:] for written in write_files(tmp_path, frames, webm=True)]
    assert {path.suffix for path, *_ in files} == {".mp4", ".webm"}
    assert len(files) > 6, "H264 begins a new file at the new size"
    for written in files:
        told = probed(written.path)
        assert told.times == pytest.approx([at - written.times[0] for at in written.times], abs=0.001)
        assert len(decoded(written.path)) == len(written.times)
        assert told.seconds == pytest.approx(written.end - written.times[0], abs=0.002)
    player = await browser_session.browser.new_page()
    await player.goto(tmp_path.as_uri())
    seen = await player.evaluate(
        f"(urls) => Promise.all(urls.map({PLAY}))", [written.path.as_uri() for written in files]
    )
    for written, played in zip(files, seen, strict=True):
        length = written.end - written.times[0]
        assert played["duration"] == pytest.approx(length, abs=0.002)
        assert played["end"] == pytest.approx(length, abs=0.002)
        assert played["sought"] == pytest.approx(length / 2, abs=0.002)
        assert played["sizes"] == written.sizes, written.path.name
    assert any(len(written.sizes) > 1 for written in files if VideoCodec.VP8 in written.path.name)
