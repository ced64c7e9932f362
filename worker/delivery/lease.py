"""A lease on a bot: one owner at a time, by conditional writes to one object.

The object is JSON: ``{"owner": …, "attempt": …, "expires_at": …}``. The owner renews the lease before it
expires. Another worker that finds it expired replaces exactly that version (``If-Match``), so that only one of several
succeeds. Expiry is judged by the clock of the worker that wants the lease, so clocks must agree to within the time between
renewal and expiry.
"""

from __future__ import annotations

import threading
from typing import Final

import msgspec

from worker.delivery.errors import DeliveryError
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError, Stored

RENEWALS_PER_TTL: Final = 3
"""A renewal each third of the ttl, so that two may fail."""


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The object's content. ``attempt`` counts acquisitions from 1, ``expires_at`` is in Unix seconds."""

    owner: str
    attempt: int
    expires_at: float


class LeaseHeldError(DeliveryError):
    """Another owner holds the lease: ``record`` says who and until when. ``record`` is None where it could not be read."""

    def __init__(self, key: str, record: LeaseRecord | None) -> None:
        who = "another owner" if record is None else f"{record.owner} until {record.expires_at:.0f}"
        super().__init__(f"{key}: held by {who}")
        self.record = record


class LeaseLostError(DeliveryError):
    """The lease was taken over or removed; its former owner must stop writing."""


class LeaseDamagedError(DeliveryError):
    """The lease object does not hold a lease. An operator must look at it."""


class Lease:
    """A lease that is held. Thread-safe, and blocks as the store does. Times are Unix seconds, ``ttl`` is in seconds.

    Acquiring retries as long as the store does. Renewing and releasing give up earlier: an expiry that was computed before an
    outage must not be written after it.
    """

    def __init__(self, store: ObjectStore, key: str, record: LeaseRecord, etag: str, ttl: float) -> None:
        self._store = store.within(ttl / RENEWALS_PER_TTL)
        self._key = key
        self._record = record
        self._etag = etag
        self._ttl = ttl
        self._released = False
        self._lock = threading.Lock()

    @classmethod
    def acquire(cls, store: ObjectStore, key: str, owner: str, now: float, ttl: float) -> Lease:
        """Takes the lease if it is free, released or expired. ``owner`` must be unique to the process, such as a UUID.

        Raises LeaseHeldError, LeaseDamagedError, and what the store raises.
        """
        found = _read(store, key)
        if found is None:
            return cls._take(store, key, LeaseRecord(owner=owner, attempt=1, expires_at=now + ttl), None, ttl)
        before, etag = found
        if before.expires_at > now:
            raise LeaseHeldError(key, before)
        record = LeaseRecord(owner=owner, attempt=before.attempt + 1, expires_at=now + ttl)
        return cls._take(store, key, record, etag, ttl)

    @classmethod
    def _take(cls, store: ObjectStore, key: str, record: LeaseRecord, etag: str | None, ttl: float) -> Lease:
        try:
            return cls(store, key, record, _write(store, key, record, etag), ttl)
        except PreconditionFailedError as error:
            found = _read(store, key)
            raise LeaseHeldError(key, found[0] if found else None) from error

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

    def renew(self, now: float) -> None:
        """Moves the expiry to ``now`` + ttl, even after it has passed. Raises LeaseLostError once another owner took over."""
        self._replace(now + self._ttl)

    def release(self, now: float) -> None:
        """Frees the lease at once; later renewals fail. Raises LeaseLostError where another owner took the lease."""
        self._replace(now, released=True)

    def _replace(self, expires_at: float, released: bool = False) -> None:
        with self._lock:
            if self._released:
                raise LeaseLostError(f"{self._key}: was released by {self._record.owner}")
            record = msgspec.structs.replace(self._record, expires_at=expires_at)
            try:
                self._etag = _write(self._store, self._key, record, self._etag)
            except PreconditionFailedError as error:
                raise LeaseLostError(f"{self._key}: no longer held by {self._record.owner}") from error
            self._record = record
            self._released = released


def _read(store: ObjectStore, key: str) -> tuple[LeaseRecord, str] | None:
    try:
        stored: Stored = store.get(key)
    except NotFoundError:
        return None
    try:
        return msgspec.json.decode(stored.data, type=LeaseRecord), stored.etag
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
