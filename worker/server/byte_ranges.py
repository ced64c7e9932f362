"""Which bytes of a file a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_RANGE: Final = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_LONGEST: Final = 100
"""Characters of a Range header that is read; a longer one is not of one range."""


class ByteRange(NamedTuple):
    """``length`` bytes from ``start`` on."""

    start: int
    length: int


class UnsatisfiableError(Exception):
    """The file has none of the bytes that were asked for."""


def asked_range(header: str | None, condition: str | None, size: int, etag: str) -> ByteRange | None:
    """What to send of a file of ``size`` bytes; None: all of it. Raises UnsatisfiableError.

    ``header`` is the request's Range, ``condition`` its If-Range: another ETag than the file's ``etag``, or a date, asks for
    the whole file. So does a Range that is not of one range of bytes.
    """
    if header is None or len(header) > _LONGEST or (condition is not None and condition.strip() != etag):
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        length = min(int(found[2]), size)
        if length == 0:
            raise UnsatisfiableError
        return ByteRange(size - length, length)
    first = int(found[1])
    last = int(found[2]) if found[2] else size - 1
    if last < first and found[2]:
        return None
    if first >= size:
        raise UnsatisfiableError
    return ByteRange(first, min(last, size - 1) - first + 1)
