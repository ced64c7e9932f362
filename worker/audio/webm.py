"""Writes stem files: Opus packets unchanged in WebM (RFC 7845, OpusHead; matroska.org/technical/codec_specs.html, A_OPUS)."""

from __future__ import annotations

import base64
import io
from collections import deque
from functools import cache
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.stream import Stream

from worker.audio.opus import LONGEST_PACKET, SAMPLE_RATE, SILENCES

_MILLISECOND = SAMPLE_RATE // 1000

_TEMPLATE = base64.b64decode(
    b"T2dnUwACAAAAAAAAAAABAAAAAAAAAIRs2SQBE09wdXNIZWFkAQEAAIC7AAAAAABPZ2dTAAAAAAAAAAAAAAEAAAABAAAAh1hg"
    b"GgEQT3B1c1RhZ3MAAAAAAAAAAE9nZ1MABMADAAAAAAAAAQAAAAIAAAApk7DdAQP4//4="
)
"""An Ogg Opus file of one silent packet. PyAV can copy codec parameters, OpusHead among them, but not set them.

Its OpusHead: version 1, mono, pre-skip 0 (every packet counts from its first sample), 48 kHz, gain 0, mapping family 0.
"""


SHORT_SILENCE = 12 * SAMPLE_RATE
"""Silence of up to 12 s is written at once: 100 packets, 0.2 ms of processor time."""

OPENING = 300
"""What it takes to create a file, about 0.4 ms, in packets: what ``write_due`` counts for it."""


_CREATION = (0, 0, b"")
"""The first entry of what waits: the file has to be created."""


class WebmWriter:
    """Writes one mono Opus track of back-to-back packets, with cues and the duration in its header.

    Longer silence waits, and what comes after it too, until ``write_due`` or ``close`` writes it: hours of silence in hundreds
    of files take many seconds. So does all that is in a file before it is created, because hundreds of people can begin to
    speak at the same moment. The bytes are a function of the packets alone. Raises OSError if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path), "w", format="webm", container_options={"fflags": "+bitexact"})
        self._container.add_stream_from_template(_template())
        self._mux = self._container.mux_one
        self._silences = [(samples, _packet(samples, payload)) for samples, payload in SILENCES]
        self._due: deque[tuple[int, int, bytes]] = deque([_CREATION])
        """What waits: (position, samples, payload); silence has no payload."""
        self.position = 0
        """Where the last call began to write what waited, in samples."""

    @property
    def waits(self) -> bool:
        """Whether something waits for ``write_due``."""
        return bool(self._due)

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Adds a packet that starts at ``position`` and lasts ``samples`` (48 kHz); timestamps are whole milliseconds."""
        if self._due:
            self._due.append((position, samples, payload))
            return
        packet = _packet(samples, payload)
        packet.pts = packet.dts = (position + 24) // _MILLISECOND
        self._mux(packet)

    def be_silent(self, position: int, samples: int) -> None:
        """Adds packets of silence from ``position`` on, ``samples`` long in total: a multiple of 120 (2.5 ms)."""
        if self._due or samples > SHORT_SILENCE:
            self._due.append((position, samples, b""))
            return
        self._mux_silence(position, samples)

    def write_due(self, most: int) -> int:
        """Writes about ``most`` of the packets that wait; returns how many it wrote. Creating the file counts as OPENING."""
        due = self._due
        written = 0
        while due and written < most:
            position, samples, payload = due.popleft()
            self.position = position
            if not samples:
                self._container.start_encoding()
                written += OPENING
            elif payload:
                packet = _packet(samples, payload)
                packet.pts = packet.dts = (position + 24) // _MILLISECOND
                self._mux(packet)
                written += 1
            else:
                piece = min(samples, (most - written) * LONGEST_PACKET)
                written += self._mux_silence(position, piece)
                if piece < samples:
                    due.appendleft((position + piece, samples - piece, b""))
        return written

    def close(self) -> None:
        """Writes all that waits, the cues and the duration, and closes the file."""
        while self.write_due(1 << 16):
            pass
        self._container.close()

    def _mux_silence(self, position: int, samples: int) -> int:
        """Writes packets of silence, the longest first; returns how many."""
        mux = self._mux
        written = 0
        for length, packet in self._silences:
            count, samples = divmod(samples, length)
            written += count
            for _ in range(count):
                packet.pts = packet.dts = (position + 24) // _MILLISECOND
                mux(packet)
                position += length
        return written


@cache
def _template() -> AudioStream:
    """The stream of _TEMPLATE, opened once: that takes longer than all else that a new file needs."""
    return av.open(io.BytesIO(_TEMPLATE), "r", format="ogg").streams.audio[0]


def _packet(samples: int, payload: bytes) -> av.Packet[Stream]:
    packet = av.Packet(payload)
    packet.duration = samples // _MILLISECOND
    packet.is_keyframe = True
    return packet
