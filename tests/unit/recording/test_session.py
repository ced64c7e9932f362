from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from worker.browser.injected_scripts import LIVE_LIMITS, TapLimits
from worker.browser.launch import ChromiumNotFoundError
from worker.platforms.links import parse_link
from worker.recording import session
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingRequest
from worker.recording.session import attend
from worker.rendering.deferred import OpenRenderer
from worker.settings import BrowserSettings
from worker.states import State
from worker.stems.gate import PLACED_AFTER
from worker.stems.jitter_buffer import WINDOW_SECONDS
from worker.tape.events import LONGEST_BATCH


class BrokenTerminal(RecordingObserver):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def state(self, state: State, reason: object = None) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(), ValueError("I/O operation on closed file"), UnicodeError("ascii")],
    ids=repr,
)
async def test_a_terminal_that_takes_nothing_does_not_prevent_the_recording(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def launched(_: BrowserSettings) -> AsyncIterator[None]:
        raise ChromiumNotFoundError("the launch was reached")
        yield

    monkeypatch.setattr(session, "launch_browser", launched)
    request = RecordingRequest(
        bot_id="bot-1",
        link=parse_link("https://meet.google.com/abc-defg-hij"),
        output=tmp_path / "out",
        bot_name="Notes",
    )
    stopped = asyncio.get_running_loop().create_future()
    with pytest.raises(ChromiumNotFoundError, match="was reached"):
        await attend(request, BrowserSettings(), BrokenTerminal(error), cast(OpenRenderer, None), stopped)


@pytest.mark.parametrize("limits", [TapLimits(), LIVE_LIMITS])
@pytest.mark.parametrize("reckoned", [session.IN_FLIGHT, PLACED_AFTER - WINDOW_SECONDS])
def test_a_wait_for_a_batch_is_longer_than_a_frame_waits_in_it(limits: TapLimits, reckoned: float) -> None:
    assert limits.batch_milliseconds / 1000 <= LONGEST_BATCH <= reckoned - 0.1
