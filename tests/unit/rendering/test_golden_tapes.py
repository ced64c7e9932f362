"""Golden tapes: recordings of earlier versions render to unchanged bytes (fixtures/tapes/README.md)."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fixtures.tapes import expect
from fixtures.tapes.expect import Expected, RenderedFile, Volume
from worker.platforms.registry import Platform
from worker.tape.events import TAPE_VERSION, TapeStarted
from worker.tape.reader import read_tape


def started(folder: Path) -> TapeStarted:
    event = next(read_tape(folder / "tape"))
    assert isinstance(event, TapeStarted)
    return event


@pytest.mark.parametrize("folder", expect.golden_tapes(), ids=lambda folder: folder.name)
def test_golden_tape_renders_the_expected_bytes(folder: Path, tmp_path: Path) -> None:
    warnings = expect.render(folder, tmp_path / "output")
    assert warnings == []
    lines = expect.differences(expect.read_expected(folder), expect.measure(tmp_path / "output"))
    if lines:
        pytest.fail(
            "\n  ".join([f"{folder.name} renders to other files than expected:", *lines])
            + "\nEither the rendering broke, or CHANGELOG.md must say why the bytes changed and expected.json be made "
            f"anew by: python -m fixtures.tapes.expect {folder.name}",
            pytrace=False,
        )


@pytest.mark.parametrize("platform", Platform)
def test_every_platform_has_a_golden_tape_of_the_newest_version(platform: Platform) -> None:
    there = {(event.platform, event.version) for event in map(started, expect.golden_tapes())}
    assert (platform, TAPE_VERSION) in there, "record one, see fixtures/tapes/README.md"


@pytest.mark.parametrize("folder", expect.golden_tapes(), ids=lambda folder: folder.name)
def test_golden_tape_is_named_after_platform_and_version(folder: Path) -> None:
    event = started(folder)
    assert re.fullmatch(rf"{event.platform}-{event.version}(-[a-z]+)?", folder.name)


SAMPLES = (8000 * np.sin(np.arange(50_000) / 20)).astype(np.int16)


def described(samples: expect.Samples = SAMPLES, machine: str = "here", **sizes: int) -> Expected:
    """A replay with a stem of each size, and a mix."""
    files = {f"streams/{name}.webm": RenderedFile(f"{size:064x}", size) for name, size in sizes.items()}
    files["audio.wav"] = RenderedFile(f"{hash(samples.tobytes()) % 2**64:064x}", 44 + samples.nbytes)
    return Expected(machine, "av", files, expect.volume(samples))


def test_differences_name_each_new_missing_or_changed_file() -> None:
    lines = expect.differences(described(a=1, b=2, c=3), described(b=2, c=4, d=5))
    assert [line.partition(":")[0] for line in lines] == [f"streams/{name}.webm" for name in "acd"]
    assert [line.partition(": ")[2].split(",")[0][:10] for line in lines] == [
        "is missing",
        "4 bytes wi",
        "is new",
    ]


def test_the_mix_must_be_exact_on_the_same_architecture() -> None:
    other = SAMPLES.copy()
    other[700] += 1
    (line,) = expect.differences(described(), described(other))
    assert line.startswith("audio.wav: 100044 bytes")


def test_on_another_architecture_the_last_bits_of_the_mix_may_differ() -> None:
    rounded = SAMPLES + np.random.default_rng(1).integers(-1, 2, len(SAMPLES), np.int16)
    assert expect.differences(described(), described(rounded, "elsewhere")) == []


@pytest.mark.parametrize(
    ("samples", "line"),
    [
        (SAMPLES[:-1], "49999 samples, expected 50000"),
        (np.concatenate([SAMPLES[:24_000], np.zeros(26_000, np.int16)]), "RMS 0 from 0.5 s on"),
        ((SAMPLES * 1.01).astype(np.int16), "RMS"),
    ],
    ids=["shorter", "silent", "louder"],
)
def test_on_another_architecture_length_and_volume_must_be_the_same(
    samples: expect.Samples, line: str
) -> None:
    (found,) = expect.differences(described(), described(samples, "elsewhere"))
    assert found.startswith(f"audio.wav: {line}")


def test_expected_files_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    expected = msgspec.structs.replace(described(Łukasz=7), mix=Volume(10, [[1.5, 2.25], [0.0]]))
    expect.write_expected(tmp_path, expected)
    assert expect.read_expected(tmp_path) == expected
    assert "      [ 1.5, 2.25 ],\n" in (tmp_path / "expected.json").read_text("utf-8")


def test_expect_refuses_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        expect.main(["google_meet-0"])
    assert "'google_meet-0' is no golden tape, expected one of " in capsys.readouterr().err
