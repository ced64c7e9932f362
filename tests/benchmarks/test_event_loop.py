"""How long one event holds up the event loop of a live recording, in processor time."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from fixtures.replica.voices import load_voice
from tests.support.tapes import Talker, synthetic_tape, with_log_times
from worker.platforms.registry import Platform
from worker.rendering.renderer import Renderer
from worker.stems.overflow import MOST_SOURCES

pytestmark = pytest.mark.timeout(900)

REPEATED = 3
"""The quickest of these runs counts, because other programs only slow down."""

TOGETHER = 0.1
"""Seconds of speech of each source: more of them at the same time cost what decoding all of them costs."""


def longest_event(start: float, output: Path, *, mix: bool) -> float:
    """The processor time of the longest event, in seconds, where MOST_SOURCES sources begin to speak at ``start``."""
    voices = [load_voice(name) for name in ("aria", "bruno", "chiara")]
    talkers = [
        Talker(
            csrc=100 + number,
            slot=number,
            turns=[(start, start + TOGETHER)],
            payloads=[packet.payload for packet in voices[number % 3].speech[number:]],
        )
        for number in range(MOST_SOURCES)
    ]
    renderer = Renderer(output, Platform.GOOGLE_MEET, mix=mix)
    longest = 0.0
    for event, logged in with_log_times(synthetic_tape(talkers, start + 2.0)):
        used = time.process_time()
        renderer.feed(event, logged)
        longest = max(longest, time.process_time() - used)
    while True:
        used = time.process_time()
        if not renderer.write_due():
            break
        longest = max(longest, time.process_time() - used)
    renderer.finish()
    assert len(list(output.rglob("*.webm"))) == MOST_SOURCES
    shutil.rmtree(output)
    return longest


@pytest.mark.parametrize("mix", [False, True], ids=["stems", "stems and mix"])
@pytest.mark.parametrize("start", [1.0, 11.9, 1_800.0])
def test_sources_that_begin_at_the_same_moment_hold_up_the_loop_for_less_than_100_ms(
    start: float, mix: bool, tmp_path: Path
) -> None:
    measured = [longest_event(start, tmp_path / str(run), mix=mix) for run in range(REPEATED)]
    print(f"\n{MOST_SOURCES} sources begin at {start:,.0f} s: longest event {1_000 * min(measured):.0f} ms")
    assert min(measured) < 0.1
