from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cookies import COOKIE, GOOD_COOKIES, LOST_COOKIES, WRONG_COOKIES
from worker.browser.storage_state import LARGEST, StorageStateError, check_storage_state
from worker.errors import InputError

ORIGIN = {"origin": "https://meet.google.com", "localStorage": [{"name": "key", "value": "s3cret"}]}


NOW = 1_790_000_000.0


def refusal(path: Path) -> str:
    with pytest.raises(StorageStateError) as caught:
        check_storage_state(path, NOW)
    assert isinstance(caught.value, InputError)
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)
    return str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {"cookies": [COOKIE], "origins": [ORIGIN]},
        {"cookies": [COOKIE]},
        {"origins": [ORIGIN], "cookies": [COOKIE | {"storeId": "0"}], "more": 1},
        *({"cookies": [COOKIE | more]} for more in GOOD_COOKIES.values()),
    ],
)
def test_a_file_saved_by_playwright_is_accepted(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state))
    assert check_storage_state(path, NOW) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("s3cret", "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[]", "is a list, as cookie extensions save it"),
        ('[{"name": "SID", "value": "s3cret"}]', "is a list, as cookie extensions save it"),
        ('"s3cret"', "has another structure"),
        ('{"cookies": "s3cret"}', "cookies has another type"),
        ('{"cookies": [{"name": "SID", "value": "s3cret"}]}', "cookies[0].domain is missing"),
        ('{"cookies": [{"name": ["s3cret"]}]}', "cookies[0].name has another type"),
        ('{"origins": [{"origin": "https://s3cret.example"}]}', "origins[0].localStorage is missing"),
        (
            "# Netscape HTTP Cookie File\n.google.com\tTRUE\t/\tTRUE\t1\tSID\ts3cret\n",
            "is not JSON, but a Netscape cookie file",
        ),
        ("{}", "is empty"),
        ('{"cookies": [], "origins": []}', "is empty"),
        ("{" + " " * LARGEST + "}", f"has {LARGEST + 2} bytes, more than {LARGEST}"),
    ],
)
def test_anything_else_is_refused_in_one_line_without_its_content(
    text: str, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, errors="surrogateescape")
    assert refusal(path) == (
        f"MEETSTEMS_STORAGE_STATE={str(path)!r}: {why}; "
        "expected what Playwright's storage_state() saves, with cookies or origins"
    )


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in refusal(tmp_path / "state.json")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)


@pytest.mark.parametrize("name", WRONG_COOKIES)
def test_a_wrong_cookie_is_named_with_its_field(name: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    more, field = WRONG_COOKIES[name]
    path.write_text(json.dumps({"cookies": [COOKIE, COOKIE | more]}))
    line = refusal(path)
    assert f"state.json': cookies[1].{field}" in line
    assert "; expected " in line
    assert "s3cret" not in line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("more", "begin"),
    [
        ({"sameSite": "no_restriction"}, "sameSite: 'no_restriction'; expected 'Strict', 'Lax' or 'None'"),
        ({"sameSite": "s3cret"}, "sameSite: another value; expected 'Strict', 'Lax' or 'None'"),
        ({"sameSite": ["s3cret"]}, "sameSite: another value; expected 'Strict', 'Lax' or 'None'"),
        (
            {"expires": 1_893_456_000_000},
            "expires: 1893456000000 (milliseconds, it seems); expected seconds since 1970, or -1 for a session",
        ),
        ({"expires": -2.5}, "expires: -2.5; expected seconds since 1970, or -1 for a session"),
        (
            {"name": "__Host-1PLSID"},
            "domain: begins with '.'; expected the host alone, since the name begins with __Host-",
        ),
    ],
)
def test_a_fault_says_what_was_expected(more: dict[str, Any], begin: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"cookies": [COOKIE | more]}))
    assert refusal(path) == f"MEETSTEMS_STORAGE_STATE={str(path)!r}: cookies[0].{begin}"


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"cookies": [COOKIE]}), "utf-8-sig")
    assert check_storage_state(path, NOW) is None


@pytest.mark.parametrize(
    ("cookies", "why"),
    [
        ([], "it has no cookies"),
        ([COOKIE | {"expires": 1_000_000_000}, COOKIE | {"expires": 0}], "its cookies (2) have all expired"),
        *(([COOKIE | more], "its cookies (1) have all expired") for more in LOST_COOKIES.values()),
    ],
)
def test_a_state_without_a_cookie_that_is_left_is_warned_of(
    cookies: list[dict[str, Any]], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"cookies": cookies, "origins": [ORIGIN]}))
    assert check_storage_state(path, NOW) == (
        f"MEETSTEMS_STORAGE_STATE={str(path)!r}: {why}, so the bot is not signed in; save it again"
    )


def test_a_cookie_is_left_until_it_expires(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"cookies": [COOKIE | {"expires": 0}, COOKIE | {"expires": NOW}]}))
    assert check_storage_state(path, NOW - 1) is None
    assert check_storage_state(path, NOW) is not None


def test_a_guest_needs_no_file() -> None:
    assert check_storage_state(None, NOW) is None
