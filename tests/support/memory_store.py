"""An object store in memory, for tests of what happens between two requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from worker.delivery.object_store import (
    Listed,
    Listing,
    NotFoundError,
    PagedStore,
    PreconditionFailedError,
    Stored,
)


class MemoryStore(PagedStore):
    """Objects in a dict, with conditional writes. ``before`` is called with method and key before each request, and may raise
    or change objects, as another worker would. Thread-safe.
    """

    def __init__(self, before: Callable[[str, str], None] = lambda _method, _key: None) -> None:
        self.objects: dict[str, bytes] = {}
        self.before = before
        self.asked: list[tuple[str, str]] = []
        self.budgets: list[float] = []
        self._versions: dict[str, int] = {}
        self._lock = threading.Lock()

    def within(self, budget: float) -> MemoryStore:
        self.budgets.append(budget)
        return self

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        self._ask("put", key)
        with self._lock:
            if if_absent and key in self.objects:
                raise PreconditionFailedError(f"{key}: exists")
            if if_match is not None and (key not in self.objects or if_match != self._etag(key)):
                raise PreconditionFailedError(f"{key}: is another version")
            return self._write(key, data.read_bytes() if isinstance(data, Path) else data)

    def overwrite(self, key: str, data: bytes) -> None:
        """As another worker, without a condition and without ``before``."""
        with self._lock:
            self._write(key, data)

    def get(self, key: str) -> Stored:
        self._ask("get", key)
        if key not in self.objects:
            raise NotFoundError(f"{key}: does not exist")
        return Stored(self.objects[key], self._etag(key), None)

    def download(self, key: str, path: Path) -> None:
        path.write_bytes(self.get(key).data)

    def delete(self, key: str) -> None:
        self._ask("delete", key)
        self.objects.pop(key, None)

    def presign(self, key: str, seconds: int, filename: str | None = None) -> str:
        self._ask("presign", key)
        return f"https://store.example/{key}"

    def list(self, prefix: str) -> Listing:
        self._ask("list", prefix)
        return [
            Listed(key, len(data), 0.0)
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        ]

    def page(self, prefix: str, after: str, limit: int) -> Listing:
        return [each for each in self.list(prefix) if each.key > after][:limit]

    def _ask(self, method: str, key: str) -> None:
        self.asked.append((method, key))
        self.before(method, key)

    def _etag(self, key: str) -> str:
        return f'"{self._versions.get(key, 0)}"'

    def _write(self, key: str, data: bytes) -> str:
        self.objects[key] = data
        self._versions[key] = self._versions.get(key, 0) + 1
        return self._etag(key)


class Failing:
    """A ``before`` of MemoryStore: the next requests fail with ``errors``, one after the other; ``wanted``: only these."""

    def __init__(self, *errors: Exception, wanted: tuple[str, ...] = ()) -> None:
        self.errors: list[Exception] = list(errors)
        self._wanted = wanted

    def __call__(self, method: str, key: str) -> None:
        if self.errors and (not self._wanted or any(part in f"{method} {key}" for part in self._wanted)):
            raise self.errors.pop(0)
