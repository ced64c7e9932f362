"""Pieces of speech become chunks without gaps, each with the place of its first sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.audio.pcm_chunks import FILLED, LONGEST_CHUNK, MOST_BEHIND, PcmChunks


def piece(value: int, samples: int = 320) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.full(samples, value, np.int16)


def test_pieces_that_follow_one_another_are_one_chunk() -> None:
    chunks = PcmChunks(16_000)
    chunks.add(9_600, piece(1))
    chunks.add(10_560, piece(2))
    assert [(chunk.position, len(chunk.pcm)) for chunk in chunks.take()] == [(9_600, 1_280)]
    assert chunks.take() == []
    chunks.add(11_520, piece(3))
    assert [chunk.position for chunk in chunks.take()] == [11_520]


def test_a_short_gap_is_filled_once_speech_goes_on() -> None:
    chunks = PcmChunks(16_000)
    chunks.add(0, piece(1))
    assert len(chunks.take()) == 1
    chunks.add(960 + FILLED, piece(2))
    taken = chunks.take()
    assert taken[0].position == 960
    pcm = np.frombuffer(b"".join(chunk.pcm for chunk in taken), "<i2")
    assert pcm.tolist() == [0] * (FILLED // 3) + [2] * 320


def test_a_pause_is_not_filled() -> None:
    chunks = PcmChunks(16_000)
    chunks.add(0, piece(1))
    chunks.add(960 + FILLED + 120, piece(2))
    assert [chunk.position for chunk in chunks.take()] == [0, 960 + FILLED + 120]


@given(st.lists(st.tuples(st.integers(-20, 200), st.sampled_from([40, 320, 1_920])), min_size=1, max_size=60))
def test_each_sample_is_there_at_its_place(steps: list[tuple[int, int]]) -> None:
    """``steps`` are (quanta from the end of the piece before, samples at 16 kHz) of pieces."""
    chunks, end = PcmChunks(16_000), 0
    meant: dict[int, int] = {}
    for number, (gap, samples) in enumerate(steps, 1):
        position = max(0, end + 120 * gap)
        meant[number] = position
        chunks.add(position, piece(number, samples))
        end = position + 3 * samples
    for chunk in chunks.take():
        assert 0 < len(chunk.pcm) <= LONGEST_CHUNK // 3 * 2
        for at, value in enumerate(np.frombuffer(chunk.pcm, "<i2").tolist()):
            if value in meant:
                assert 0 <= chunk.position + 3 * at - meant.pop(value) <= MOST_BEHIND
    assert not meant
