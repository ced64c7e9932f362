from __future__ import annotations

from pathlib import Path

import pytest

from worker.browser.launch import ChromiumNotFoundError, find_chromium
from worker.settings import BrowserSettings


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_setting_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    mine = executable(tmp_path / "mine")
    assert find_chromium(BrowserSettings(chromium=mine)) == mine


def test_a_setting_that_names_nothing_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChromiumNotFoundError, match=r"^MEETSTEMS_CHROMIUM='/nowhere': expected"):
        find_chromium(BrowserSettings(chromium="/nowhere"))


def test_path_is_searched_by_name_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    chrome = executable(tmp_path / "google-chrome")
    assert find_chromium(BrowserSettings()) == chrome
    chromium = executable(tmp_path / "chromium")
    assert find_chromium(BrowserSettings()) == chromium


def test_playwrights_own_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    own = executable(tmp_path / "own")
    assert find_chromium(BrowserSettings(), own) == own


def test_no_chromium_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChromiumNotFoundError, match=r"^no Chromium: install it [^\n]+$"):
        find_chromium(BrowserSettings(), str(tmp_path / "missing"))
