from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tests.support.fault_proxy import OUTAGES, REFUSALS, Fault
from tests.support.memory_store import MemoryStore
from tests.unit.delivery.conftest import IMPATIENT, Cloud
from worker.delivery.errors import DeliveryError
from worker.delivery.lease import (
    AGE_RESOLUTION,
    Lease,
    LeaseDamagedError,
    LeaseHeldError,
    LeaseLostError,
    LeaseRecord,
    seconds_held,
)
from worker.delivery.object_store import ObjectStore, S3Store, StoreUnavailableError

KEY = "bots/b/lease.json"
NOW = 1_700_000_000.0
TTL = 60.0


class Clock:
    """A steady clock that tests move."""

    def __init__(self) -> None:
        self.at = 5.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def acquire(store: ObjectStore, owner: str, ttl: float = TTL, clock: Clock | None = None) -> Lease:
    return Lease.acquire(store, KEY, owner, NOW, ttl, clock or Clock())


def take_over(store: S3Store, owner: str = "worker-2") -> None:
    """Another owner takes the lease, as if it had found it expired."""
    record = LeaseRecord(owner=owner, attempt=2, expires_at=NOW + 600.0, ttl=TTL)
    store.put(KEY, msgspec.json.encode(record), content_type="application/json")


def test_acquire_writes_owner_attempt_and_expiry(store: S3Store) -> None:
    acquire(store, "worker-1")
    assert msgspec.json.decode(store.get(KEY).data) == {
        "owner": "worker-1",
        "attempt": 1,
        "expires_at": NOW + TTL,
        "ttl": TTL,
        "released": False,
    }


@pytest.mark.parametrize(
    ("ttl", "released", "age", "now", "left"),
    [
        (60.0, False, 0.0, NOW, 61.0),
        (60.0, False, 60.0, NOW, 1.0),
        (60.0, False, 61.0, NOW, 0.0),
        # The wall clocks of the two workers differ by a day.
        (60.0, False, 10.0, NOW + 86_400, 51.0),
        (60.0, False, 61.0, NOW - 86_400, 0.0),
        # Without the store's clock only the wall clocks are left.
        (60.0, False, None, NOW + 10, 50.0),
        (None, False, 500.0, NOW + 10, 50.0),
        (60.0, True, 0.0, NOW, 0.0),
        (None, True, None, NOW, 0.0),
    ],
)
def test_seconds_left_go_by_the_stores_clock(
    ttl: float | None, released: bool, age: float | None, now: float, left: float
) -> None:
    record = LeaseRecord(owner="a", attempt=1, expires_at=NOW + 60.0, ttl=ttl, released=released)
    assert record.seconds_left(age, now) == left


def test_another_owner_acquires_the_lease_only_after_its_ttl(store: S3Store) -> None:
    ttl = 1.5
    began = time.monotonic()
    acquire(store, "worker-1", ttl)
    with pytest.raises(LeaseHeldError, match=r"held by worker-1 for \d s") as held:
        acquire(store, "worker-2")
    assert 0 < held.value.seconds_left <= ttl + AGE_RESOLUTION
    while True:
        assert time.monotonic() < began + 20
        try:
            lease = acquire(store, "worker-2")
        except LeaseHeldError:
            time.sleep(0.05)
            continue
        break
    assert time.monotonic() - began >= ttl
    assert lease.attempt == 2


def test_a_renewal_moves_the_expiry(store: S3Store) -> None:
    lease = acquire(store, "worker-1")
    lease.renew(NOW + 20)
    lease.renew(NOW + 300)
    with pytest.raises(LeaseHeldError):
        acquire(store, "worker-2")
    assert lease.record.expires_at == NOW + TTL + 300
    assert lease.attempt == 1


def test_renew_raises_once_another_owner_took_the_lease(store: S3Store) -> None:
    first = acquire(store, "worker-1")
    take_over(store)
    for act in (first.renew, first.release, first.renew):
        with pytest.raises(LeaseLostError, match="worker-2 took it over from worker-1"):
            act(NOW + TTL + 1)
    assert msgspec.json.decode(store.get(KEY).data)["owner"] == "worker-2"


def test_a_lost_lease_stays_lost(store: S3Store, clock: Clock) -> None:
    """Also if its object is removed afterwards: the other owner may have finished the job."""
    lease = acquire(store, "worker-1", clock=clock)
    take_over(store)
    with pytest.raises(LeaseLostError):
        lease.renew(NOW)
    store.delete(KEY)
    with pytest.raises(LeaseLostError):
        lease.renew(NOW)
    assert not lease.is_proven
    assert not lease.may_speak(NOW)


def test_a_lease_that_was_removed_is_lost_and_not_written_again(store: S3Store, clock: Clock) -> None:
    lease = acquire(store, "worker-1", clock=clock)
    store.delete(KEY)
    for act in (lease.renew, lease.release, lease.renew):
        with pytest.raises(LeaseLostError, match="was removed"):
            act(NOW + 20)
    assert not lease.may_speak(NOW + 20)
    assert store.list("") == []


def test_seconds_held_of_a_lease(store: S3Store) -> None:
    assert seconds_held(store, KEY, NOW) == 0.0
    lease = acquire(store, "worker-1")
    assert 0 < seconds_held(store, KEY, NOW) <= TTL + AGE_RESOLUTION
    lease.release(NOW)
    assert seconds_held(store, KEY, NOW) == 0.0


