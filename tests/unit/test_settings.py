from __future__ import annotations

import pytest

from worker.settings import Settings, SettingsError


def test_nothing_set() -> None:
    assert Settings.from_environment({"MEETSTEMS_CHROMIUM": " "}) == Settings(chromium=None, chromium_args=())


def test_arguments_are_split_as_a_shell_splits_words() -> None:
    settings = Settings.from_environment(
        {"MEETSTEMS_CHROMIUM": "/opt/chrome", "MEETSTEMS_CHROMIUM_ARGS": "--a '--rules=MAP x 1:2'  --b"}
    )
    assert settings == Settings(chromium="/opt/chrome", chromium_args=("--a", "--rules=MAP x 1:2", "--b"))


def test_an_open_quote_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"MEETSTEMS_CHROMIUM_ARGS": "--a '--b"})
    assert str(caught.value) == (
        'MEETSTEMS_CHROMIUM_ARGS="--a \'--b": expected words as a shell splits them (No closing quotation)'
    )
