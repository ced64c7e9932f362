"""The file that signs the bot in: a Playwright storage state, the cookies and the local storage of an account's browser.

The file gives access to the account: its content is never part of a message, a log or anything that is uploaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from worker.errors import InputError

LARGEST: Final = 16 * 2**20
"""Bytes; a browser keeps at most 5 MB of local storage for an origin."""

_SAVED: Final = "expected what Playwright's storage_state() saves, with cookies or origins"


class StorageStateError(InputError):
    """The file of MEETSTEMS_STORAGE_STATE cannot be used; the message says why, without its content."""


class _Cookie(msgspec.Struct):
    name: str
    value: str
    domain: str
    path: str


class _Item(msgspec.Struct):
    name: str
    value: str


class _Origin(msgspec.Struct):
    origin: str
    localStorage: list[_Item]  # noqa: N815 - Playwright's name


class _State(msgspec.Struct):
    cookies: list[_Cookie] = []
    origins: list[_Origin] = []


def check_storage_state(path: Path | None) -> None:
    """Raises StorageStateError (one line) unless the file at ``path`` is a storage state that is not empty.

    None is valid: the bot joins as a guest.
    """
    if path is None:
        return
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise _wrong(path, f"cannot be read ({error.strerror})") from error
    if size > LARGEST:
        raise _wrong(path, f"has {size} bytes, more than {LARGEST}")
    try:
        state = msgspec.json.decode(data, type=_State)
    except (msgspec.DecodeError, UnicodeError) as error:
        # Only the kind of error: its text may contain the file's content.
        why = "has another structure" if isinstance(error, msgspec.ValidationError) else "is not JSON"
        raise _wrong(path, why) from None
    if not state.cookies and not state.origins:
        raise _wrong(path, "is empty")


def _wrong(path: Path, why: str) -> StorageStateError:
    return StorageStateError(f"MEETSTEMS_STORAGE_STATE={str(path)!r}: {why}; {_SAVED}")
