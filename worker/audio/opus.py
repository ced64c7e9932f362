"""Reads Opus packets without decoding them (RFC 6716, section 3), merges them, and makes packets of silence (pure)."""

from __future__ import annotations

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

PACKET_SAMPLES = tuple(
    0 if toc & 3 == 3 else FRAME_SAMPLES[toc] * (1 if toc & 3 == 0 else 2) for toc in range(256)
)
"""The packet length in samples for each TOC byte, or 0 where the second byte holds the frame count (code 3)."""


def packet_samples(payload: bytes) -> int:
    """The length of an Opus packet in samples at 48 kHz (120 to 5,760). Raises OpusError if the payload is no packet."""
    if not payload:
        raise OpusError("opus: an empty payload is no packet")
    samples = PACKET_SAMPLES[payload[0]]
    if samples:
        return samples
    if len(payload) < 2:
        raise OpusError("opus: a code 3 packet of one byte has no frame count")
    samples = FRAME_SAMPLES[payload[0]] * (payload[1] & 0x3F)
    if not 0 < samples <= LONGEST_PACKET:
        raise OpusError(f"opus: a packet of {samples} samples; expected 120 to {LONGEST_PACKET}")
    return samples


def is_silence(payload: bytes) -> bool:
    """Whether a packet holds no sound: DTX (a packet of at most one byte) or CELT's digital silence.

    RFC 6716 section 3.2.1 lets a frame be empty ("DTX or lost"). Chromium's DTX packets have one byte.
    """
    if len(payload) <= 1 or payload == LONG_SILENCE:
        return True
    return len(payload) == 3 and payload[0] >= 0xE0 and payload[1:] == b"\xff\xfe"


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
