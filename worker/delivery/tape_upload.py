"""Uploads a tape's parts to the object store during the recording."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.errors import RefusedError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError, StoreUnavailableError
from worker.delivery.outbox import PAUSE, Outbox

logger = logging.getLogger(__name__)


class TapeUpload:
    """Uploads parts from the disk in the order in which they are closed, in a background thread. Thread-safe.

    It keeps paths, not bytes, so a long outage costs little memory. A part never replaces an existing object. Errors do not
    reach the recording: a part that cannot be uploaded stays on the disk, pending or given up.
    """

    def __init__(
        self,
        store: ObjectStore,
        keys: AttemptKeys,
        *,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keys = keys
        self._bytes = 0
        self._outbox: Outbox[Path] = Outbox("tape", self._deliver, str, pause=pause, clock=clock)

    def part_closed(self, path: Path) -> None:
        """Queues a complete part; fits TapeWriter's ``on_part_closed``. Never blocks, never raises."""
        self._outbox.add(path)

    def drain(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds for pending parts; returns whether all closed parts have been uploaded."""
        return self._outbox.drain(timeout) and self._outbox.given_up == 0

    def close(self) -> None:
        """Stops uploading; pending parts stay on the disk only."""
        self._outbox.close()

    def pending(self) -> list[Path]:
        """The parts that have not been uploaded yet, the oldest first."""
        return self._outbox.pending()

    def lag(self, now: float) -> float:
        """Seconds since the oldest pending part was closed, at ``now`` in Unix seconds; 0 if there is none."""
        return self._outbox.lag(now)

    @property
    def uploaded_parts(self) -> int:
        """How many parts are in the store."""
        return self._outbox.delivered

    @property
    def uploaded_bytes(self) -> int:
        """How many bytes of parts are in the store."""
        return self._bytes

    @property
    def given_up(self) -> int:
        """How many parts cannot be uploaded: their keys are taken, or they cannot be read."""
        return self._outbox.given_up

    def _deliver(self, path: Path) -> None:
        key, data = self._keys.tape_part(path.name), path.read_bytes()
        try:
            self._put(key, data)
        except RefusedError as error:
            # A missing permission may be granted while the meeting lasts; the parts are safe on the disk meanwhile.
            raise StoreUnavailableError(str(error)) from error
        self._bytes += len(data)

    def _put(self, key: str, data: bytes) -> None:
        try:
            self._store.put(key, data, content_type="application/octet-stream", if_absent=True)
        except PreconditionFailedError:
            # An earlier try whose answer was lost may have written it.
            if self._store.get(key).data != data:
                raise
