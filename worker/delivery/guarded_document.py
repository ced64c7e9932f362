"""A document of a bot that several workers may want to write, one after the other: only the lease's owner does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError

MOST_CONFLICTS: Final = 20
"""Bound on the conflicts of one write: a former owner may still write a few times."""


class GuardedDocument:
    """One JSON object that is only written over the version that was last seen (``If-Match``). Not for parallel use.

    ``may_speak`` says whether this worker still has the lease (worker.delivery.lease.Lease.may_speak). A worker that was paused
    for longer than its lease finds another version than its own, or has lost the lease.
    """

    def __init__(self, store: ObjectStore, key: str, may_speak: Callable[[], bool]) -> None:
        self._store = store
        self._key = key
        self._may_speak = may_speak
        self._etag: str | None = None
        self._seen = False

    def write(self, body: bytes) -> None:
        """Replaces the document. Blocks. Raises LeaseLostError without writing where another worker has the bot, else what
        the store raises.
        """
        for _ in range(MOST_CONFLICTS):
            if not self._seen:
                self._etag, self._seen = self._read_etag(), True
            if not self._may_speak():
                raise LeaseLostError(f"{self._key}: not written: another worker has the bot")
            try:
                self._etag = self._store.put(
                    self._key,
                    body,
                    content_type="application/json",
                    if_absent=self._etag is None,
                    if_match=self._etag,
                )
            except PreconditionFailedError:
                self._seen = False
                continue
            return
        raise PreconditionFailedError(
            f"{self._key}: not written: it changed {MOST_CONFLICTS} times meanwhile"
        )

    def _read_etag(self) -> str | None:
        try:
            return self._store.get(self._key).etag
        except NotFoundError:
            return None
