"""Slots are closed when they are silent for long; nothing of the files shows it."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from tests.support.streams import Stream, tape
from tests.support.tapes import STARTED_AT, with_log_times
from worker.platforms.registry import Platform
from worker.rendering import slot_table
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.rendering.slot_table import IDLE_SECONDS
from worker.tape.events import Frame, RecordingStarted, TapeEvent, TapeStarted

SPEECH = [packet.payload for packet in load_voice("aria").speech] * 20


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rendered(events: list[TapeEvent], folder: Path, *, mix: bool = True) -> dict[str, bytes]:
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform, mix=mix))
    for event, logged in with_log_times(events):
        renderer.feed(event, logged)
    renderer.finish()
    return files(folder)


turns = st.lists(
    st.tuples(
        st.sampled_from([(0, 6666), (1, 6666), (1, 6667), (2, 6668)]),
        st.sampled_from([(), (101,), (102,), (101, 102)]),
        st.sampled_from([0.2, 5.0, 59.0, IDLE_SECONDS + 0.5, IDLE_SECONDS + 15, 200.0]),
        st.integers(1, 40),
        st.sampled_from([0.0, 0.02, 0.05]),
    ),
    min_size=2,
    max_size=7,
)
"""(receiver and SSRC, CSRCs, seconds of pause after it, packets, delay)."""


@pytest.mark.parametrize("platform", Platform)
@given(turns=turns)
@example(
    turns=[
        ((0, 6666), (101,), 59.0, 20, 0.0),
        ((0, 6666), (101,), 5.0, 20, 0.0),
        ((1, 6667), (102,), 0.2, 20, 0.0),
        ((0, 6666), (101,), 5.0, 20, 0.05),
    ]
)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
def test_a_slot_that_is_closed_and_opened_again_gives_the_bytes_of_one_that_was_kept(
    platform: Platform,
    turns: list[tuple[tuple[int, int], tuple[int, ...], float, int, float]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    streams: dict[tuple[int, int], Stream] = {}
    frames: list[Frame] = []
    at = 1.0
    for number, ((receiver, ssrc), csrcs, pause, packets, delay) in enumerate(turns):
        stream = streams.setdefault((receiver, ssrc), Stream(receiver, ssrc))
        frames += stream.frames(at, at + packets / 50, csrcs, SPEECH[50 * number :], delay=delay)
        at += packets / 50 + pause
    events = list(tape(platform, at + 5, frames))
    folder = tmp_path_factory.mktemp("slots")
    closed = rendered(events, folder / "closed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slot_table, "IDLE_SECONDS", 1e9)
        kept = rendered(events, folder / "kept")
    assert closed == kept


@pytest.mark.parametrize("platform", Platform)
def test_slots_are_bounded_and_all_speech_is_kept(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(slot_table, "MOST_SLOTS", 3)
    frames = [
        frame
        for number in range(40)
        for frame in Stream(0, number).frames(number, number + 0.5, [7], SPEECH[25 * number :])
    ]
    renderer = Renderer(tmp_path, platform, mix=False)
    for event, logged in with_log_times(tape(platform, 45.0, frames)):
        renderer.feed(event, logged)
        assert len(renderer._slots.by_address) <= 3
    ((_, segment),) = renderer.finish().segments()
    assert segment.packets.received == 40 * 25


DAY = 24 * 3600.0
SSRCS = 2_000


def one_day(platform: str, sources: int) -> Iterator[TapeEvent]:
    """24 hours in which 2,000 SSRCs speak a word each, one after the other, with pauses between them."""
    rng = random.Random(1)
    yield TapeStarted(at=STARTED_AT - 5, version=2, platform=platform, meeting_url="x", bot_name="bot")
    yield RecordingStarted(at=STARTED_AT)
    for number in range(SSRCS):
        at = 1.0 + number * DAY / SSRCS
        word = Stream(number % 3, 10_000 + number, sequence=rng.randrange(2**16)).frames(
            at, at + 0.3, [1 + number % sources], SPEECH
        )
        yield from list(tape(platform, DAY, word))[2:-1]


def resident_bytes() -> int:
    """The memory of this process that is resident (proc(5), statm)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


@pytest.mark.parametrize("platform", Platform)
def test_a_day_with_2000_ssrcs_needs_no_more_memory_than_an_hour(platform: Platform, tmp_path: Path) -> None:
    """Without the mix, whose file would have 8 GB."""
    renderer = Renderer(tmp_path, platform, mix=False)
    sizes = []
    for number, (event, logged) in enumerate(with_log_times(one_day(platform, sources=2))):
        renderer.feed(event, logged)
        if number % 800 == 799:
            sizes.append(resident_bytes())
            assert len(renderer._slots.by_address) <= 3
    manifest = renderer.finish()
    assert sum(each.packets.received for _, each in manifest.segments()) == SSRCS * 15
    assert len(sizes) > 5
    assert max(sizes) - sizes[0] < 20e6


@pytest.mark.parametrize("platform", Platform)
def test_2000_ssrcs_with_2000_sources_within_minutes_need_a_bounded_memory(
    platform: Platform, tmp_path: Path
) -> None:
    """All in the mix, 250 of them with a file, which take about half a megabyte each."""
    frames = [
        frame
        for number in range(SSRCS)
        for frame in Stream(number % 3, 10_000 + number).frames(
            1 + number * 0.2, 1.1 + number * 0.2, [1 + number], SPEECH[5 * number :]
        )
    ]
    before = resident_bytes()
    renderer = Renderer(tmp_path, platform)
    for event, logged in with_log_times(tape(platform, 405.0, frames)):
        renderer.feed(event, logged)
    assert resident_bytes() - before < 120e6
    manifest = renderer.finish()
    assert manifest.summary.total_participants == 251
    assert sum(each.packets.received for _, each in manifest.segments()) == SSRCS * 5
