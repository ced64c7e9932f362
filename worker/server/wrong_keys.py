"""How many wrong keys each client address may try, counted by each server for itself."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Final

from worker.server.client_groups import client_group
from worker.server.rate_limits import RateLimits

PER_MINUTE: Final = 20
"""Wrong keys of one address: more than a client whose key was replaced sends before somebody notices."""

_MOST_RIGHT: Final = 100_000
"""Right keys that are remembered with the group of their address; then all are forgotten."""


class WrongKeys:
    """Once an address has tried PER_MINUTE wrong keys, no key of it is looked up for a while, so a right one cannot be guessed.

    Keys that were right before, from the same address, go on being looked up: many clients can share the address of a proxy.
    Thread-safe. ``clock`` returns steady seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._limits = RateLimits(clock)
        self._lock = threading.Lock()
        self._right: set[tuple[str, bytes]] = set()

    def wait(self, address: str, key: str) -> int | None:
        """None: ``key`` may be looked up; else the whole seconds, at least 1, after which the next one may be."""
        group = client_group(address)
        with self._lock:
            if (group, _digest(key)) in self._right:
                return None
        return self._limits.wait(group, "keys", PER_MINUTE)

    def found(self, address: str, key: str, is_right: bool) -> None:
        """Takes what a look-up of ``key`` gave."""
        group = client_group(address)
        if not is_right:
            self._limits.take(group, "keys", PER_MINUTE)
            return
        with self._lock:
            if len(self._right) >= _MOST_RIGHT:
                self._right.clear()
            self._right.add((group, _digest(key)))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
