"""What both vendors' live messages have in common (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from worker.iso_time import iso_utc

SAMPLE_RATE = 48_000
"""Samples in a second of meeting time, by which positions count."""


def well_formed(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 does not have."""
    return text.encode("utf-8", "replace").decode()


def json_text(value: Any) -> str:
    """Compact JSON, in which only what JSON demands is escaped."""
    return msgspec.json.encode(value).decode()


def text_values(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The metadata with texts only, as receivers demand: another value is its JSON."""
    return {
        well_formed(str(key)): well_formed(value) if isinstance(value, str) else _as_text(value)
        for key, value in metadata.items()
    }


def _as_text(value: Any) -> str:
    try:
        return json_text(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return well_formed(str(value))


class Moments:
    """Moments of meeting time: ``zero`` is meeting time 0, and relative times count from ``relative_zero`` (Unix seconds)."""

    def __init__(self, zero: float = 0.0, relative_zero: float = 0.0) -> None:
        self._zero = zero
        self._offset = zero - relative_zero

    def timestamp(self, at: float) -> dict[str, Any]:
        """The moment ``at`` (seconds of meeting time), with ``relative`` in seconds and ``absolute`` in ISO 8601 and UTC."""
        return {"relative": self.relative(at), "absolute": self.absolute(at)}

    def relative(self, at: float) -> float:
        """``at`` in seconds from the beginning of the first attempt's recording."""
        return round(at + self._offset, 6)

    def absolute(self, at: float) -> str:
        """``at`` in ISO 8601 and UTC."""
        return iso_utc(at + self._zero)
