"""Saves a screenshot and the DOM of a page that failed, without people's names and words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser.page_errors import first_line
from worker.safe_text import Redactor, redact

logger = logging.getLogger(__name__)

SCREENSHOT_FILE: Final = "screenshot.png"
DOM_FILE: Final = "page.html"
LOG_FILE: Final = "log.txt"

TIMEOUT: Final = 5.0
"""Seconds for both together, so that the bot still leaves in time."""


async def take_snapshot(page: Page, folder: Path, private: Sequence[str], redactor: Redactor) -> None:
    """Writes screenshot.png and page.html into ``folder``, as far as the page still answers. Never raises.

    ``private`` are CSS selectors of where the page shows people's names, faces and words: they are masked and left out.
    ``redactor`` hides the meeting's passcode.
    """
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with asyncio.timeout(TIMEOUT):
            dom: str = await page.evaluate(_redacted_dom(), list(private))
            page_html = redactor.text(redact(dom)).encode("utf-8", "replace")
            await asyncio.to_thread((folder / DOM_FILE).write_bytes, page_html)
            await take_screenshot(page, folder / SCREENSHOT_FILE, private)
    except Exception as error:  # noqa: BLE001 - the page is untrusted, and the files are not complete yet
        why = first_line(error) if isinstance(error, PlaywrightError) else str(error)
        logger.warning("no screenshot of the page: %s", why or "the page does not answer")


async def take_screenshot(page: Page, path: Path, private: Sequence[str]) -> None:
    """Writes a picture of the page, with masks over what ``private`` selects, to ``path``. Raises PlaywrightError, OSError."""
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    masks = [page.locator(selector) for selector in private]
    await page.screenshot(path=path, mask=masks, timeout=TIMEOUT * 1000)


@cache
def _redacted_dom() -> str:
    return (files("worker.browser") / "redacted_dom.js").read_text("utf-8")
