"""What signs the bot in: a Playwright storage state, the cookies and the local storage of an account's browser.

Whoever has the file has the account: its content is never part of a message, a log or anything that is uploaded.
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
    """The file of MEETSTEMS_STORAGE_STATE cannot be used; the message says why, not what is in it."""


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
    """Raises StorageStateError, one line, unless the file at ``path`` is a storage state with something in it.

    None, for a bot that comes as a guest, passes.
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
        # Of the error itself only its kind: what is in the file stays there.
        kind = "another shape" if isinstance(error, msgspec.ValidationError) else "no JSON"
        raise _wrong(path, f"is {kind}") from None
    if not state.cookies and not state.origins:
        raise _wrong(path, "is empty")


def _wrong(path: Path, why: str) -> StorageStateError:
    return StorageStateError(f"MEETSTEMS_STORAGE_STATE={str(path)!r}: {why}; {_SAVED}")
