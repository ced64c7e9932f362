from __future__ import annotations

import base64
import socket
from pathlib import Path

import pytest

from worker.safe_text import Secret
from worker.settings import BrowserSettings, Encryption, LiveOptions, SettingsError, WorkerSettings


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


KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


def test_live_streams_have_the_defaults_of_the_documents() -> None:
    assert LiveOptions.from_environment({}) == LiveOptions()
    assert WorkerSettings.from_environment({}).live == LiveOptions()


def test_how_live_streams_are_sent_comes_from_the_variables(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n")
    environ = {
        "MEETSTEMS_LIVE_CONNECTIONS": "endpoint",
        "MEETSTEMS_LIVE_BATCH_SECONDS": "0.04",
        "MEETSTEMS_LIVE_REORDER_SECONDS": "0",
        "MEETSTEMS_LIVE_BUFFER_SECONDS": "10",
        "MEETSTEMS_LIVE_SECRET_FILE": str(path),
        "MEETSTEMS_LIVE_SILENCE": "1",
        "MEETSTEMS_LIVE_ALLOW_PLAIN": "1",
    }
    options = WorkerSettings.from_environment(environ).live
    assert options == LiveOptions(
        connections="endpoint",
        batch_seconds=0.04,
        reorder_seconds=0.0,
        buffer_seconds=10.0,
        signing_secret=Secret(KEY),
        allow_plain=True,
        continuous=True,
    )
    assert KEY not in repr(options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEETSTEMS_LIVE_CONNECTIONS", "speaker"),
        ("MEETSTEMS_LIVE_BATCH_SECONDS", "0.01"),
        ("MEETSTEMS_LIVE_BATCH_SECONDS", "0.6"),
        ("MEETSTEMS_LIVE_REORDER_SECONDS", "1.5"),
        ("MEETSTEMS_LIVE_REORDER_SECONDS", "-1"),
        ("MEETSTEMS_LIVE_BUFFER_SECONDS", "0"),
        ("MEETSTEMS_LIVE_BUFFER_SECONDS", "inf"),
        ("MEETSTEMS_LIVE_SILENCE", "yes"),
        ("MEETSTEMS_LIVE_ALLOW_PLAIN", "2"),
    ],
)
def test_wrong_settings_of_live_streams_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}='{value}': expected "):
        WorkerSettings.from_environment({name: value})


@pytest.mark.parametrize(
    "text", [b"", b"0123456789" * 4, KEY[:20].encode(), KEY.encode() * 9, b"whsec_\xff", b"whsec_%%%%"]
)
def test_a_file_that_has_no_key_is_refused_and_not_repeated(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(text)
    with pytest.raises(SettingsError) as caught:
        LiveOptions.from_environment({"MEETSTEMS_LIVE_SECRET_FILE": str(path)})
    expected = "expected whsec_ and 24 to 64 bytes in base64"
    assert str(caught.value) == f"MEETSTEMS_LIVE_SECRET_FILE={str(path)!r}: {expected}"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^MEETSTEMS_LIVE_SECRET_FILE=.*: cannot be read: "):
        LiveOptions.from_environment({"MEETSTEMS_LIVE_SECRET_FILE": str(tmp_path / "missing")})


def test_private_urls_are_allowed_by_words() -> None:
    given = {"MEETSTEMS_ALLOW_PRIVATE_URLS": "10.0.0.0/8, .corp hooks.corp"}
    assert WorkerSettings.from_environment(given).allowed_urls == ("10.0.0.0/8", ".corp", "hooks.corp")
