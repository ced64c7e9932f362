"""The times of a real page on the worker's clock, also if the page's origin is of another hour."""

from __future__ import annotations

import time

import pytest

from tests.support.loopback import Loopback, until
from worker.browser.launch import BrowserSession
from worker.tape.events import ConnectionOpened, FrameBatch

SHIFTED = """
const origin = performance.timeOrigin + {step} * 1000;
Object.defineProperty(performance, "timeOrigin", {{ get: () => origin }});
"""


@pytest.mark.parametrize("step", [-3600, 20])
async def test_a_window_with_another_origin_is_translated(browser_session: BrowserSession, step: int) -> None:
    began = time.time()
    loopback = await Loopback.open(browser_session, init_script=SHIFTED.format(step=step))
    assert await loopback.page.evaluate("performance.timeOrigin / 1000") == pytest.approx(
        began + step, abs=5.0
    )
    before = time.time()
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    await until(lambda: loopback.of(ConnectionOpened))
    opened = loopback.of(ConnectionOpened)[0]
    assert before - 0.1 <= opened.at <= time.time()
    for heard_at, batch in loopback.batches:
        assert isinstance(batch, FrameBatch)
        assert all(before - 0.1 < frame.arrival <= heard_at for frame in batch.frames)
    arrivals = [frame.arrival for frame in loopback.frames]
    assert arrivals == sorted(arrivals)
    loopback.assert_nothing_lost()
