from __future__ import annotations

import pytest
from playwright.async_api import Error as PlaywrightError

from worker.browser.page_errors import first_line


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "Page.goto: net::ERR_CONNECTION_REFUSED at https://h/meet/123?p=Secret\nCall log:\n  - navigating to Secret",
            "Page.goto: net::ERR_CONNECTION_REFUSED at https://h/meet/123?***",
        ),
        (
            "  Page.evaluate: TypeError: no (https://h/light/launch?anon=true&coords=Secret:3:7)\n    at Secret",
            "Page.evaluate: TypeError: no (https://h/light/launch?***",
        ),
        ("Target closed", "Target closed"),
        ("Locator.fill: \x1b[31mTimeout", "Locator.fill: \ufffd[31mTimeout"),
        ("", ""),
        ("x" * 1000, "x" * 299 + "…"),
    ],
)
def test_first_line_has_neither_queries_nor_the_call_log(message: str, shown: str) -> None:
    assert first_line(PlaywrightError(message)) == shown
