"""Reads H264 frames in the byte stream format (ITU-T H.264, annex B) as WebRTC's depacketizer makes them (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.video.bit_reader import MOST_BYTES, BitReader
from worker.video.key_frame import KeyFrame, VideoFrameError, pixel_format

_SLICES: Final = frozenset(range(1, 6))
_IDR: Final = 5
_SEQUENCE_PARAMETERS: Final = 7
_PICTURE_PARAMETERS: Final = 8

MOST_UNITS: Final = 300
"""NAL units in front of a frame's first slice: 32 sequence and 256 picture parameter sets, and a few others."""

_WITH_CHROMA: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""profile_idc values whose sequence parameter sets say the chroma format (section 7.3.2.1.1)."""

_CHROMA: Final[tuple[dict[str, bool], ...]] = (
    {"mono": True},
    {},
    {"halved_y": False},
    {"halved_x": False, "halved_y": False},
)
"""By chroma_format_idc."""


class _Sequence(NamedTuple):
    """A sequence parameter set: its number, its picture's size and form, and what slices are read by."""

    number: int
    width: int
    height: int
    pixel_format: str
    reading: tuple[int, ...]


class _Picture(NamedTuple):
    """A picture parameter set: its number, that of its sequence parameter set, and the rest of its bits."""

    number: int
    sequence: int
    rest: int


def read_key_frame(payload: bytes) -> KeyFrame | None:
    """What a key frame says: an IDR picture and its parameter sets; None for another frame. Raises VideoFrameError."""
    sequences: dict[int, _Sequence] = {}
    pictures: dict[int, _Picture] = {}
    for count, unit in enumerate(_units(payload)):
        kind = unit[0] & 0x1F
        if unit[0] & 0x80:
            raise VideoFrameError("h264: a NAL unit has its forbidden bit set")
        if count > MOST_UNITS:
            raise VideoFrameError(f"h264: more than {MOST_UNITS} NAL units in front of a slice")
        if kind == _SEQUENCE_PARAMETERS:
            sequence = _sequence(unit)
            sequences[sequence.number] = sequence
        elif kind == _PICTURE_PARAMETERS:
            picture = _picture(unit)
            pictures[picture.number] = picture
        elif kind in _SLICES:
            return _idr(unit, sequences, pictures) if kind == _IDR else None
    raise VideoFrameError("h264: a frame without a slice")


def _idr(unit: bytes, sequences: dict[int, _Sequence], pictures: dict[int, _Picture]) -> KeyFrame | None:
    """An IDR picture by its first slice; None where its parameter sets came with an earlier frame."""
    bits = _payload_bits(unit)
    bits.exp_golomb()  # first_mb_in_slice
    bits.exp_golomb()  # slice_type
    picture = pictures.get(bits.exp_golomb())
    sequence = None if picture is None else sequences.get(picture.sequence)
    if picture is None or sequence is None:
        return None
    configuration = repr((sequence.reading, picture.rest)).encode()
    return KeyFrame(sequence.width, sequence.height, sequence.pixel_format, configuration)


def _units(payload: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream in order, each cut after what headers need. Raises VideoFrameError where it is none."""
    start = payload.find(b"\0\0\1", 0, 4)
    if start < 0 or any(payload[:start]):
        raise VideoFrameError("h264: a frame does not begin with a start code")
    while start >= 0:
        following = payload.find(b"\0\0\1", start + 3)
        end = len(payload) if following < 0 else following
        unit = payload[start + 3 : min(end, start + 3 + 2 * MOST_BYTES)]
        # Of a start code of four bytes the first is taken for the end of the unit before.
        if unit.strip(b"\0"):
            yield unit
        start = following


def _payload_bits(unit: bytes) -> BitReader:
    """A NAL unit's raw bytes, without those that prevent start codes (section 7.4.1), behind its header."""
    return BitReader(unit[1:].replace(b"\0\0\3", b"\0\0"))


def _sequence(unit: bytes) -> _Sequence:
    """Reads a sequence parameter set (section 7.3.2.1.1) up to the size of its pictures."""
    bits = _payload_bits(unit)
    profile = bits.read(8)
    bits.read(16)  # constraint flags and level_idc: neither changes how slices are read
    number = _up_to(31, bits.exp_golomb())
    chroma, separate, luma_bits, chroma_bits, lossless = 1, 0, 8, 8, 0
    if profile in _WITH_CHROMA:
        chroma = _up_to(3, bits.exp_golomb())
        separate = bits.read(1) if chroma == 3 else 0
        luma_bits, chroma_bits = 8 + _up_to(6, bits.exp_golomb()), 8 + _up_to(6, bits.exp_golomb())
        lossless = bits.read(1)
        if bits.flag():
            _skip_scaling_lists(bits, 8 if chroma != 3 else 12)
    frame_number_bits = _up_to(12, bits.exp_golomb())
    order = _picture_order(bits)
    references = _up_to(16, bits.exp_golomb())
    gaps = bits.read(1)
    width, map_height = 16 * (1 + bits.exp_golomb()), 16 * (1 + bits.exp_golomb())
    frames_only = bits.read(1)
    fields = 0 if frames_only else bits.read(1)
    direct = bits.read(1)
    height = map_height * (2 - frames_only)
    if bits.flag():
        left, right, top, bottom = (bits.exp_golomb() for _ in range(4))
        unit_x = 2 if chroma in {1, 2} else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    decoded = pixel_format(luma_bits, **_CHROMA[chroma])
    reading = (
        profile,
        chroma,
        separate,
        luma_bits,
        chroma_bits,
        lossless,
        frame_number_bits,
        *order,
        references,
        gaps,
    )
    return _Sequence(number, width, height, decoded, (*reading, frames_only, fields, direct))


def _picture_order(bits: BitReader) -> tuple[int, ...]:
    """Reads how pictures are ordered: pic_order_cnt_type and what belongs to it."""
    kind = _up_to(2, bits.exp_golomb())
    if kind == 0:
        return kind, _up_to(12, bits.exp_golomb())
    if kind == 2:
        return (kind,)
    read: list[int] = [bits.read(1), bits.signed_exp_golomb(), bits.signed_exp_golomb()]
    read += [bits.signed_exp_golomb() for _ in range(_up_to(255, bits.exp_golomb()))]
    return kind, *read


def _skip_scaling_lists(bits: BitReader, count: int) -> None:
    """Reads scaling lists (section 7.3.2.1.1.1)."""
    for number in range(count):
        if not bits.flag():
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.signed_exp_golomb()) % 256
            last = following or last


def _picture(unit: bytes) -> _Picture:
    """Reads the numbers of a picture parameter set (section 7.3.2.2)."""
    bits = _payload_bits(unit.rstrip(b"\0"))
    return _Picture(_up_to(255, bits.exp_golomb()), _up_to(31, bits.exp_golomb()), bits.rest())


def _up_to(most: int, number: int) -> int:
    if number > most:
        raise VideoFrameError(f"h264: {number} in a parameter set, expected at most {most}")
    return number
