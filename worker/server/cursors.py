"""Cursors of lists: the entry after which the next page begins, in an opaque form."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from worker.server.errors import ApiError

_ENTRY: Final = re.compile(r"\d{7}/\d{13}-[A-Za-z0-9._-]{1,128}", re.ASCII)


def write_cursor(entry: str) -> str:
    """The opaque form of an entry of the list."""
    return base64.urlsafe_b64encode(entry.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str:
    """The entry; empty without a cursor. Raises ApiError."""
    if not cursor:
        return ""
    try:
        entry = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        entry = ""
    if not _ENTRY.fullmatch(entry):
        raise ApiError(
            400, "cursor: expected one of an earlier answer", fields={"cursor": ["Invalid cursor"]}
        )
    return entry
