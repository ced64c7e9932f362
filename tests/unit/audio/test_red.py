import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.opus_packets import pack
from worker.audio.red import RedError, RedundantBlock, unpack_red

blocks = st.lists(
    st.builds(
        RedundantBlock,
        timestamp_offset=st.integers(0, 0x3FFF),
        payload_type=st.integers(0, 127),
        payload=st.binary(max_size=1023),
    ),
    max_size=4,
)


@given(primary=st.binary(max_size=400), redundant=blocks)
def test_unpack_red_reverses_packing(primary: bytes, redundant: list[RedundantBlock]) -> None:
    assert unpack_red(pack(primary, redundant)) == (primary, redundant)


def test_a_block_may_have_1023_bytes_and_be_341_ms_old() -> None:
    longest = RedundantBlock(0x3FFF, 127, bytes(range(256)) * 3 + bytes(255))
    assert len(longest.payload) == 1_023
    assert unpack_red(pack(b"speech", [longest])) == (b"speech", [longest])


@given(st.binary(max_size=1_500))
def test_a_payload_of_a_packets_size_is_unpacked_or_refused(payload: bytes) -> None:
    try:
        primary, redundant = unpack_red(payload)
    except RedError:
        return
    assert payload.endswith(b"".join(block.payload for block in redundant) + primary)


def test_a_payload_without_redundant_headers_is_primary_only() -> None:
    assert unpack_red(b"\x6fspeech") == (b"speech", [])


@given(st.binary(max_size=60))
def test_any_payload_is_unpacked_or_refused_but_never_read_past_its_end(garbage: bytes) -> None:
    try:
        red = unpack_red(garbage)
    except RedError:
        return
    assert len(red.primary) + sum(len(block.payload) for block in red.redundant) < len(garbage)


@given(primary=st.binary(min_size=1, max_size=50), redundant=blocks.filter(bool), data=st.data())
def test_a_payload_cut_off_within_its_redundancy_is_refused(
    primary: bytes, redundant: list[RedundantBlock], data: st.DataObject
) -> None:
    whole = pack(primary, redundant)
    cut = data.draw(st.integers(0, len(whole) - len(primary) - 1))
    with pytest.raises(RedError):
        unpack_red(whole[:cut])
