"""Reads Opus packets without decoding them (RFC 6716, section 3), merges them, and makes packets of silence (pure)."""

from __future__ import annotations

from typing import NamedTuple

SAMPLE_RATE = 48_000

QUANTUM = 120
"""2.5 ms in samples: the shortest Opus frame, and the step in which silence is written."""

LONGEST_PACKET = 5_760
"""120 ms in samples, the longest packet (RFC 6716, section 3.2.5)."""


class OpusError(ValueError):
    """A payload is not an Opus packet."""


def _frame_samples(config: int) -> int:
    """The frame length of a TOC configuration number, 0 to 31 (RFC 6716, table 2)."""
    if config < 12:  # SILK only
        return (480, 960, 1920, 2880)[config & 3]
    if config < 16:  # hybrid
        return (480, 960)[config & 1]
    return (120, 240, 480, 960)[config & 3]  # CELT only


FRAME_SAMPLES = tuple(_frame_samples(toc >> 3) for toc in range(256))
"""The frame length in samples for each TOC byte."""

LONGEST_FRAME = 1_275
"""Bytes of the longest frame (RFC 6716, section 3.4, rule 2)."""

LONGEST_SINGLE = 1 + LONGEST_FRAME
"""Bytes of the longest packet of code 0: the TOC byte and one frame."""

LONGEST_SILENCE = 6
"""Bytes of two frames of digital silence and their header; only packets of code 3, which hold more frames, may be longer."""

SINGLE_SAMPLES = tuple(0 if toc & 3 else FRAME_SAMPLES[toc] for toc in range(256))
"""The packet length in samples for each TOC byte of code 0 (one frame), 0 for the others.

Above LONGEST_SILENCE and up to LONGEST_SINGLE bytes such a packet is valid and holds sound, so nothing else of it has to be
read.
"""


class OpusPacket(NamedTuple):
    """The framing of a valid packet: ``samples`` at 48 kHz (120 to 5,760), and the lengths in bytes of its ``frames``, which
    follow one another from byte ``start`` on."""

    samples: int
    start: int
    frames: tuple[int, ...]


