from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from worker.browser.storage_state import LARGEST, StorageStateError, check_storage_state
from worker.errors import InputError

COOKIE = {
    "name": "SID",
    "value": "s3cret",
    "domain": ".google.com",
    "path": "/",
    "expires": -1,
    "secure": True,
}
ORIGIN = {"origin": "https://meet.google.com", "localStorage": [{"name": "key", "value": "s3cret"}]}


def refusal(path: Path) -> str:
    with pytest.raises(StorageStateError) as caught:
        check_storage_state(path)
    assert isinstance(caught.value, InputError)
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)
    return str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {"cookies": [COOKIE], "origins": [ORIGIN]},
        {"cookies": [COOKIE]},
        {"origins": [ORIGIN], "cookies": [], "more": 1},
    ],
)
def test_a_file_saved_by_playwright_is_accepted(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state))
    check_storage_state(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("s3cret", "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[]", "has another structure"),
        ('"s3cret"', "has another structure"),
        ('{"cookies": "s3cret"}', "has another structure"),
        ('{"cookies": [{"name": "SID", "value": "s3cret"}]}', "has another structure"),
        ('{"origins": [{"origin": "https://s3cret.example"}]}', "has another structure"),
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
