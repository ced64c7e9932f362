"""What is in the files of a recording, read by other code than the recorder's."""

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
