from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tests.support.fault_proxy import Fault
from tests.unit.delivery.conftest import IMPATIENT, Cloud
from worker.delivery.lease import Lease, LeaseDamagedError, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import S3Store, StoreUnavailableError

KEY = "bots/b/lease.json"
NOW = 1_700_000_000.0
TTL = 60.0


def test_acquire_writes_owner_attempt_and_expiry(store: S3Store) -> None:
    Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    assert msgspec.json.decode(store.get(KEY).data) == {
        "owner": "worker-1",
        "attempt": 1,
        "expires_at": NOW + TTL,
    }


def test_another_owner_acquires_the_lease_only_after_the_expiry(store: S3Store) -> None:
    Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    with pytest.raises(LeaseHeldError, match=r"held by worker-1 until 1700000060") as held:
        Lease.acquire(store, KEY, "worker-2", NOW + TTL - 0.001, TTL)
    assert held.value.record is not None
    assert held.value.record.expires_at == NOW + TTL
    lease = Lease.acquire(store, KEY, "worker-2", NOW + TTL, TTL)
    assert lease.attempt == 2


def test_a_renewal_moves_the_expiry(store: S3Store) -> None:
    lease = Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    lease.renew(NOW + 20)
    lease.renew(NOW + 40)
    with pytest.raises(LeaseHeldError):
        Lease.acquire(store, KEY, "worker-2", NOW + TTL + 39, TTL)
    assert lease.record.expires_at == NOW + TTL + 40
    assert lease.attempt == 1


def test_renew_raises_once_another_owner_took_the_lease(store: S3Store) -> None:
    first = Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    second = Lease.acquire(store, KEY, "worker-2", NOW + TTL, TTL)
    for act in (first.renew, first.release):
        with pytest.raises(LeaseLostError, match="no longer held by worker-1"):
            act(NOW + TTL + 1)
    second.renew(NOW + TTL + 2)


def test_a_renewal_after_the_expiry_succeeds_without_another_owner(store: S3Store) -> None:
    lease = Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    lease.renew(NOW + 300)
    assert lease.record.expires_at == NOW + 300 + TTL


def test_a_released_lease_is_free_at_once_and_not_renewed_any_more(store: S3Store) -> None:
    first = Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    first.release(NOW + 1)
    with pytest.raises(LeaseLostError, match="was released by worker-1"):
        first.renew(NOW + 1)
    assert Lease.acquire(store, KEY, "worker-2", NOW + 1, TTL).attempt == 2


@pytest.mark.parametrize("before", ["free", "expired"])
def test_only_one_of_several_workers_acquires_the_lease(store: S3Store, before: str) -> None:
    if before == "expired":
        Lease.acquire(store, KEY, "crashed", NOW - TTL, TTL)
    together = threading.Barrier(8)

    def acquire(number: int) -> bool:
        together.wait(10)
        try:
            Lease.acquire(store, KEY, f"worker-{number}", NOW, TTL)
        except LeaseHeldError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(acquire, range(8))) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.RESET, Fault.INTERNAL_ERROR])
def test_the_owner_keeps_the_lease_through_a_fault(cloud: Cloud, fault: Fault) -> None:
    cloud.proxy.fail(fault, times=3)
    lease = Lease.acquire(cloud.store(), KEY, "worker-1", NOW, TTL)
    cloud.proxy.fail(fault, times=2)
    lease.renew(NOW + 20)
    cloud.proxy.fail(fault, times=2)
    lease.release(NOW + 30)


def test_a_lease_is_renewed_after_an_outage(cloud: Cloud) -> None:
    lease = Lease.acquire(cloud.store(IMPATIENT), KEY, "worker-1", NOW, TTL)
    cloud.proxy.fail(Fault.SLOW_DOWN)
    with pytest.raises(StoreUnavailableError):
        lease.renew(NOW + 20)
    cloud.proxy.recover()
    lease.renew(NOW + 300)


@pytest.mark.parametrize("data", [b"{}", b"not JSON", b'{"owner":"x","attempt":1,"expires_at":"soon"}'])
def test_acquire_raises_for_a_damaged_lease_and_does_not_change_it(store: S3Store, data: bytes) -> None:
    store.put(KEY, data, content_type="application/json")
    with pytest.raises(LeaseDamagedError, match=KEY):
        Lease.acquire(store, KEY, "worker-1", NOW, TTL)
    assert store.get(KEY).data == data


def test_a_renewal_gives_up_before_its_expiry_is_out_of_date(cloud: Cloud) -> None:
    lease = Lease.acquire(cloud.store(), KEY, "worker-1", NOW, 0.3)
    cloud.proxy.fail(Fault.SLOW_DOWN)
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        lease.renew(NOW + 0.1)
    assert time.monotonic() - began < 5
