from __future__ import annotations

import socket
from pathlib import Path

import pytest

from worker.safe_text import Secret
from worker.settings import BrowserSettings, Encryption, SettingsError, WorkerSettings


def test_unset_and_blank_variables_give_the_defaults() -> None:
    assert BrowserSettings.from_environment({"MEETSTEMS_CHROMIUM": " "}) == BrowserSettings(
        chromium=None, chromium_args=()
    )


def test_arguments_are_split_as_a_shell_splits_words() -> None:
    settings = BrowserSettings.from_environment(
        {"MEETSTEMS_CHROMIUM": "/opt/chrome", "MEETSTEMS_CHROMIUM_ARGS": "--a '--rules=MAP x 1:2'  --b"}
    )
    assert settings == BrowserSettings(
        chromium="/opt/chrome", chromium_args=("--a", "--rules=MAP x 1:2", "--b")
    )


def test_arguments_with_an_open_quote_are_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        BrowserSettings.from_environment({"MEETSTEMS_CHROMIUM_ARGS": "--a '--b"})
    assert str(caught.value) == (
        'MEETSTEMS_CHROMIUM_ARGS="--a \'--b": expected words as a shell splits them (No closing quotation)'
    )


def test_browser_settings_come_from_their_variables() -> None:
    settings = BrowserSettings.from_environment(
        {"MEETSTEMS_HEADED": "1", "DISPLAY": ":7", "MEETSTEMS_LOCALE": "pt-BR", "MEETSTEMS_STORAGE_STATE": ""}
    )
    assert settings == BrowserSettings(headed=True, display=":7", locale="pt-BR", storage_state=None)


def test_headed_0_is_the_default() -> None:
    settings = BrowserSettings.from_environment({"MEETSTEMS_HEADED": "0"})
    assert (settings.headed, settings.display, settings.locale) == (False, None, "en-US")


@pytest.mark.parametrize(("value", "minimize"), [("", True), ("1", True), ("0", False)])
def test_minimizing_can_be_turned_off(value: str, minimize: bool) -> None:
    assert BrowserSettings.from_environment({"MEETSTEMS_MINIMIZE": value}).minimize is minimize


def test_the_storage_state_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"cookies": [{"name": "a", "value": "s3cret"}]}', "utf-8")
    settings = BrowserSettings.from_environment({"MEETSTEMS_STORAGE_STATE": str(path)})
    assert settings.storage_state == path
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MEETSTEMS_HEADED", "yes", "1 or 0"),
        ("MEETSTEMS_MINIMIZE", "off", "1 or 0"),
        ("MEETSTEMS_LOCALE", "english", "a language tag like en-US"),
        ("MEETSTEMS_LOCALE", "en_US", "a language tag like en-US"),
        ("MEETSTEMS_LOCALE", "en-US --no-sandbox", "a language tag like en-US"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_expectation(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        BrowserSettings.from_environment({name: value})
    assert str(caught.value) == f"{name}={value!r}: expected {expected}"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"MEETSTEMS_ENCRYPTION": "none"}, None),
        ({"MEETSTEMS_ENCRYPTION": "AES256"}, Encryption(algorithm="AES256")),
        ({"MEETSTEMS_ENCRYPTION": "aws:kms"}, Encryption(algorithm="aws:kms")),
        ({"MEETSTEMS_KMS_KEY_ID": "alias/a"}, Encryption(algorithm="aws:kms", kms_key_id="alias/a")),
        (
            {"MEETSTEMS_KMS_KEY_ID": "alias/a", "MEETSTEMS_ENCRYPTION": "aws:kms"},
            Encryption(algorithm="aws:kms", kms_key_id="alias/a"),
        ),
    ],
)
def test_encryption_is_asked_for_only_where_it_is_set(
    environ: dict[str, str], expected: Encryption | None
) -> None:
    assert WorkerSettings.from_environment(environ).encryption == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"MEETSTEMS_ENCRYPTION": "aes256"},
            "MEETSTEMS_ENCRYPTION='aes256': expected none or AES256 or aws:kms",
        ),
        (
            {"MEETSTEMS_ENCRYPTION": "none", "MEETSTEMS_KMS_KEY_ID": "k"},
            "MEETSTEMS_ENCRYPTION='none': expected aws:kms, as MEETSTEMS_KMS_KEY_ID is set",
        ),
        (
            {"MEETSTEMS_ENCRYPTION": "AES256", "MEETSTEMS_KMS_KEY_ID": "k"},
            "MEETSTEMS_ENCRYPTION='AES256': expected aws:kms, as MEETSTEMS_KMS_KEY_ID is set",
        ),
    ],
)
def test_wrong_or_contradicting_encryption_is_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        WorkerSettings.from_environment(environ)
    assert str(caught.value) == message


def test_pod_and_node_come_from_their_variables_and_the_pod_is_the_host_by_default() -> None:
    given = WorkerSettings.from_environment({"MEETSTEMS_POD": "pod-1", "MEETSTEMS_NODE": "node-1"})
    assert (given.pod, given.node) == ("pod-1", "node-1")
    default = WorkerSettings.from_environment({"MEETSTEMS_POD": " "})
    assert (default.pod, default.node) == (socket.gethostname(), "")


def test_a_bots_token_is_shown_nowhere() -> None:
    token = "eyJ0b2tlbiI6.Tq7-Wn4~Zk/9+x=="
    settings = BrowserSettings.from_environment({"MEETSTEMS_TEAMS_BOT_TOKEN": f" {token} "})
    assert settings.teams_bot_token == Secret(token)
    assert settings.teams_bot_token is not None and settings.teams_bot_token.value == token
    assert token not in f"{settings!r} {settings.teams_bot_token} {settings.teams_bot_token!r}"
    assert BrowserSettings.from_environment({"MEETSTEMS_TEAMS_BOT_TOKEN": ""}).teams_bot_token is None


@pytest.mark.parametrize(
    "value", ["short", "with a blank", "https://teams/#token=abcdefgh", "a&b=12345678", "x" * 8193]
)
def test_a_text_that_is_no_token_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        BrowserSettings.from_environment({"MEETSTEMS_TEAMS_BOT_TOKEN": value})
    assert str(caught.value) == ("MEETSTEMS_TEAMS_BOT_TOKEN: expected 8 to 8192 letters, digits and -._~+/=")
