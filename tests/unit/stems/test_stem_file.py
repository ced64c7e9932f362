from pathlib import Path

import av
import pytest

from fixtures.replica.voices import load_voice
from tests.support.audio_files import packets_of
from tests.support.full_disk import files_limited_to
from worker.audio.webm import WebmWriter
from worker.stems import stem_file
from worker.stems.stem_file import StemFile

SPEECH = [packet.payload for packet in load_voice("aria").speech[:100]]


def test_a_full_disk_ends_the_file_and_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    file = StemFile(path)
    sent = [SPEECH[number % 100] for number in range(3_000)]
    with files_limited_to(100_000):
        for number, payload in enumerate(sent):
            file.write(number * 960, 960, payload)
        file.be_silent(3_000 * 960, 48_000)
        file.close()
    assert isinstance(file.failure, OSError)
    left = packets_of(path)
    assert len(left) > 1_000
    assert left[:-1] == sent[: len(left) - 1], "what was written before stays"


def test_a_full_disk_during_silence_ends_the_file(tmp_path: Path) -> None:
    file = StemFile(tmp_path / "a.webm")
    with files_limited_to(50_000):
        for second in range(400):
            file.be_silent(second * 48_000, 48_000)
        file.close()
    assert file.failure is not None


def test_a_file_that_cannot_be_closed_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    file = StemFile(path)
    for number, payload in enumerate(SPEECH):
        file.write(number * 960, 960, payload)
    file.write_due(1_000)
    with files_limited_to(1_000):
        file.close()
        file.close()
    assert file.failure is not None
    assert file.ends_at is None
    assert path.is_file()


def test_a_file_that_cannot_be_created_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.webm"
    file = StemFile(path)
    file.write(0, 960, SPEECH[0])
    file.be_silent(960, 960)
    file.close()
    assert file.failure is not None
    assert file.ends_at == 0
    assert not path.exists()


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError(), av.error.InvalidDataError(1, "no")])
def test_no_error_of_the_muxer_is_raised(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(WebmWriter):
        def write(self, position: int, samples: int, payload: bytes) -> None:
            if position >= 48_000:
                raise error
            super().write(position, samples, payload)

    monkeypatch.setattr(stem_file, "WebmWriter", Breaking)
    file = StemFile(tmp_path / "a.webm")
    for number, payload in enumerate(SPEECH):
        file.write(number * 960, 960, payload)
    file.close()
    assert file.failure is error
    assert file.ends_at == 1.0
    assert packets_of(tmp_path / "a.webm") == SPEECH[:50]


def test_a_file_without_a_failure_is_that_of_the_writer(tmp_path: Path) -> None:
    guarded, plain = StemFile(tmp_path / "a.webm"), WebmWriter(tmp_path / "b.webm")
    for file in (guarded, plain):
        file.be_silent(0, 4_800)
        file.write(4_800, 960, SPEECH[0])
        file.close()
    assert guarded.failure is None
    assert (tmp_path / "a.webm").read_bytes() == (tmp_path / "b.webm").read_bytes()


def test_what_waits_is_seen_from_outside(tmp_path: Path) -> None:
    file = StemFile(tmp_path / "a.webm")
    assert file.waits, "to be created"
    file.be_silent(0, 4_800)
    assert file.waits
    file.write_due(20_000)
    assert not file.waits
    file.be_silent(4_800, 3_600 * 48_000)
    assert file.waits
    assert file.write_due(20_000) == 20_000
    assert file.waits, "a third is left"
    file.write_due(20_000)
    assert not file.waits
    file.close()
