import mmap

import numpy as np
import pytest

from worker.audio.partial_mix import Adder, SecondsRing, ring_bytes

SECOND = np.arange(48_000, dtype=np.int32)


def test_a_second_is_found_by_each_reader_of_the_buffer() -> None:
    shared = mmap.mmap(-1, ring_bytes(3))
    writer, reader = SecondsRing(memoryview(shared)), SecondsRing(memoryview(shared))
    for second in range(2, 5):
        assert writer.put(second, SECOND + second)
    for second in range(2, 5):
        assert np.array_equal(reader.get(second), SECOND + second)
    assert reader.count == 5
    assert writer.put(5, SECOND)
    assert np.array_equal(reader.get(2), SECOND), "second 5 has the place of second 2"


@pytest.mark.parametrize(("sample", "stored"), [(0, False), (1, True), (-1, True)])
def test_silence_is_not_stored(sample: int, stored: bool) -> None:
    ring = SecondsRing(memoryview(bytearray(ring_bytes(1))))
    samples = np.zeros(48_000, np.int32)
    samples[-1] = sample
    assert ring.put(0, samples) is stored
    assert ring.get(0)[-1] == sample
    assert ring.count == 1, "it is decoded, with or without sound"


def test_a_part_of_a_second_is_stored_from_its_beginning_on() -> None:
    ring = SecondsRing(memoryview(bytearray(ring_bytes(1))))
    ring.put(0, SECOND)
    ring.put(1, SECOND[:100] + 7)
    assert np.array_equal(ring.get(1)[:100], SECOND[:100] + 7)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_parts_are_added_beyond_the_range_of_16_bits_and_cut(number: int) -> None:
    adder = Adder()
    adder.add_up([SECOND, SECOND], 48_000)
    parts = [np.full(48_000, 30_000, np.int32)] * number
    total = adder.add_up(parts, 1_000)
    assert len(total) == 1_000
    assert (total == number * 30_000).all()
    assert (parts[0] == 30_000).all(), "the parts are left as they are"


def test_one_part_is_the_sum_and_none_is_silence() -> None:
    adder = Adder()
    adder.add_up([SECOND, SECOND], 48_000)
    assert np.array_equal(adder.add_up([SECOND], 10), SECOND[:10])
    silent = adder.add_up([], 10)
    assert len(silent) == 10
    assert not silent.any()
