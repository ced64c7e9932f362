"""Times in ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def iso_utc(at: float, precision: Literal["milliseconds", "microseconds"] = "milliseconds") -> str:
    """Seconds since the Unix epoch as ISO 8601 in UTC: ``2026-01-31T09:30:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
