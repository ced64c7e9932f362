from __future__ import annotations

from pathlib import Path

import av
import pytest

from worker.browser.launch import launch_browser, new_context
from worker.browser.page_snapshot import DOM_FILE, SCREENSHOT_FILE, take_snapshot
from worker.platforms.registry import PLATFORMS, Platform
from worker.safe_text import NO_SECRETS
from worker.settings import BrowserSettings

MASK = (255, 0, 255)
"""The colour that Playwright paints over masked elements."""

MEET = """
<main><h1>You can't join this video call</h1></main>
<div data-participant-id="spaces/1/devices/2" aria-label="Zoë Secret">Zoë Secret</div>
<div data-message-text="my password is hunter2">my password is hunter2</div>
"""
TEAMS = """
<main><h1 id="calling-retry-screen-title">You've been removed from this meeting</h1></main>
<div data-cid="calling-participant-stream">Zoë Secret</div>
<div role="treeitem" data-tid="participantsInCall-Zoë Secret">Zoë Secret</div>
<ul data-tid="app-chat-pane"><li data-tid="chat-pane-message">my password is hunter2</li></ul>
<span data-tid="meeting-header-title">Zoë Secret's salary</span>
"""
COMMON = """
<script>const token = "hunter2";</script><input value="Zoë Secret"><a href="https://x.example/?p=hunter2">link</a>
<style>[data-participant-id], [data-cid] { display: block; position: fixed; inset: 100px 0 0 0; }</style>
"""


@pytest.mark.parametrize(
    ("platform", "page_html", "kept"),
    [
        (Platform.GOOGLE_MEET, MEET, "You can't join this video call"),
        (Platform.MICROSOFT_TEAMS, TEAMS, "You've been removed from this meeting"),
    ],
)
async def test_a_page_snapshot_has_the_pages_text_but_no_private_data(
    platform: Platform, page_html: str, kept: str, tmp_path: Path
) -> None:
    async with launch_browser(BrowserSettings()) as session:
        page = await (await new_context(session)).new_page()
        await page.set_content(page_html + COMMON)
        await take_snapshot(page, tmp_path, PLATFORMS[platform].private_selectors, NO_SECRETS)
    dom = (tmp_path / DOM_FILE).read_text("utf-8")
    assert kept in dom
    for secret in ("Zoë", "Secret", "hunter2", "salary"):
        assert secret not in dom
    with av.open(tmp_path / SCREENSHOT_FILE) as image:
        pixels = next(image.decode(video=0)).to_ndarray(format="rgb24")
    assert tuple(pixels[400, 600]) == MASK
    assert tuple(pixels[5, 1000]) == (255, 255, 255)
