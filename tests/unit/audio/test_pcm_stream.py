"""Pieces of speech become one stream: each chunk begins where the one before it ended."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.audio.pcm_chunks import LONGEST_CHUNK, MOST_BEHIND, Chunk
from worker.audio.pcm_stream import SILENT_AFTER, PcmStream


def piece(value: int, samples: int = 320) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.full(samples, value, np.int16)


def values(chunks: list[Chunk]) -> list[int]:
    return [int(value) for value in np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2")]


def test_silence_follows_only_what_has_begun_and_200_ms_behind_the_time() -> None:
    stream = PcmStream(16_000)
    assert not stream.be_silent_until(4_800)
    stream.add(4_800, piece(1))
    assert not stream.be_silent_until(5_760 + SILENT_AFTER)
    assert stream.be_silent_until(48_000 + SILENT_AFTER)
    assert values(stream.take()) == [1] * 320 + [0] * ((48_000 - 5_760) // 3)
    assert not stream.be_silent_until(24_000 + SILENT_AFTER)


def test_what_the_stream_has_passed_is_trimmed_and_counted() -> None:
    stream = PcmStream(16_000)
    stream.add(0, piece(1))
    stream.be_silent_until(9_600 + SILENT_AFTER)
    stream.add(4_800, piece(2))
    stream.add(8_160, piece(3, 640))
    assert values(stream.take()) == [1] * 320 + [0] * 2_880 + [3] * 160
    assert (stream.take_trimmed(), stream.take_trimmed()) == (320 + 480, 0)


def test_a_stream_does_not_begin_before_it_may() -> None:
    stream = PcmStream(16_000, earliest=9_600)
    stream.add(4_800, piece(1))
    stream.add(9_600 - 1_440, piece(2, 640))
    assert [(chunk.position, len(chunk.pcm)) for chunk in stream.take()] == [(9_600, 320)]
    assert stream.take_trimmed() == 320 + 480
    later = PcmStream(16_000, earliest=9_600)
    later.add(48_000, piece(1))
    assert [chunk.position for chunk in later.take()] == [48_000], "what lies between is not sent"


def test_what_is_slightly_behind_follows_whole() -> None:
    stream = PcmStream(16_000)
    stream.add(0, piece(1))
    stream.add(960 - MOST_BEHIND, piece(2))
    assert values(stream.take()) == [1] * 320 + [2] * 320
    assert stream.take_trimmed() == 0


STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(-400, 1_000), st.sampled_from([40, 320, 1_920])),
    st.tuples(st.just("silence"), st.integers(-400, 4_000), st.just(0)),
    st.tuples(st.just("take"), st.just(0), st.just(0)),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=40), st.sampled_from([16_000, 48_000]))
def test_chunks_follow_one_another_and_all_that_is_not_trimmed_is_near_its_place(
    steps: list[tuple[str, int, int]], rate: int
) -> None:
    """``steps`` are (what, quanta from the end of the piece or silence before, samples) of pieces."""
    stream, end, step = PcmStream(rate), 0, 48_000 // rate
    begin: int | None = None
    meant: dict[int, tuple[int, int]] = {}
    chunks: list[Chunk] = []
    trimmed = 0
    for number, (what, gap, samples) in enumerate(steps, 1):
        position = max(0, end + 120 * gap)
        if what == "add":
            meant[number] = (position, samples)
            begin = position if begin is None else begin
            stream.add(position, piece(number, samples))
            end = position + step * samples
        elif what == "silence":
            stream.be_silent_until(position)
            end = max(end, position)
        else:
            chunks += stream.take()
            trimmed += stream.take_trimmed()
    chunks += stream.take()
    trimmed += stream.take_trimmed()
    assert all(0 < len(chunk.pcm) <= LONGEST_CHUNK // step * 2 for chunk in chunks)
    for one, other in pairwise(chunks):
        assert other.position == one.position + len(one.pcm) // 2 * step
    assert begin is None or chunks[0].position == begin
    found = np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2")
    for number, (position, samples) in meant.items():
        at = np.flatnonzero(found == number)
        assert len(at) <= samples
        if len(at):
            assert begin is not None
            last = begin + (int(at[-1]) + 1) * step
            assert 0 <= last - position - samples * step <= MOST_BEHIND, "its end is near its place"
    assert trimmed == sum(samples for _, samples in meant.values()) - np.count_nonzero(found)
