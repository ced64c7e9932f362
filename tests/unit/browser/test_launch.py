from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from worker.browser import launch, version_probe
from worker.browser.launch import ChromiumNotFoundError, find_chromium
from worker.settings import BrowserSettings

RUNS = "echo 'Chromium 140.0.7339.16 built on Debian'"
STUBS = {
    "a snap's": (
        "echo \"requires the chromium snap to be installed.\" >&2; echo 'snap install chromium' >&2; exit 1",
        "exit code 1: snap install chromium",
    ),
    "one that exits with 0": ("echo install the snap", "has no version: install the snap"),
    "a silent one": ("exit 3", "exit code 3: it printed nothing"),
    "one without its program": ("exec /nowhere/chrome", "exit code 127: "),
    "one that is killed": ("kill -9 $$", "exit code -9: it printed nothing"),
    "one that waits for an answer": ("read answer && echo 1.2.3.4", "exit code 1: it printed nothing"),
    "control characters": (
        "printf '\\033[31mno\\n\\n'; exit 1",
        "exit code 1: \N{REPLACEMENT CHARACTER}[31mno",
    ),
    "a password": ("echo https://ada:s3cret@h/; exit 1", "exit code 1: https://***@h/"),
}


def executable(path: Path, script: str = RUNS) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_find_chromium_prefers_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    mine = executable(tmp_path / "mine")
    assert find_chromium(BrowserSettings(chromium=mine)) == mine


def test_find_chromium_raises_for_a_setting_that_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChromiumNotFoundError, match=r"^MEETSTEMS_CHROMIUM='/nowhere': expected"):
        find_chromium(BrowserSettings(chromium="/nowhere"))


def test_find_chromium_searches_path_in_the_order_of_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    chrome = executable(tmp_path / "google-chrome")
    assert find_chromium(BrowserSettings()) == chrome
    chromium = executable(tmp_path / "chromium")
    assert find_chromium(BrowserSettings()) == chromium


def test_find_chromium_falls_back_to_playwrights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bundled = executable(tmp_path / "bundled")
    assert find_chromium(BrowserSettings(), bundled) == bundled


@pytest.mark.parametrize("stub", STUBS)
def test_a_chromium_that_does_not_run_is_passed_over(
    stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script, last_words = STUBS[stub]
    monkeypatch.setenv("PATH", str(tmp_path))
    passed_over = executable(tmp_path / "chromium-browser", script)
    chrome = executable(tmp_path / "google-chrome")
    assert find_chromium(BrowserSettings()) == chrome
    (tmp_path / "google-chrome").unlink()
    bundled = executable(tmp_path / "bundled")
    assert find_chromium(BrowserSettings(), bundled) == bundled
    for record, used in zip(caplog.records, [chrome, bundled], strict=True):
        line = record.getMessage()
        assert line.startswith(f"passed over: {passed_over} does not run ({last_words}")
        assert line.endswith(f"); {used} is used")
        assert line.isprintable()


def test_find_chromium_shows_the_last_words_of_all_that_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    stub = executable(tmp_path / "chromium", "echo a >&2; exit 1")
    (tmp_path / "chromium-browser").symlink_to("chromium")
    not_executable = executable(tmp_path / "bundled", "")
    Path(not_executable).chmod(0o644)
    with pytest.raises(ChromiumNotFoundError) as caught:
        find_chromium(BrowserSettings(), not_executable)
    assert str(caught.value).startswith(
        f"{stub} does not run (exit code 1: a); {not_executable} does not run (Permission denied): install it "
    )


def test_a_chromium_that_hangs_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_probe, "PROBE_TIMEOUT", 0.2)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    hanging = executable(tmp_path / "chromium", "echo wait; sleep 600 & wait")
    # Its child is killed as well, and has printed what it had until then.
    assert str(version_probe.why_not_running(hanging)).startswith("does not end within 0.2 s: ")


@pytest.mark.parametrize(
    ("error", "refusals", "tries", "fault"),
    [
        (errno.EFAULT, 1, 2, None),
        (errno.EAGAIN, 2, 3, None),
        (errno.ENOMEM, 3, 3, "Cannot allocate memory"),
        (errno.ENOENT, 1, 1, "No such file or directory"),
    ],
)
def test_a_machine_that_refuses_a_process_once_is_asked_again(
    error: int, refusals: int, tries: int, fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def popen(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append(command)
        if len(started) <= refusals:
            raise OSError(error, os.strerror(error))
        return real(["/bin/echo", "1.2.3"], **options)

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(version_probe, "PAUSE", 0.0)
    assert version_probe.why_not_running("chromium") == fault
    assert len(started) == tries


def test_find_chromium_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChromiumNotFoundError, match=r"^no Chromium: install it [^\n]+$"):
        find_chromium(BrowserSettings(), str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "args",
    [
        ["--a"],
        ["--disable-features=One,Two", "--a"],
        ["--disable-features=One", "--a", "--disable-features=Two,One,MediaRouter"],
        ["--disable-features="],
    ],
)
def test_disabled_features_are_one_list_at_the_end(args: list[str]) -> None:
    *others, last = launch.merge_disabled_features(args)
    assert others == [arg for arg in args if not arg.startswith("--disable-features")]
    features = last.removeprefix("--disable-features=").split(",")
    assert len(features) == len(set(features))
    given = {feature for arg in args for feature in ("One", "Two") if feature in arg}
    assert set(features) == given | {*launch.PLAYWRIGHT_DISABLED_FEATURES, *launch.DISABLED_FEATURES}
