from __future__ import annotations

import asyncio

import pytest

from tests.support.tape_samples import video_batch
from worker.recording.steady_clock import SteadyClock
from worker.recording.ticker import TICK_SECONDS, Ticker
from worker.tape.events import (
    ConnectionOpened,
    DocumentClosed,
    Frame,
    FrameBatch,
    RosterChanged,
    TapeEvent,
    Tick,
)


def frames(*arrivals: float) -> FrameBatch:
    return FrameBatch(
        1, 0, 0, [Frame(0, 1, (), 0, 0, 111, "audio/opus", None, arrival, None, b"") for arrival in arrivals]
    )


@pytest.mark.parametrize(
    ("events", "page"),
    [
        ([], None),
        ([RosterChanged(at=90, change="join", participant_id="", name=None)], None),
        ([DocumentClosed(at=90, document=1)], None),
        ([frames()], None),
        ([frames(20.0, 22.0, 21.0)], 22.0),
        ([frames(20.0), video_batch(0, 21.0, frames=16)], 22.0),
        ([video_batch(0, 21.0, frames=0)], None),
        ([frames(20.0), ConnectionOpened(at=30, document=1, connection=0), frames(25.0)], 30.0),
    ],
)
def test_a_tick_holds_the_clocks_and_the_newest_time_of_the_page(
    events: list[TapeEvent], page: float | None
) -> None:
    written: list[Tick] = []
    passed = 500.0
    wall = 1000.0
    ticks = Ticker(SteadyClock(lambda: wall, lambda: passed, lambda: passed), written.append)
    passed, wall = 512.5, 7.0
    for event in events:
        ticks.observe(event)
    ticks.tick()
    (tick,) = written
    assert (tick.at, tick.wall, tick.page) == (1012.5, 7.0, page)
    assert tick.elapsed > 0


async def test_ticks_are_written_until_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    written: list[Tick] = []
    with pytest.raises(asyncio.CancelledError):
        await Ticker(SteadyClock(), written.append).run()
    assert waits == [TICK_SECONDS] * 4
    assert len(written) == 3
    assert [tick.at for tick in written] == sorted(tick.at for tick in written)
