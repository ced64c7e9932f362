"""What is in the files of a recording, read by other code than the recorder's; and files to play."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt


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
