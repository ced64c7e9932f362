"""A snapshot never raises, for any answer of the page."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser.page_snapshot import DOM_FILE, take_snapshot
from worker.safe_text import NO_SECRETS


class ScriptedPage:
    """A page that answers ``dom``, or raises it, and takes no picture."""

    def __init__(self, dom: object) -> None:
        self._dom = dom

    async def evaluate(self, *_: object) -> object:
        if isinstance(self._dom, Exception):
            raise self._dom
        return self._dom

    async def screenshot(self, **_: object) -> None:
        raise PlaywrightError("Target crashed")


@pytest.mark.parametrize(
    "dom", [None, 7, {}, PlaywrightError("closed"), OSError("full"), ValueError("odd"), TypeError()], ids=repr
)
async def test_no_answer_of_the_page_raises(
    dom: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await take_snapshot(cast(Page, ScriptedPage(dom)), tmp_path, [], NO_SECRETS)
    assert len(caplog.records) == 1


async def test_invalid_unicode_of_the_page_is_replaced(tmp_path: Path) -> None:
    await take_snapshot(cast(Page, ScriptedPage("<p>\ud83d</p>")), tmp_path, [], NO_SECRETS)
    assert (tmp_path / DOM_FILE).read_text("utf-8") == "<p>?</p>"
