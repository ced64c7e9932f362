"""A lease on a bot: one owner at a time, by conditional writes to one object.

The object is JSON: ``{"owner": …, "attempt": …, "expires_at": …, "ttl": …, "released": …}``. The owner renews the lease before
it expires. Another worker that finds it expired replaces exactly that version (``If-Match``), so that only one of several
succeeds.

No two machines' clocks are compared. A worker that wants the lease takes the age of the object by the store's own clock. The
owner measures on its steady clock how long ago it last renewed, from before the request: it always sees the lease as expired
first. A renewal that fails says nothing about the owner: the lease is lost only when the object shows another owner.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

import msgspec

from worker.delivery.errors import DeliveryError
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError, Stored

logger = logging.getLogger(__name__)

RENEWALS_PER_TTL: Final = 3
"""A renewal each third of the ttl, so that two may fail."""

AGE_RESOLUTION: Final = 1.0
"""Seconds: HTTP's dates are whole seconds (RFC 9110 section 5.6.7), so the age of an object may be too large by one."""


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The object's content. ``attempt`` counts acquisitions from 1, ``expires_at`` is in Unix seconds by the owner's clock.

    ``ttl`` is the duration in seconds, None in records of version 0.2 and earlier. ``released``: it is free.
    """

    owner: str
    attempt: int
    expires_at: float
    ttl: float | None = None
    released: bool = False

    def seconds_left(self, age: float | None, now: float) -> float:
        """Seconds until another owner may take the lease, 0 or less: at once. ``age``: since it was written, by the store's
        clock; None: not known, then ``now`` (Unix seconds) is compared with ``expires_at``.
        """
        if self.released:
            return 0.0
        if age is None or self.ttl is None:
            return self.expires_at - now
        return self.ttl + AGE_RESOLUTION - age


class LeaseHeldError(DeliveryError):
    """Another owner holds the lease, for ``seconds_left`` more unless it renews. ``record``: None where it cannot be read."""

    def __init__(self, key: str, record: LeaseRecord | None, seconds_left: float) -> None:
        who = "another owner" if record is None else f"{record.owner} for {seconds_left:.0f} s"
        super().__init__(f"{key}: held by {who}")
        self.record = record
        self.seconds_left = seconds_left


class LeaseLostError(DeliveryError):
    """Another owner has the lease, or it was removed with all that the bot had; its former owner must stop writing."""


class LeaseDamagedError(DeliveryError):
    """The lease object does not hold a lease. An operator must look at it."""


class Lease:
    """A lease that is held. Thread-safe, and blocks as the store does.

    ``now`` is in Unix seconds, ``ttl`` in seconds. ``steady`` returns seconds of a clock that is never set and also counts
    while the machine sleeps. Acquiring retries as long as the store does. Renewing and releasing give up after a third of the
    ttl, so that the next renewal is not late.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        record: LeaseRecord,
        etag: str,
        ttl: float,
        steady: Callable[[], float],
        proven_at: float,
    ) -> None:
        self._store = store.within(ttl / RENEWALS_PER_TTL)
        self._key = key
        self._record = record
        self._etag = etag
        self._ttl = ttl
        self._steady = steady
        self._proven_at = proven_at
        self._released = False
        self._lost: LeaseLostError | None = None
        self._lock = threading.Lock()

    @classmethod
    def acquire(
        cls, store: ObjectStore, key: str, owner: str, now: float, ttl: float, steady: Callable[[], float]
    ) -> Lease:
        """Takes the lease if it is free, released or expired. ``owner`` must be unique to the process, such as a UUID.

        Raises LeaseHeldError, LeaseDamagedError, and what the store raises.
        """
        found = _read(store, key)
        record = LeaseRecord(owner=owner, attempt=1, expires_at=now + ttl, ttl=ttl)
        if found is None:
            return cls._take(store, key, record, None, steady)
        before, stored = found
        left = before.seconds_left(stored.age, now)
        # Our own record is there if the answer to an earlier try was lost.
        if left > 0 and before.owner != owner:
            raise LeaseHeldError(key, before, left)
        record = msgspec.structs.replace(record, attempt=before.attempt + 1)
        return cls._take(store, key, record, stored.etag, steady)

    @classmethod
    def _take(
        cls,
        store: ObjectStore,
        key: str,
        record: LeaseRecord,
        etag: str | None,
        steady: Callable[[], float],
    ) -> Lease:
        assert record.ttl is not None
        began = steady()
        try:
            return cls(store, key, record, _write(store, key, record, etag), record.ttl, steady, began)
        except PreconditionFailedError as error:
            found = _read(store, key)
            raise LeaseHeldError(key, found[0] if found else None, record.ttl) from error

    @property
    def record(self) -> LeaseRecord:
        """The record as it was last written."""
        return self._record

    @property
    def attempt(self) -> int:
        """How many times the lease was acquired, including this time: higher than that of any earlier owner."""
        return self._record.attempt

    @property
    def renewal_interval(self) -> float:
        """Seconds between renewals."""
        return self._ttl / RENEWALS_PER_TTL

    @property
    def is_proven(self) -> bool:
        """Whether no other worker can have the lease: renewed less than one ttl ago, and neither lost nor released."""
        if self._lost is not None or self._released:
            return False
        return self._steady() - self._proven_at < self._ttl

    def renew(self, now: float) -> None:
        """Moves the expiry to ``now`` + ttl, even after it has passed; does nothing once the lease is released.

        Raises LeaseLostError once another owner took over, and what the store raises: then the owner is not known.
        """
        with self._lock:
            if not self._released:
                self._replace(expires_at=now + self._ttl)

    def may_speak(self, now: float) -> bool:
        """Whether this owner may still write and report for the bot: False once it has released or lost the lease.

        Renews first if the last success is longer ago than the ttl, as after a pause of the process or the machine. If the
        store does not answer, nobody else can take the lease there, and the answer is True.
        """
        if self.is_proven:
            return True
        try:
            self.renew(now)
        except LeaseLostError:
            return False
        except DeliveryError as error:
            logger.warning("%s: the owner is not known: %s", self._key, error)
        return self._lost is None and not self._released

    def release(self, now: float) -> None:
        """Frees the lease at once. Raises LeaseLostError where another owner took the lease."""
        with self._lock:
            if not self._released:
                self._replace(expires_at=now, released=True)
                self._released = True

    def _replace(self, expires_at: float, released: bool = False) -> None:
        if self._lost is not None:
            raise self._lost
        record = msgspec.structs.replace(self._record, expires_at=expires_at, released=released)
        began = self._steady()
        try:
            etag = _write(self._store, self._key, record, self._etag)
        except PreconditionFailedError:
            etag = self._write_over_own(record)
        self._etag, self._record, self._proven_at = etag, record, began

    def _write_over_own(self, record: LeaseRecord) -> str:
        """Writes ``record`` where the object is not the one that was last written: an earlier renewal, whose answer was lost.

        Raises LeaseLostError if it is another owner's, or was removed: by a deletion of the bot.
        """
        found = _read(self._store, self._key)
        if found is None:
            self._lost = LeaseLostError(f"{self._key}: was removed")
            raise self._lost
        if found[0].owner != record.owner:
            self._lost = LeaseLostError(f"{self._key}: {found[0].owner} took it over from {record.owner}")
            raise self._lost
        try:
            return _write(self._store, self._key, record, found[1].etag)
        except PreconditionFailedError as error:
            # It changed again meanwhile; the next renewal will see whose it is.
            raise DeliveryError(f"{self._key}: was written by somebody at the same time") from error


def seconds_held(store: ObjectStore, key: str, now: float) -> float:
    """Seconds until the lease ``key`` can be taken; 0 or less: nobody holds it. ``now`` is in Unix seconds.

    Raises LeaseDamagedError, and what the store raises.
    """
    found = _read(store, key)
    return 0.0 if found is None else found[0].seconds_left(found[1].age, now)


def _read(store: ObjectStore, key: str) -> tuple[LeaseRecord, Stored] | None:
    try:
        stored: Stored = store.get(key)
    except NotFoundError:
        return None
    try:
        return msgspec.json.decode(stored.data, type=LeaseRecord), stored
    except msgspec.DecodeError as error:
        raise LeaseDamagedError(f"{key}: expected a lease's JSON: {error}") from error


def _write(store: ObjectStore, key: str, record: LeaseRecord, etag: str | None) -> str:
    return store.put(
        key,
        msgspec.json.encode(record),
        content_type="application/json",
        if_absent=etag is None,
        if_match=etag,
    )
