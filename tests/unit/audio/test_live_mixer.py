"""The live mix: one stream without a gap, the clipped sum of all, and nothing after its moment."""

from __future__ import annotations

import numpy as np
import pytest

from worker.audio.live_mixer import LiveMixer
from worker.audio.pcm_chunks import Chunk


def values(chunks: list[Chunk]) -> list[int]:
    return [int(value) for value in np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2")]


def tone(value: int, count: int = 320) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.full(count, value, np.int16)


def test_the_sum_is_clipped_and_silent_between() -> None:
    mixer = LiveMixer(16_000)
    mixer.add(0, tone(20_000))
    mixer.add(480, tone(20_000))
    mixer.add(960, tone(-30_000))
    mixer.add(1_440, tone(-30_000))
    chunks = mixer.take(2_880)
    assert values(chunks) == [
        each for value in (20_000, 32_767, -10_000, -32_768, -30_000, 0) for each in [value] * 160
    ]
    assert mixer.left_out == 0


def test_chunks_follow_one_another_and_are_100_ms_at_most() -> None:
    mixer = LiveMixer(48_000)
    end = 0
    for until in (960, 960, 500, 48_000, 48_120):
        mixer.add(until, tone(1, 960))
        for chunk in mixer.take(until):
            assert chunk.position == end
            assert 0 < len(chunk.pcm) <= 9_600
            end += len(chunk.pcm) // 2
    assert end == 48_120


def test_what_comes_after_its_moment_is_left_out_and_counted() -> None:
    mixer = LiveMixer(16_000)
    mixer.take(960)
    assert mixer.earliest is None
    mixer.add(1_440, tone(0))
    mixer.add(480, tone(5))
    assert mixer.earliest == 480
    assert values(mixer.take(1_920)) == [5] * 160 + [0] * 160
    assert mixer.left_out == 160


@pytest.mark.parametrize("position", [48_000 * 5, 10**12])
def test_what_lies_far_ahead_takes_no_memory(position: int) -> None:
    mixer = LiveMixer(16_000)
    mixer.add(position, tone(5))
    assert mixer.left_out == 320
    assert mixer.end == 0


def test_hours_of_silence_take_little_memory() -> None:
    chunks = LiveMixer(16_000).take(48_000 * 3_600)
    assert len(chunks) == 36_000
    assert len({id(chunk.pcm) for chunk in chunks}) == 1


def test_a_taken_moment_leaves_nothing_behind() -> None:
    mixer = LiveMixer(16_000)
    rng = np.random.default_rng(1)
    expected = np.zeros(16_000 * 20, np.int64)
    got: list[int] = []
    for number in range(950):
        samples = rng.integers(-9_000, 9_000, 320, np.int16)
        at = number * 320 + int(rng.integers(0, 3)) * 40
        expected[at : at + 320] += samples
        mixer.add(at * 3, samples)
        got += values(mixer.take(max(0, (number - 2) * 960)))
    assert got == expected[: len(got)].tolist()
