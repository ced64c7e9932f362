"""An object store that stops writing once another worker has the bot: each try of a write asks the lease first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import Listing, ObjectStore, Stored


class FencedStore(ObjectStore):
    """``store``, whose ``put`` and ``delete`` raise LeaseLostError once ``may_speak`` is false. Thread-safe.

    A write can wait for hours behind refusals, and a condition such as "only where there is none" does not protect it then: the
    other worker may not have written that object yet. So the lease is asked by each try, not by each caller.
    """

    def __init__(self, store: ObjectStore, may_speak: Callable[[], bool]) -> None:
        self._store = store
        self._may_speak = may_speak

    def within(self, budget: float) -> FencedStore:
        """See ObjectStore."""
        return FencedStore(self._store.within(budget), self._may_speak)

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        """See ObjectStore. Raises LeaseLostError."""
        self._check(key)
        return self._store.put(key, data, content_type=content_type, if_absent=if_absent, if_match=if_match)

    def get(self, key: str) -> Stored:
        """See ObjectStore."""
        return self._store.get(key)

    def get_unless(self, key: str, etag: str | None) -> Stored | None:
        """See ObjectStore."""
        return self._store.get_unless(key, etag)

    def download(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        self._store.download(key, path)

    def delete(self, key: str) -> None:
        """See ObjectStore. Raises LeaseLostError."""
        self._check(key)
        self._store.delete(key)

    def presign(self, key: str, seconds: int, filename: str | None = None) -> str:
        """See ObjectStore."""
        return self._store.presign(key, seconds, filename)

    def list(self, prefix: str) -> Listing:
        """See ObjectStore."""
        return self._store.list(prefix)

    def _check(self, key: str) -> None:
        if not self._may_speak():
            raise LeaseLostError(f"{key}: not written: another worker has the bot")
