from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from tests.support.live_messages import BEGAN, HOSTILE, recall, separate, tone
from worker.cli.heard import Heard
from worker.cli.saved_sound import EVENTS_FILE, SavedSound
from worker.manifest.filenames import MAX_FILE_NAME_BYTES
from worker.rendering.output import OutputError


def read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        data: bytes = file.readframes(file.getnframes())
    return data


def test_files_are_aligned_equally_long_and_called_after_the_newest_name(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    saved = SavedSound(folder)
    heard = Heard(saved.sound, saved.event)
    connection = heard.connect()
    pcm = tone(0.02)
    for person, name, at in ((100, None, 0.5), (200, "Ben", 1.0), (100, "Ada Ray", 0.6)):
        heard.take(connection, separate(person, name, at, pcm), BEGAN + at)
    heard.take(connection, recall("participant_events.join", 100, "Ada Ray", 0.1), BEGAN)
    saved.close()
    assert saved.error is None
    assert sorted(path.name.split("_")[0] for path in folder.glob("*.wav")) == ["AdaRay", "Ben"]
    ada, ben = (read(next(folder.glob(f"{name}*.wav"))) for name in ("Ada", "Ben"))
    assert len(ada) == len(ben) == 2 * round(1.02 * 16_000)
    assert ben == bytes(32_000) + pcm
    assert ada[16_000 : 16_000 + len(pcm)] == pcm
    assert json.loads((folder / EVENTS_FILE).read_text("ascii"))["action"] == "join"
    assert set(saved.names.values()) == {path.name for path in folder.glob("*.wav")}


def test_hostile_names_make_safe_files(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    saved = SavedSound(folder)
    heard = Heard(saved.sound, saved.event)
    connection = heard.connect()
    for number, name in enumerate((HOSTILE, "../../etc/passwd", "", "\0", "CON", "a" * 5_000)):
        heard.take(connection, separate(number, name, 0.5, tone(0.02), bot="../b"), BEGAN + 0.5)
        heard.take(connection, recall("participant_events.join", number, name, 0.5), BEGAN)
    saved.close()
    assert saved.error is None
    names = [path.name for path in folder.glob("*.wav")]
    assert len(names) == 6
    assert all(len(name.encode()) <= MAX_FILE_NAME_BYTES for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert "\x1b" not in (folder / EVENTS_FILE).read_text("ascii")


def test_a_full_disk_ends_the_files_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = SavedSound(tmp_path / "out")
    heard = Heard(saved.sound, saved.event)
    connection = heard.connect()

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worker.audio.placed_wav.os.pwrite", refuse)
    for at in (0.5, 0.6):
        heard.take(connection, separate(100, "Ada", at, tone(0.02)), BEGAN + at)
    saved.close()
    assert saved.error is not None
    assert heard.speakers
    assert not heard.totals.odd


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    with pytest.raises(OutputError):
        SavedSound(tmp_path)
