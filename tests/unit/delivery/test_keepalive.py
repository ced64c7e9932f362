from __future__ import annotations

import queue as threads
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fault_proxy import REFUSALS, Fault
from tests.unit.delivery.conftest import Cloud
from worker.delivery.jobs_queue import (
    MAX_VISIBILITY,
    Delivery,
    JobsQueue,
    MessageLostError,
    VisibilityCapError,
)
from worker.delivery.keepalive import keep_lease, keep_message, visibility_left
from worker.delivery.lease import Lease, LeaseLostError, LeaseRecord

Losses = threads.Queue[Exception]

UNKNOWN = (Fault.SLOW_DOWN, Fault.INTERNAL_ERROR, Fault.RESET, Fault.THROTTLED, *REFUSALS)
"""Faults that say nothing about the owner."""


def a_delivery(jobs: JobsQueue) -> Delivery:
    jobs.send("{}")
    delivery = jobs.receive(1)
    assert delivery is not None
    return delivery


def beats(cloud: Cloud, action: str) -> int:
    return sum(request.target.endswith(action) for request in cloud.proxy.seen)


def wait_for_beats(cloud: Cloud, action: str, count: int) -> None:
    deadline = time.monotonic() + 20
    while beats(cloud, action) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_message_stays_hidden_beyond_its_visibility(cloud: Cloud) -> None:
    jobs = cloud.jobs(visibility=1)
    losses: Losses = Losses()
    delivery, beaten = a_delivery(jobs), list[bool]()
    began = time.monotonic()
    with keep_message(jobs, delivery, time.time(), time.time, losses.put, beaten.append):
        while time.monotonic() < began + 2.0:
            assert jobs.receive(0) is None
            time.sleep(0.1)
    assert losses.empty()
    assert len(beaten) >= 4
    assert all(beaten)
    jobs.delete(delivery.receipt)


@pytest.mark.parametrize("fault", UNKNOWN)
def test_the_heartbeat_of_a_message_reports_a_fault_and_continues_after_it(
    cloud: Cloud, fault: Fault
) -> None:
    jobs = cloud.jobs(visibility=1)
    losses: Losses = Losses()
    beaten: threads.Queue[bool] = threads.Queue()
    with keep_message(jobs, a_delivery(jobs), time.time(), time.time, losses.put, beaten.put):
        cloud.proxy.fail(fault)
        while beaten.get(timeout=10):
            continue
        cloud.proxy.recover()
        while not beaten.get(timeout=10):
            continue
        seen = beats(cloud, "ChangeMessageVisibility")
        wait_for_beats(cloud, "ChangeMessageVisibility", seen + 2)
    assert losses.empty()


def test_a_lost_message_is_reported(cloud: Cloud) -> None:
    jobs = cloud.jobs(visibility=1)
    losses: Losses = Losses()
    delivery, beaten = a_delivery(jobs), list[bool]()
    jobs.delete(delivery.receipt)
    with keep_message(jobs, delivery, time.time(), time.time, losses.put, beaten.append):
        assert isinstance(losses.get(timeout=10), MessageLostError)
    assert beaten == [False]


def test_the_heartbeat_ends_near_the_visibility_cap_and_reports_it(cloud: Cloud) -> None:
    jobs = cloud.jobs(visibility=1)
    losses: Losses = Losses()
    received_at = time.time() - MAX_VISIBILITY + 1
    with keep_message(jobs, a_delivery(jobs), received_at, time.time, losses.put, lambda _: None):
        assert isinstance(losses.get(timeout=10), VisibilityCapError)


def test_a_lease_is_renewed_and_its_loss_is_reported(cloud: Cloud) -> None:
    store = cloud.store()
    now = [1000.0]
    losses: Losses = Losses()
    reported: list[bool] = []
    lease = Lease.acquire(store, "lease.json", "worker-1", now[0], 0.3, time.monotonic)
    with keep_lease(lease, lambda: now[0], losses.put, reported.append):
        for now[0] in (1010.0, 2000.0):
            deadline = time.monotonic() + 10
            while lease.record.expires_at < now[0]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        takeover(cloud)
        assert isinstance(losses.get(timeout=10), LeaseLostError)
    assert len(reported) >= 2
    assert all(reported)


@pytest.mark.parametrize("fault", UNKNOWN)
def test_a_failed_renewal_is_reported_and_retried(cloud: Cloud, fault: Fault) -> None:
    losses: Losses = Losses()
    reported: threads.Queue[bool] = threads.Queue()
    lease = Lease.acquire(cloud.store(), "lease.json", "worker-1", 1000.0, 0.3, time.monotonic)
    cloud.proxy.fail(fault)
    with keep_lease(lease, lambda: 1000.0, losses.put, reported.put):
        assert reported.get(timeout=10) is False
        cloud.proxy.recover()
        while not reported.get(timeout=10):
            continue
    assert losses.empty()


def takeover(cloud: Cloud) -> None:
    """Another worker takes the lease, as if it had found it expired."""
    store = cloud.store()
    other = LeaseRecord(owner="worker-2", attempt=2, expires_at=9000.0, ttl=60.0)
    store.put("lease.json", msgspec.json.encode(other), content_type="application/json")


@given(
    held=st.floats(0, 2 * MAX_VISIBILITY, allow_nan=False),
    visibility=st.integers(1, MAX_VISIBILITY),
)
def test_no_extension_goes_beyond_twelve_hours(held: float, visibility: int) -> None:
    extension = visibility_left(1000.0, 1000.0 + held, visibility)
    assert 0 <= extension <= visibility
    assert extension == 0 or held + extension <= MAX_VISIBILITY + 1e-6