@pytest.mark.parametrize("fault", [*REFUSALS, Fault.INTERNAL_ERROR, Fault.RESET, Fault.LOST_ANSWER])
def test_no_fault_is_taken_for_another_owner(cloud: Cloud, fault: Fault) -> None:
    lease = Lease.acquire(cloud.store(IMPATIENT), KEY, "worker-1", NOW, TTL, Clock())
    cloud.proxy.fail(fault)
    with pytest.raises(DeliveryError) as raised:
        lease.renew(NOW + 20)
    assert not isinstance(raised.value, LeaseLostError)
    cloud.proxy.recover()
    # The write of LOST_ANSWER was made: the object is another than the one that the owner knows.
    lease.renew(NOW + 30)
    lease.renew(NOW + 40)


def test_a_worker_that_acquired_the_lease_without_an_answer_has_it(cloud: Cloud) -> None:
    cloud.proxy.fail(Fault.LOST_ANSWER, matches=lambda request: request.method in ("PUT", "HEAD"))
    with pytest.raises(StoreUnavailableError):
        Lease.acquire(cloud.store(IMPATIENT), KEY, "worker-1", NOW, TTL, Clock())
    cloud.proxy.recover()
    acquire(cloud.store(), "worker-1").renew(NOW)


def test_a_released_lease_is_free_at_once_and_not_renewed_any_more(store: S3Store) -> None:
    first = acquire(store, "worker-1")
    first.release(NOW + 1)
    second = acquire(store, "worker-2")
    # A heartbeat may renew once more, and no loss is to be reported of an orderly end.
    first.renew(NOW + 1)
    first.release(NOW + 1)
    second.renew(NOW + 2)
    assert second.attempt == 2


@pytest.mark.parametrize("later", [0.0, TTL + 1])
def test_a_worker_that_released_the_lease_speaks_no_more(store: S3Store, clock: Clock, later: float) -> None:
    """A write that was still waiting must not overwrite what the next owner wrote."""
    lease = acquire(store, "worker-1", clock=clock)
    lease.release(NOW + 1)
    clock.at += later
    assert not lease.is_proven
    assert not lease.may_speak(NOW + 2)


@pytest.mark.parametrize("before", ["free", "released"])
def test_only_one_of_several_workers_acquires_the_lease(store: S3Store, before: str) -> None:
    if before == "released":
        acquire(store, "crashed").release(NOW)
    together = threading.Barrier(8)

    def try_to_acquire(number: int) -> bool:
        together.wait(10)
        try:
            acquire(store, f"worker-{number}")
        except LeaseHeldError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_to_acquire, range(8))) == 1


@pytest.mark.parametrize("fault", [fault for fault in OUTAGES if fault is not Fault.HANG])
def test_the_owner_keeps_the_lease_through_an_outage(cloud: Cloud, fault: Fault) -> None:
    cloud.proxy.fail(fault, times=3)
    lease = acquire(cloud.store(), "worker-1")
    cloud.proxy.fail(fault, times=2)
    lease.renew(NOW + 20)
    cloud.proxy.fail(fault, times=2)
    lease.release(NOW + 30)


def test_a_lease_is_proven_for_a_ttl_from_before_its_last_renewal(store: S3Store, clock: Clock) -> None:
    lease = acquire(store, "worker-1", clock=clock)
    clock.at += TTL - 0.1
    assert lease.is_proven
    clock.at += 0.2
    assert not lease.is_proven
    lease.renew(NOW)
    clock.at += TTL - 0.1
    assert lease.is_proven


def test_the_time_that_a_renewal_takes_is_no_proof(clock: Clock) -> None:
    """The store may have written it at the beginning of a slow request; another owner's ttl counts from there."""
    store = MemoryStore()
    lease = acquire(store, "worker-1", clock=clock)

    def slowly(method: str, _: str) -> None:
        clock.at += 20.0 if method == "put" else 0.0

    store.before = slowly
    lease.renew(NOW)
    clock.at += TTL - 20.0 - 0.1
    assert lease.is_proven
    clock.at += 0.2
    assert not lease.is_proven


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, *REFUSALS])
def test_an_unproven_owner_may_speak_unless_another_one_is_seen(
    cloud: Cloud, clock: Clock, fault: Fault
) -> None:
    lease = Lease.acquire(cloud.store(IMPATIENT), KEY, "worker-1", NOW, TTL, clock)
    clock.at += TTL
    cloud.proxy.fail(fault)
    assert lease.may_speak(NOW)
    assert not lease.is_proven
    cloud.proxy.recover()
    assert lease.may_speak(NOW)
    assert lease.is_proven
    take_over(cloud.store())
    # Within the ttl nobody else can have taken it, so nothing is asked.
    assert lease.may_speak(NOW)
    clock.at += TTL
    assert not lease.may_speak(NOW)


@pytest.mark.parametrize("data", [b"{}", b"not JSON", b'{"owner":"x","attempt":1,"expires_at":"soon"}'])
def test_acquire_raises_for_a_damaged_lease_and_does_not_change_it(store: S3Store, data: bytes) -> None:
    store.put(KEY, data, content_type="application/json")
    with pytest.raises(LeaseDamagedError, match=KEY):
        acquire(store, "worker-1")
    assert store.get(KEY).data == data


def test_a_renewal_gives_up_before_the_next_one_is_due(cloud: Cloud) -> None:
    lease = Lease.acquire(cloud.store(), KEY, "worker-1", NOW, 0.3, Clock())
    cloud.proxy.fail(Fault.SLOW_DOWN)
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        lease.renew(NOW + 0.1)
    assert time.monotonic() - began < 5


def test_a_lease_of_an_earlier_version_is_judged_by_its_expiry(store: S3Store) -> None:
    old = b'{"owner":"worker-0","attempt":3,"expires_at":1700000060.0}'
    store.put(KEY, old, content_type="application/json")
    with pytest.raises(LeaseHeldError):
        Lease.acquire(store, KEY, "worker-1", NOW + 59, TTL, Clock())
    assert Lease.acquire(store, KEY, "worker-1", NOW + 60, TTL, Clock()).attempt == 4
