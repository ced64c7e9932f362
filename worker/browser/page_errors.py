"""What Playwright's errors may say in messages and logs: they contain addresses, and the page's own words."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Error as PlaywrightError

from worker.safe_text import printable, redact

_LENGTH: Final = 300


def first_line(error: PlaywrightError) -> str:
    """Playwright's message without its call log, and without queries of addresses, which may hold a passcode."""
    return printable(redact(error.message.strip().split("\n", 1)[0]), _LENGTH)
