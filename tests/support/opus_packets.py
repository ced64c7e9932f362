"""Opus packets: decoded, and packed into RED."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext

from worker.audio.red import RedundantBlock


def decode(payloads: list[bytes]) -> npt.NDArray[np.int16]:
    """The samples of packets that follow one another, at 48 kHz."""
    context = av.CodecContext.create("libopus", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 48_000, "mono"
    frames = [frame for payload in payloads for frame in context.decode(av.Packet(payload))]
    return np.concatenate([np.asarray(frame.to_ndarray()[0], np.int16) for frame in frames])


def pack(primary: bytes, redundant: list[RedundantBlock]) -> bytes:
    """A RED payload (RFC 2198)."""
    headers = b"".join(
        bytes([0x80 | block.payload_type])
        + ((block.timestamp_offset << 10) | len(block.payload)).to_bytes(3, "big")
        for block in redundant
    )
    return headers + bytes([111]) + b"".join(block.payload for block in redundant) + primary
