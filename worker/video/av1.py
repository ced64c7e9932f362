"""Reads AV1 temporal units in the low-overhead format (AV1 Bitstream & Decoding Process Specification, section 5) (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.video.bit_reader import BitReader
from worker.video.key_frame import KeyFrame, VideoFrameError, pixel_format

_SEQUENCE_HEADER: Final = 1
_FRAME_HEADER: Final = 3
_FRAME: Final = 6

MOST_UNITS: Final = 80
"""OBUs of a temporal unit: 64 tiles, the most that levels up to 5.3 allow (annex A.3: pictures up to 4K), in a group each, and
a few others. Each is examined, and an empty one has two bytes: a megabyte of them would take most of a second."""

_SRGB: Final = (1, 13, 0)
"""color_primaries, transfer_characteristics and matrix_coefficients of RGB (section 6.4.2)."""


class _Sequence(NamedTuple):
    """A sequence header: the largest frame's size, and whether its frames have short headers."""

    still: bool
    key: KeyFrame


def read_key_frame(payload: bytes) -> KeyFrame | None:
    """What a key frame says that comes with its sequence header; None for another frame. Raises VideoFrameError.

    The size is the largest of the sequence, to which WebRTC's encoders set it at each key frame. All OBUs are examined: what
    writes files refuses a temporal unit with one that is cut off.
    """
    sequence: _Sequence | None = None
    found: KeyFrame | None = None
    frames = 0
    for kind, body in _units(payload):
        if kind == _SEQUENCE_HEADER:
            sequence = _read_sequence(body)
        elif kind in {_FRAME_HEADER, _FRAME}:
            frames += 1
            if frames == 1 and sequence is not None and (sequence.still or _is_shown_key_frame(body)):
                found = sequence.key
    if not frames:
        raise VideoFrameError("av1: a temporal unit without a frame")
    return found


def _units(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """The OBUs in order (section 5.3.2): type and body; the last one may be without a size::

    | forbidden (1) | type (4) | extension (1) | has a size (1) | reserved (1) | extension (8) | size (leb128) | body |
    """
    at, size = 0, len(payload)
    for _ in range(MOST_UNITS):
        if at >= size:
            return
        head = payload[at]
        if head & 0x80:
            raise VideoFrameError("av1: an OBU has its forbidden bit set")
        at += 2 if head & 0x04 else 1
        length = size - at
        if head & 0x02:
            length, at = _leb128(payload, at)
        if length < 0 or length > size - at:
            raise VideoFrameError(f"av1: an OBU of {length} bytes where {size - at} are left")
        yield head >> 3 & 0xF, payload[at : at + length]
        at += length
    if at < size:
        raise VideoFrameError(f"av1: more than {MOST_UNITS} OBUs")


def _leb128(payload: bytes, at: int) -> tuple[int, int]:
    """The number at byte ``at`` (section 4.10.5), and the byte behind it."""
    number = 0
    for index, byte in enumerate(payload[at : at + 8]):
        number |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return number, at + index + 1
    raise VideoFrameError("av1: the size of an OBU does not end")


def _is_shown_key_frame(body: bytes) -> bool:
    """Whether a frame header (section 5.9.2) begins: no existing frame is shown, frame_type is 0, show_frame is 1."""
    return BitReader(body).read(4) == 0b0001


def _read_sequence(body: bytes) -> _Sequence:
    """Reads a sequence header (section 5.5.1)."""
    bits = BitReader(body)
    profile = bits.read(3)
    if profile > 2:
        raise VideoFrameError(f"av1: profile {profile}, expected 0 to 2")
    bits.read(1)  # still_picture
    still = bits.flag()  # reduced_still_picture_header
    if still:
        bits.read(5)  # seq_level_idx
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    if not still and bits.flag():  # frame_id_numbers_present_flag
        bits.read(7)
    bits.read(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if not still:
        _skip_tools(bits)
    bits.read(3)  # enable_superres, enable_cdef, enable_restoration
    decoded = _decoded_form(bits, profile)
    return _Sequence(still, KeyFrame(width, height, decoded, f"{profile} {decoded}".encode()))


def _skip_operating_points(bits: BitReader) -> None:
    """Reads timing_info, decoder_model_info and the operating points."""
    delay_bits = 0
    timing = bits.flag()
    has_model = False
    if timing:
        bits.read(64)  # num_units_in_display_tick, time_scale
        if bits.flag():  # equal_picture_interval
            bits.exp_golomb()  # uvlc() of up to 32 bits is the same code
        has_model = bits.flag()
        if has_model:
            delay_bits = bits.read(5) + 1
            bits.read(42)  # num_units_in_decoding_tick, two lengths less 1
    has_delays = bits.flag()  # initial_display_delay_present_flag
    for _ in range(bits.read(5) + 1):
        bits.read(12)  # operating_point_idc
        if bits.read(5) > 7:  # seq_level_idx
            bits.read(1)  # seq_tier
        if has_model and bits.flag():
            bits.read(2 * delay_bits + 1)  # operating_parameters_info
        if has_delays and bits.flag():
            bits.read(4)


def _skip_tools(bits: BitReader) -> None:
    """Reads the flags from enable_interintra_compound to order_hint_bits."""
    bits.read(
        4
    )  # enable_interintra_compound, enable_masked_compound, enable_warped_motion, enable_dual_filter
    order_hint = bits.flag()
    if order_hint:
        bits.read(2)  # enable_jnt_comp, enable_ref_frame_mvs
    screen_content = 2 if bits.flag() else bits.read(1)  # seq_choose_screen_content_tools
    if screen_content and not bits.flag():  # seq_choose_integer_mv
        bits.read(1)
    if order_hint:
        bits.read(3)


def _decoded_form(bits: BitReader, profile: int) -> str:
    """Reads color_config (section 5.5.2) as far as the form is said."""
    bit_depth = 10 if bits.flag() else 8  # high_bitdepth
    if profile == 2 and bit_depth == 10 and bits.flag():
        bit_depth = 12
    mono = profile != 1 and bits.flag()
    described = (bits.read(8), bits.read(8), bits.read(8)) if bits.flag() else (2, 2, 2)
    if mono:
        return pixel_format(bit_depth, mono=True)
    if described == _SRGB:
        return "gbrp" if bit_depth == 8 else f"gbrp{bit_depth}le"
    bits.read(1)  # color_range
    halved_x, halved_y = profile != 1, profile == 0
    if bit_depth == 12:
        halved_x = bits.flag()
        halved_y = halved_x and bits.flag()
    return pixel_format(bit_depth, halved_x=halved_x, halved_y=halved_y)
