from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.video import obu


@given(st.integers(0, (1 << 56) - 1), st.binary(max_size=4))
def test_a_number_is_read_as_it_was_written(number: int, before: bytes) -> None:
    data = before + obu.leb128(number)
    assert obu.read_leb128(data, len(before)) == (number, len(data))


@given(st.lists(st.tuples(st.integers(0, 15), st.booleans(), st.binary(max_size=300)), max_size=5))
def test_a_stream_is_split_as_it_was_joined(parts: list[tuple[int, bool, bytes]]) -> None:
    units = [
        obu.Obu(bytes([kind << 3 | obu.EXTENSION_BIT, 0x28]) if extended else bytes([kind << 3]), payload)
        for kind, extended, payload in parts
    ]
    assert obu.split(obu.sized(units)) == units


def test_delimiters_and_padding_are_left_out() -> None:
    units = [obu.Obu(bytes([kind << 3]), b"") for kind in (2, 1, 6, 8, 15)]
    assert [unit.kind for unit in obu.without_delimiters(units)] == [1, 6]


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"\x30abc", "a unit without a size"),
        (b"\x32\x05abc", "a unit of 5 bytes, of which 3 are there"),
        (b"\x32\x80", "a number without an end"),
        (b"\x32" + b"\x80" * 9, "a number of more than eight bytes"),
        (b"\x36\x00", "a number without an end"),
    ],
)
def test_a_broken_stream_is_refused(stream: bytes, message: str) -> None:
    with pytest.raises(obu.ObuError, match=message):
        obu.split(stream)
