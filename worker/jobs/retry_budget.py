"""How often one bot gets a new Chromium (pure): one more try for each trouble, not for each job."""

from __future__ import annotations

from typing import Final

HEALTHY_SECONDS: Final = 600.0
"""Seconds of recording after which the next fault is a new trouble."""


class RetryBudget:
    """Allows one try again, and another one after each recording of at least HEALTHY_SECONDS."""

    def __init__(self) -> None:
        self._spent = False

    def allows(self, healthy_seconds: float) -> bool:
        """Whether an attempt that recorded for ``healthy_seconds`` until it failed may be followed by another one."""
        return not self._spent or healthy_seconds >= HEALTHY_SECONDS

    def spend(self) -> None:
        """A new attempt begins."""
        self._spent = True
