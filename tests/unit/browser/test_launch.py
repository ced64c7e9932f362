from __future__ import annotations

from pathlib import Path

import pytest

from worker.browser import launch
from worker.browser.launch import ChromiumNotFoundError, find_chromium
from worker.settings import BrowserSettings


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
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