def parse_packet(payload: bytes) -> OpusPacket:
    """Reads a packet's framing. Raises OpusError where it breaks one of the rules R1 to R7 of RFC 6716, section 3.4::

    code 0: | TOC | frame |
    code 1: | TOC | frame | frame of the same length |
    code 2: | TOC | length | frame | frame |
    code 3: | TOC | variable (1), padding (1), count (6) | padding length | lengths, if variable | frames | padding |
    """
    if not payload:
        raise OpusError("opus: an empty payload is no packet (R1)")
    size, code = len(payload), payload[0] & 3
    frames: tuple[int, ...]
    if code == 0:
        start, frames = 1, (size - 1,)
    elif code == 1:
        if size % 2 == 0:
            raise OpusError(f"opus: {size - 1} bytes cannot be two frames of the same length (R3)")
        start, frames = 1, ((size - 1) // 2,) * 2
    elif code == 2:
        first, start = _frame_length(payload, 1)
        if first > size - start:
            raise OpusError(f"opus: a frame of {first} bytes does not fit into {size} (R4)")
        frames = (first, size - start - first)
    else:
        start, frames = _many_frames(payload)
    if max(frames) > LONGEST_FRAME:
        raise OpusError(f"opus: a frame of {max(frames)} bytes, expected at most {LONGEST_FRAME} (R2)")
    return OpusPacket(FRAME_SAMPLES[payload[0]] * len(frames), start, frames)


def _many_frames(payload: bytes) -> tuple[int, tuple[int, ...]]:
    """Where the frames of a code 3 packet begin, and their lengths. Raises OpusError by R5 to R7."""
    size = len(payload)
    if size < 2:
        raise OpusError("opus: a code 3 packet of one byte has no frame count (R6, R7)")
    count = payload[1] & 0x3F
    samples = FRAME_SAMPLES[payload[0]] * count
    if not 0 < samples <= LONGEST_PACKET:
        raise OpusError(f"opus: a packet of {samples} samples, expected 120 to {LONGEST_PACKET} (R5)")
    at, padding = 2, 0
    if payload[1] & 0x40:
        more = 255
        while more == 255:
            if at == size:
                raise OpusError(f"opus: the padding's length does not end within {size} bytes (R6, R7)")
            more = payload[at]
            padding += 254 if more == 255 else more
            at += 1
    if not payload[1] & 0x80:
        if (size - at - padding) % count or padding > size - at:
            raise OpusError(f"opus: {size - at - padding} bytes cannot be {count} equal frames (R6)")
        return at, ((size - at - padding) // count,) * count
    frames = []
    for _ in range(count - 1):
        length, at = _frame_length(payload, at)
        frames.append(length)
    last = size - at - padding - sum(frames)
    if last < 0:
        raise OpusError(f"opus: {count} frames are {-last} bytes longer than their packet (R7)")
    return at, (*frames, last)


def _frame_length(payload: bytes, at: int) -> tuple[int, int]:
    """The frame length that is coded at byte ``at`` (RFC 6716, section 3.2.1), and the byte behind it. Raises OpusError."""
    first = payload[at] if at < len(payload) else 252
    if first < 252:
        return first, at + 1
    if at + 1 >= len(payload):
        raise OpusError(f"opus: the frame length at byte {at} is cut off at {len(payload)} (R4, R7)")
    return first + 4 * payload[at + 1], at + 2


def packet_samples(payload: bytes) -> int:
    """The length of an Opus packet in samples at 48 kHz (120 to 5,760). Raises OpusError if the payload is no packet."""
    return parse_packet(payload).samples


def is_silence(payload: bytes) -> bool:
    """Whether a packet holds no sound: each of its frames is empty or CELT's digital silence.

    RFC 6716 section 3.2.1 lets a frame be empty ("DTX or lost"), and decoders take one of one byte for that, too. Chromium's
    DTX packets have one byte, libopus makes some of up to 60 ms with codes 1 and 3.
    """
    if len(payload) > LONGEST_SILENCE and payload[0] & 3 != 3:
        return False
    try:
        _, at, frames = parse_packet(payload)
    except OpusError:
        return False
    celt = payload[0] >> 3 >= _CELT_ONLY
    for length in frames:
        if length > 1 and not (celt and payload[at : at + length] == b"\xff\xfe"):
            return False
        at += length
    return True


def voice_activity(payload: bytes) -> bool | None:
    """Whether the encoder found a voice in a packet; None where the packet does not show that.

    A SILK or hybrid frame begins with one voice-activity bit for each of its SILK frames (RFC 6716, section 4.2.3), readable
    without decoding. CELT frames have none, and packets of code 3 (any number of frames) are not examined.
    """
    if len(payload) < 2:
        return False
    toc = payload[0]
    config, code = toc >> 3, toc & 3
    if config >= _CELT_ONLY or code == 3:
        return None
    frames = payload[1:]
    if code == 0:
        starts = [0]
    elif code == 1:
        starts = [0, len(frames) // 2]
    else:
        first = 1 if frames[0] < 252 else 2
        length = frames[0] if first == 1 else frames[0] + 4 * (frames[1] if len(frames) > 1 else 0)
        starts = [first, first + length]
    mask = _VOICE_BITS[FRAME_SAMPLES[toc] // 960 or 1]
    return any(frames[start] & mask for start in starts if start < len(frames))


_CELT_ONLY = 16
"""TOC configurations from this one on are CELT only (RFC 6716, table 2)."""

_VOICE_BITS = {1: 0x80, 2: 0xC0, 3: 0xE0}
"""Masks of the voice-activity bits in the first byte, for 1, 2 and 3 SILK frames of 20 ms."""

LONG_SILENCE = b"\xfb\x06" + 6 * b"\xff\xfe"
"""120 ms of digital silence: a code 3 packet of six CELT frames of the same length (RFC 6716, section 3.2.5)."""

SILENCES = (
    (LONGEST_PACKET, LONG_SILENCE),
    (960, b"\xf8\xff\xfe"),
    (480, b"\xf0\xff\xfe"),
    (240, b"\xe8\xff\xfe"),
    (120, b"\xe0\xff\xfe"),
)
"""Packets of digital silence, mono, longest first: (samples, payload). TOC configurations 31 to 28 are CELT, fullband."""


def merge_packets(payloads: list[bytes]) -> bytes:
    """One code 3 packet (RFC 6716, section 3.2.5) that decodes to the same samples as up to 120 ms of code 0 packets.

    All must have the same TOC byte with code 0. One decoder call then replaces several.
    """
    merged = bytearray((payloads[0][0] | 3, 0x80 | len(payloads)))
    for payload in payloads[:-1]:
        length = len(payload) - 1
        if length < 252:
            merged.append(length)
        else:
            merged += bytes((252 + (length & 3), (length - 252) >> 2))
    for payload in payloads:
        merged += payload[1:]
    return bytes(merged)
