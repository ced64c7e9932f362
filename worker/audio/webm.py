"""Writes stem files: Opus packets unchanged in WebM (RFC 7845, OpusHead; matroska.org/technical/codec_specs.html, A_OPUS)."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import av
from av.stream import Stream

from worker.audio.opus import SAMPLE_RATE, SILENCES

_MILLISECOND = SAMPLE_RATE // 1000

_TEMPLATE = base64.b64decode(
    b"T2dnUwACAAAAAAAAAAABAAAAAAAAAIRs2SQBE09wdXNIZWFkAQEAAIC7AAAAAABPZ2dTAAAAAAAAAAAAAAEAAAABAAAAh1hg"
    b"GgEQT3B1c1RhZ3MAAAAAAAAAAE9nZ1MABMADAAAAAAAAAQAAAAIAAAApk7DdAQP4//4="
)
"""An Ogg Opus file of one silent packet. PyAV can copy codec parameters, OpusHead among them, but not set them.

Its OpusHead: version 1, mono, pre-skip 0 (every packet counts from its first sample), 48 kHz, gain 0, mapping family 0.
"""


class WebmWriter:
    """Writes one mono Opus track of back-to-back packets, with cues and the duration in its header.

    The bytes are a function of the packets alone. Raises OSError if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path), "w", format="webm", container_options={"fflags": "+bitexact"})
        with av.open(io.BytesIO(_TEMPLATE), "r", format="ogg") as template:
            self._container.add_stream_from_template(template.streams.audio[0])
        self._mux = self._container.mux_one
        self._silences = [(samples, _packet(samples, payload)) for samples, payload in SILENCES]

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Adds a packet that starts at ``position`` and lasts ``samples`` (48 kHz); timestamps are whole milliseconds."""
        packet = _packet(samples, payload)
        packet.pts = packet.dts = (position + 24) // _MILLISECOND
        self._mux(packet)

    def be_silent(self, position: int, samples: int) -> None:
        """Adds packets of silence from ``position`` on, ``samples`` long in total: a multiple of 120 (2.5 ms)."""
        mux = self._mux
        for length, packet in self._silences:
            count, samples = divmod(samples, length)
            for _ in range(count):
                packet.pts = packet.dts = (position + 24) // _MILLISECOND
                mux(packet)
                position += length

    def close(self) -> None:
        """Writes the cues and the duration, and closes the file."""
        self._container.close()


def _packet(samples: int, payload: bytes) -> av.Packet[Stream]:
    packet = av.Packet(payload)
    packet.duration = samples // _MILLISECOND
    packet.is_keyframe = True
    return packet
