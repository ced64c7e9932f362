"""How many slow things each workspace may have under way, so that none takes all of the threads that serve requests."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final


class Shares:
    """At most ``each`` at once of one workspace, and ``most`` of all. Thread-safe."""

    def __init__(self, each: int, most: int) -> None:
        self._each: Final = each
        self._most: Final = most
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, workspace: str) -> bool:
        """Takes one of the workspace's. False: none is left."""
        with self._lock:
            if self._taken[workspace] >= self._each or self._taken.total() >= self._most:
                return False
            self._taken[workspace] += 1
            return True

    def give_back(self, workspace: str) -> None:
        """Gives back what was taken."""
        with self._lock:
            self._taken[workspace] -= 1
            if not self._taken[workspace]:
                del self._taken[workspace]
