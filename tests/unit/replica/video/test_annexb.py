from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.video import annexb

UNITS = st.binary(min_size=1, max_size=50).map(lambda body: body.replace(b"\x00", b"\x02") + b"\x80")


@given(st.lists(UNITS, max_size=5))
def test_a_stream_is_split_as_it_was_joined(units: list[bytes]) -> None:
    assert annexb.split(annexb.join(units)) == units


def test_short_start_codes_and_trailing_zeros_are_no_part_of_a_unit() -> None:
    units = annexb.split(b"\x00\x00\x00\x01\x67\x01\x00\x00\x00\x01\x68\x02\x00\x00\x01\x65\x03")
    assert units == [b"\x67\x01", b"\x68\x02", b"\x65\x03"]
    assert [annexb.kind_of(unit) for unit in units] == [annexb.SPS, annexb.PPS, annexb.IDR]
