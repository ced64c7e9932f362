import os
import shutil
import struct
import subprocess
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from worker.audio import wav
from worker.audio.wav import WavWriter

SOUND = (np.arange(96_000) % 2_000 - 1_000).astype(np.int32)


def decoded(path: Path, *options: str) -> npt.NDArray[np.int16]:
    """What ffmpeg reads."""
    command = ["ffmpeg", "-v", "error", *options, "-i", str(path), "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2")


def test_a_file_below_4_gib_is_plain_riff(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(SOUND[:50_000])
    writer.write(SOUND[50_000:])
    writer.close()
    with wave.open(str(tmp_path / "a.wav")) as read:
        assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (1, 2, 48_000)
        assert np.array_equal(np.frombuffer(read.readframes(read.getnframes()), "<i2"), SOUND)
    assert np.array_equal(decoded(tmp_path / "a.wav"), SOUND)


def test_an_empty_file_is_readable(tmp_path: Path) -> None:
    WavWriter(tmp_path / "a.wav").close()
    with wave.open(str(tmp_path / "a.wav")) as read:
        assert read.getnframes() == 0


@pytest.mark.parametrize("largest", [wav.LARGEST_RIFF, 100_000], ids=["RIFF", "RF64"])
def test_a_file_whose_writer_is_killed_can_be_played_up_to_its_last_sample(
    largest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wav, "LARGEST_RIFF", largest)
    writer = WavWriter(tmp_path / "a.wav")
    for second in (SOUND[:48_000], SOUND[48_000:]):
        writer.write(second)
    left = tmp_path / "left.wav"
    shutil.copy(tmp_path / "a.wav", left)
    writer.close()
    assert np.array_equal(decoded(left), SOUND)
    assert left.read_bytes() == (tmp_path / "a.wav").read_bytes()


def header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(80)


def test_only_a_file_that_needs_it_is_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last size that RIFF can give, and the first that it cannot."""
    monkeypatch.setattr(wav, "LARGEST_RIFF", 72 + 2_000)
    for count in (1_000, 1_001):
        writer = WavWriter(tmp_path / f"{count}.wav")
        writer.write(SOUND[:count])
        writer.close()
        assert np.array_equal(decoded(tmp_path / f"{count}.wav"), SOUND[:count])
    assert header(tmp_path / "1000.wav")[:16] == b"RIFF" + struct.pack("<I", 72 + 2_000) + b"WAVEJUNK"
    assert header(tmp_path / "1001.wav")[:48] == struct.pack(
        "<4sI4s4sIQQQI", b"RF64", 0xFFFF_FFFF, b"WAVE", b"ds64", 28, 72 + 2_002, 2_002, 1_001, 0
    )
    assert header(tmp_path / "1001.wav")[72:] == b"data" + b"\xff" * 4


def test_a_file_beyond_4_gib_is_read_to_its_end(tmp_path: Path) -> None:
    """13 hours; a hole in the file stands for all but the last second."""
    path = tmp_path / "a.wav"
    silent = 13 * 3_600 * 48_000
    writer = WavWriter(path)
    os.truncate(path, 80 + 2 * silent)
    writer._file.seek(0, os.SEEK_END)
    writer._data_bytes = 2 * silent
    writer.write(SOUND[:48_000])
    writer.close()
    assert path.stat().st_size == 80 + 2 * (silent + 48_000)
    assert header(path).startswith(b"RF64")
    assert np.array_equal(decoded(path, "-ss", str(13 * 3_600)), SOUND[:48_000])


def test_samples_beyond_16_bits_are_clipped(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(np.array([-32_768, -32_769, -70_000, 32_767, 32_768, 70_000, 65_536], np.int32))
    writer.close()
    assert decoded(tmp_path / "a.wav").tolist() == [*[-32_768] * 3, *[32_767] * 4]


def test_a_full_disk_leaves_what_was_written_before(tmp_path: Path) -> None:
    class Full:
        """A file on a disk that has no room for the second half of the second call."""

        def __init__(self, file: object) -> None:
            self._file = file
            self._room = 48_000

        def write(self, data: memoryview) -> int:
            if self._room == 0:
                raise OSError(28, "No space left on device")
            written: int = self._file.write(data[: self._room])  # type: ignore[attr-defined]
            self._room -= written
            return written

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    path = tmp_path / "a.wav"
    writer = WavWriter(path)
    writer.write(SOUND)
    writer._file = Full(writer._file)  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left"):
        writer.write(SOUND)
    assert np.array_equal(decoded(path), SOUND), "while the file is open"
    writer.close()
    with wave.open(str(path)) as read:
        assert np.array_equal(np.frombuffer(read.readframes(read.getnframes()), "<i2"), SOUND)
    assert path.stat().st_size == 80 + 2 * len(SOUND)


def test_samples_of_any_number_are_clipped_and_appended(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    loud = SOUND * 1_000
    for start, end in ((0, 0), (0, 50_000), (50_000, 50_001), (50_001, 96_000)):
        writer.write(loud[start:end])
    writer.close()
    assert np.array_equal(decoded(tmp_path / "a.wav"), loud.clip(-32_768, 32_767))
