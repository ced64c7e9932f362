"""Makes other forms of stems and mixes: 16-bit samples at 16 kHz, and MP3; each as long as what it is made from, to the sample.

As a process (``python -m worker.audio.conversion raw|mp3 SAMPLES``) it converts standard input to standard output, so that
neither a server's memory nor its event loop takes part.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import BinaryIO, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from worker.audio.converted_forms import (
    FORMS,
    LAME_DELAY,
    MP3_BIT_RATE,
    MP3_FRAME,
    MP3_FRAME_BYTES,
    RAW_BYTES,
    RAW_RATE,
    mp3_frames,
    raw_samples,
)
from worker.audio.decoder import Samples, mono_decoder
from worker.audio.opus import SAMPLE_RATE

_BLOCK: Final = SAMPLE_RATE
"""Samples that are converted at once: one second."""

_ROUNDED: Final = SAMPLE_RATE // 1000
"""Samples by which a packet may seem to be late: timestamps in WebM are whole milliseconds."""

_EFFORT: Final = "7"
"""LAME's ``quality``: its fast algorithm, which takes a fifth less processor time than the default one."""
_HEADER: Final = bytes([0xFF, 0xFB, 0x54, 0xC4])
"""Of each frame: MPEG-1 Layer III without CRC, 64 kbit/s, 48 kHz, no padding, mono, original."""
_SIDE_INFO: Final = 17
"""Bytes between the header and what follows it, for mono."""


def convert(form: str, source: BinaryIO, samples: int) -> Iterator[bytes]:
    """The file in ``form``, block by block. ``source`` is a stem or a mix, read once and in order, of ``samples`` at 48 kHz.

    A source that is shorter is followed by silence. A packet that cannot be decoded is silent. Raises ValueError for an unknown
    form, and av.error.FFmpegError for what is neither WebM nor WAV.
    """
    pcm = _exactly(_decoded(source), samples)
    match form:
        case "raw":
            yield from _raw(pcm, samples)
        case "mp3":
            yield from _mp3(pcm, samples)
        case _:
            raise ValueError(f"form {form!r}: expected {' or '.join(FORMS)}")


def _decoded(source: BinaryIO) -> Iterator[Samples]:
    """The samples of a stem or a mix. What is missing, or cannot be decoded, is silent: all else keeps its place."""
    with av.open(source, "r") as container:
        stream = container.streams.audio[0]
        if stream.codec_context.name not in {"opus", "libopus"}:
            for frame in container.decode(stream):
                yield _samples(frame)
            return
        decoder = mono_decoder()
        done = 0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            missing = round((packet.pts or 0) * packet.time_base * SAMPLE_RATE) - done
            if missing > _ROUNDED:
                done += missing
                yield np.zeros(missing, np.int16)
            with suppress(av.error.FFmpegError):
                for frame in decoder.decode(av.Packet(bytes(packet))):
                    done += frame.samples
                    yield _samples(frame)


def _samples(frame: av.AudioFrame) -> Samples:
    return np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples)


def _exactly(pcm: Iterable[Samples], samples: int) -> Iterator[Samples]:
    """The first ``samples`` of ``pcm`` in blocks of _BLOCK, with silence in place of what is missing."""
    waiting: list[Samples] = []
    waits = given = 0
    for piece in pcm:
        waiting.append(piece)
        waits += len(piece)
        if waits >= _BLOCK:
            block = np.concatenate(waiting)[: samples - given]
            waiting, waits, given = [], 0, given + len(block)
            if len(block):
                yield block
            if given >= samples:
                return
    waiting.append(np.zeros(min(_BLOCK, samples - given), np.int16))
    block = np.concatenate(waiting)[: samples - given]
    given += len(block)
    yield block
    while given < samples:
        block = np.zeros(min(_BLOCK, samples - given), np.int16)
        given += len(block)
        yield block


def _raw(pcm: Iterable[Samples], samples: int) -> Iterator[bytes]:
    left = raw_samples(samples) * RAW_BYTES
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RAW_RATE)
    for frame in chain(map(_frame, pcm), [None]):
        for converted in resampler.resample(frame):
            data = bytes(converted.planes[0])[: min(left, converted.samples * RAW_BYTES)]
            left -= len(data)
            yield data
    yield bytes(left)


def _mp3(pcm: Iterable[Samples], samples: int) -> Iterator[bytes]:
    count = mp3_frames(samples)
    yield _info_frame(samples, count)
    padded = chain(pcm, [np.zeros(count * MP3_FRAME - samples, np.int16)])
    yield from islice(_mp3_packets(padded), count)


def _mp3_packets(pcm: Iterable[Samples]) -> Iterator[bytes]:
    """A packet for each MP3_FRAME of samples, and those that the encoder kept back."""
    encoder = av.CodecContext.create("libmp3lame", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate = SAMPLE_RATE
    encoder.layout = "mono"
    encoder.format = "s16p"
    encoder.bit_rate = MP3_BIT_RATE
    encoder.options = {"compression_level": _EFFORT}
    left = np.zeros(0, np.int16)
    for piece in pcm:
        left = np.concatenate([left, piece])
        whole = len(left) // MP3_FRAME * MP3_FRAME
        for start in range(0, whole, MP3_FRAME):
            for packet in encoder.encode(_frame(left[start : start + MP3_FRAME], "s16p")):
                yield bytes(packet)
        left = left[whole:]
    for packet in encoder.encode(None):
        yield bytes(packet)


def _frame(samples: Samples, form: str = "s16") -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), form, "mono")
    frame.sample_rate = SAMPLE_RATE
    return frame


def _info_frame(samples: int, count: int) -> bytes:
    """A frame without sound that tells the length (the Info tag of Xing and LAME), so that decoders leave out the padding."""
    size = (1 + count) * MP3_FRAME_BYTES
    padding = count * MP3_FRAME - samples - LAME_DELAY
    contents = bytes(each * 256 // 100 for each in range(100))
    xing = struct.pack(">4sIII", b"Info", 0b0111, count, size) + contents
    delays = (LAME_DELAY << 12 | padding).to_bytes(3, "big")
    lame = b"LAME3.100" + bytes(12) + delays + bytes(12)
    return (_HEADER + bytes(_SIDE_INFO) + xing + lame).ljust(MP3_FRAME_BYTES, b"\0")


def main(arguments: list[str]) -> int:
    """Converts standard input; returns the exit code."""
    form, samples = arguments
    for block in convert(form, sys.stdin.buffer, int(samples)):
        sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
