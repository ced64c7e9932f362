"""A real Chromium for each test that asks for one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from worker.browser.launch import BrowserSession, launch_browser
from worker.settings import BrowserSettings


@pytest.fixture
async def browser_session() -> AsyncIterator[BrowserSession]:
    async with launch_browser(BrowserSettings.from_environment(os.environ)) as session:
        yield session
