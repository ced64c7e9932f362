"""Moments of a call in both vendors' live messages (pure)."""

from __future__ import annotations

from typing import Any, Final

from worker.iso_time import iso_utc

SAMPLE_RATE: Final = 48_000
"""Samples in a second of meeting time, by which positions count."""


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
