"""Meet's preferences as its page finds them when the bot opens it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Route

from worker.browser.launch import BrowserSession, new_context
from worker.platforms.meet.call import MeetCall
from worker.platforms.meet.link import parse_meet_link

LINK = parse_meet_link("https://meet.google.com/abc-defg-hij")
PAGE = """<!doctype html><html lang="en"><head><script>
  window.found = localStorage.getItem("meet-preferences");
</script></head><body>Meet</body></html>"""
AUDIO_ONLY = [None] * 5 + [1]


def with_video(preferences: Any) -> Any:
    """Preferences that the page finds where video is recorded: those that switched it off do so no more."""
    off = isinstance(preferences, list) and isinstance(preferences[8], list)
    return (
        [*preferences[:8], [*preferences[8][:5], None, *preferences[8][6:]], *preferences[9:]]
        if off
        else preferences
    )


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (None, [None] * 8 + [AUDIO_ONLY]),
        ([1, "a"], [1, "a"] + [None] * 6 + [AUDIO_ONLY]),
        ([0] * 8 + [[7, 7, 7, 7, 7, 0, 7], 9], [0] * 8 + [[7, 7, 7, 7, 7, 1, 7], 9]),
        ({"8": 1}, {"8": 1}),
        ([0] * 8 + ["b"], [0] * 8 + ["b"]),
        ("text", "text"),
    ],
)
async def test_incoming_video_is_off_before_the_page_reads_its_preferences(
    browser_session: BrowserSession, before: Any, found: Any
) -> None:
    context = await new_context(browser_session)

    async def serve(route: Route) -> None:
        await route.fulfill(status=200, content_type="text/html", body=PAGE)

    await context.route("**/*", serve)
    page = await context.new_page()
    await page.goto(LINK.url)
    if before is not None:
        await page.evaluate("(text) => localStorage.setItem('meet-preferences', text)", json.dumps(before))
    await MeetCall(page, LINK, "Stems").open()
    assert json.loads(await page.evaluate("window.found")) == found
    on = await context.new_page()
    await MeetCall(on, LINK, "Stems", separate_video=True).open()
    assert json.loads(await on.evaluate("window.found")) == with_video(found)
    await context.close()
