from __future__ import annotations

import wave
from pathlib import Path

import pytest

from worker.audio.opus import SAMPLE_RATE
from worker.audio.placed_wav import PlacedWav
from worker.audio.wav import HEADER_BYTES, header


def read(path: Path) -> tuple[int, bytes]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), file.readframes(file.getnframes())


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_pieces_are_where_they_were_placed_with_silence_between(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    wav = PlacedWav(path, rate)
    wav.place(4, b"\1\1\2\2")
    wav.place(1, b"\3\3")
    assert wav.samples == 6
    wav.close(8)
    assert read(path) == (rate, b"\0\0\3\3" + bytes(4) + b"\1\1\2\2" + bytes(4))


def test_a_file_that_was_not_closed_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wav = PlacedWav(path, 16_000)
    assert read(path) == (16_000, b"")
    wav.place(0, b"\1\1")
    assert read(path) == (16_000, b"\1\1")
    wav.close()
    assert path.stat().st_size == HEADER_BYTES + 2


def test_what_is_never_placed_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wav = PlacedWav(path, 48_000)
    wav.place(3600 * 48_000, b"\1\1")
    wav.close()
    assert path.stat().st_size > 300_000_000
    assert path.stat().st_blocks * 512 < 1_000_000


def test_the_header_of_the_mix_keeps_its_rate() -> None:
    assert header(10) == header(10, SAMPLE_RATE) != header(10, 16_000)
