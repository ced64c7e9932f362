from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.video.bit_reader import MOST_BYTES, BitReader
from worker.video.key_frame import VideoFrameError


def exp_golomb(number: int) -> str:
    """ITU-T H.264, section 9.1: as many zeros as bits follow the first one bit."""
    bits = f"{number + 1:b}"
    return "0" * (len(bits) - 1) + bits


def packed(bits: str) -> bytes:
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0") or "0", 2).to_bytes(-(-len(bits) // 8), "big")


@given(fields=st.lists(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**n - 1)))))
def test_fields_are_read_in_order(fields: list[tuple[int, int]]) -> None:
    reader = BitReader(packed("".join(f"{number:0{count}b}" for count, number in fields)))
    assert [reader.read(count) for count, _ in fields] == [number for _, number in fields]


@given(numbers=st.lists(st.integers(0, 2**32 - 2)))
def test_exp_golomb_numbers(numbers: list[int]) -> None:
    reader = BitReader(packed("".join(exp_golomb(number) for number in numbers)))
    assert [reader.exp_golomb() for _ in numbers] == numbers


@pytest.mark.parametrize(("code", "number"), [("1", 0), ("010", 1), ("011", -1), ("00100", 2), ("00101", -2)])
def test_signed_exp_golomb_numbers(code: str, number: int) -> None:
    assert BitReader(packed(code)).signed_exp_golomb() == number


def test_what_is_behind_the_end_is_refused() -> None:
    reader = BitReader(b"\xff")
    with pytest.raises(VideoFrameError, match="a header ends within a field"):
        reader.read(9)
    with pytest.raises(VideoFrameError, match="more than 32 bits"):
        BitReader(bytes(9)).exp_golomb()


def test_no_more_than_the_first_bytes_are_read() -> None:
    reader = BitReader(bytes(MOST_BYTES + 1))
    reader.read(8 * MOST_BYTES)
    with pytest.raises(VideoFrameError):
        reader.flag()


def test_the_rest_shows_its_length() -> None:
    one, other = BitReader(b"\x80"), BitReader(b"\x80\x00")
    assert (one.flag(), other.flag()) == (True, True)
    assert one.rest() != other.rest()
    assert BitReader(b"\x01").rest() == 0x101
