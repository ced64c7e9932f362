"""An object store that waits: what it asks another store for is tried again after refusals as after outages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from worker.delivery.errors import DeliveryError, RefusedError, UnavailableError
from worker.delivery.object_store import Listing, ObjectStore, Stored

logger = logging.getLogger(__name__)

T = TypeVar("T")

TRY_SECONDS: Final = 10.0
"""The store's own retries of one try, in seconds; ``out_of_time`` is noticed between tries."""

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 15.0
"""Seconds between two tries; the wait doubles each time."""


class PatientStore(ObjectStore):
    """``store``, whose refusals may be lifted: permissions are edited, credentials expire, keys are disabled. Thread-safe.

    A request is tried for ``patience`` seconds (``math.inf``: without an end); then its last error is raised. Once
    ``out_of_time`` is set nothing is waited for: each request is tried once more. What time cannot change (no such object, a
    condition that is not met) is raised at once. After failures, PreconditionFailedError may be about an earlier try of the
    same write whose answer was lost: the caller has to look whose object it is.

    ``on_trouble``, called in any thread, gets the error of each failed try, and None when a request succeeds after failures.
    """

    def __init__(
        self,
        store: ObjectStore,
        patience: float,
        out_of_time: threading.Event,
        on_trouble: Callable[[DeliveryError | None], None],
    ) -> None:
        self._store = store.within(TRY_SECONDS)
        self._patience = patience
        self._out_of_time = out_of_time
        self._on_trouble = on_trouble

    def within(self, budget: float) -> PatientStore:
        """See ObjectStore."""
        patience = min(self._patience, budget)
        return PatientStore(self._store.within(budget), patience, self._out_of_time, self._on_trouble)

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        """See ObjectStore."""
        return self._patiently(
            partial(
                self._store.put, key, data, content_type=content_type, if_absent=if_absent, if_match=if_match
            )
        )

    def get(self, key: str) -> Stored:
        """See ObjectStore."""
        return self._patiently(partial(self._store.get, key))

    def get_unless(self, key: str, etag: str | None) -> Stored | None:
        """See ObjectStore."""
        return self._patiently(partial(self._store.get_unless, key, etag))

    def download(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        self._patiently(partial(self._store.download, key, path))

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self._patiently(partial(self._store.delete, key))

    def presign(self, key: str, seconds: int, filename: str | None = None) -> str:
        """See ObjectStore."""
        return self._patiently(partial(self._store.presign, key, seconds, filename))

    def list(self, prefix: str) -> Listing:
        """See ObjectStore."""
        return self._patiently(partial(self._store.list, prefix))

    def _patiently(self, request: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._patience
        wait = FIRST_WAIT
        failed = False
        while True:
            try:
                answer = request()
            except (RefusedError, UnavailableError) as error:
                failed = True
                self._on_trouble(error)
                if self._out_of_time.is_set() or time.monotonic() + wait > deadline:
                    raise
                logger.warning("will be tried again: %s", error)
                self._out_of_time.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if failed:
                    self._on_trouble(None)
                return answer
