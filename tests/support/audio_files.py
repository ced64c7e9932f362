"""What is in the files of a recording, read by other code than the recorder's; and files to play."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.float64]


def packets_of(path: Path) -> list[bytes]:
    """The packets of a WebM, in file order."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def mix(folder: Path) -> npt.NDArray[np.int16]:
    """The samples of the mix of the recording in ``folder``."""
    with wave.open(str(folder / "audio.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def write_tone(path: Path, seconds: float) -> None:
    """Writes a WebM with an Opus tone."""
    path.parent.mkdir(exist_ok=True)
    times = np.arange(int(seconds * 48_000)) / 48_000
    tone = (np.sin(2 * np.pi * 440 * times) * 8_000).astype(np.int16)
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def decoded(data: bytes, rate: int = 48_000) -> Pcm:
    """The samples of a file of one mono track, as any player decodes it, at ``rate``."""
    pieces = []
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(audio=0):
            pieces += [each.to_ndarray().reshape(-1) for each in resampler.resample(frame)]
    pieces += [each.to_ndarray().reshape(-1) for each in resampler.resample(None)]
    return np.concatenate(pieces).astype(np.float64)


def lag(one: Pcm, other: Pcm) -> int:
    """How many samples ``other`` is later than ``one``: where they are most alike."""
    size = 1 << (len(one) + len(other)).bit_length()
    alike = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size), size)
    best = int(np.argmax(alike))
    return best if best < size // 2 else best - size


def likeness(one: Pcm, other: Pcm) -> float:
    """The correlation of two recordings of the same length: 1 for the same sound."""
    return float(np.corrcoef(one, other)[0, 1])
