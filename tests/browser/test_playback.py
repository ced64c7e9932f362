"""Stems in Chromium's own player and decoder."""

from __future__ import annotations

import base64
import wave
from pathlib import Path

import pytest

from tests.support.conversation import conversation
from tests.support.tapes import feed_all, synthetic_tape
from worker.browser.launch import BrowserSession
from worker.platforms.registry import Platform
from worker.rendering.renderer import Renderer

LOOK_AT = """async (url) => {
    const audio = new Audio();
    const ready = new Promise((resolve, reject) => {
        audio.onloadedmetadata = resolve;
        audio.onerror = () => reject(new Error(audio.error.message));
    });
    audio.src = url;
    await ready;
    const seeked = new Promise((resolve) => { audio.onseeked = resolve; });
    audio.currentTime = 40;
    await seeked;
    return { duration: audio.duration, at: audio.currentTime };
}"""
DECODE = """async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const decoded = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes.buffer);
    return decoded.length / decoded.sampleRate;
}"""


async def test_chromium_plays_seeks_and_decodes_the_whole_length(
    browser_session: BrowserSession, tmp_path: Path
) -> None:
    renderer = Renderer(tmp_path, Platform.GOOGLE_MEET)
    feed_all(renderer, synthetic_tape(conversation(60.0, people=3), 60.0, jitter=0.01))
    manifest = renderer.finish()
    with wave.open(str(tmp_path / "audio.wav")) as mix:
        seconds = mix.getnframes() / mix.getframerate()
    page = await browser_session.browser.new_page()
    await page.goto((tmp_path / "timeline.html").as_uri())
    assert len(manifest.participants) == 3
    for person in manifest.participants:
        path = tmp_path / person.streams[0].segments[0].url
        seen = await page.evaluate(LOOK_AT, path.as_uri())
        assert seen["duration"] == pytest.approx(seconds, abs=0.02)
        assert seen["at"] == pytest.approx(40, abs=0.02)
        encoded = base64.b64encode(path.read_bytes()).decode()
        assert await page.evaluate(DECODE, encoded) == pytest.approx(seconds, abs=0.02)
    await page.close()
