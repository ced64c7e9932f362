from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fault_proxy import OUTAGES, REFUSALS, Fault
from tests.support.memory_store import Failing, MemoryStore
from tests.unit.delivery.conftest import IMPATIENT, Cloud
from worker.delivery import patient_store
from worker.delivery.errors import DeliveryError, RefusedError, UnavailableError
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError
from worker.delivery.patient_store import LONGEST_WAIT, TRY_SECONDS, PatientStore

REFUSED = RefusedError("S3: put: AccessDenied")
AWAY = UnavailableError("S3: put: no answer")


class Troubles:
    """What on_trouble was called with: the type of each error, None for the end of the trouble."""

    def __init__(self) -> None:
        self.seen: list[type[DeliveryError] | None] = []

    def __call__(self, error: DeliveryError | None) -> None:
        self.seen.append(None if error is None else type(error))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_store, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(patient_store, "LONGEST_WAIT", 0.004)


def patient(
    store: ObjectStore,
    patience: float = math.inf,
    out_of_time: threading.Event | None = None,
    troubles: Troubles | None = None,
) -> PatientStore:
    return PatientStore(store, patience, out_of_time or threading.Event(), troubles or Troubles())


@pytest.mark.parametrize(
    "request_of",
    [
        lambda store, _: store.put("k", b"x", content_type="x/y"),
        lambda store, _: store.get("there"),
        lambda store, folder: store.download("there", folder / "file"),
        lambda store, _: store.delete("there"),
        lambda store, _: store.presign("there", 60),
        lambda store, _: store.list("t"),
    ],
    ids=["put", "get", "download", "delete", "presign", "list"],
)
def test_each_request_is_tried_until_refusals_and_outages_end(
    request_of: Callable[[ObjectStore, Path], object], tmp_path: Path
) -> None:
    troubles = Troubles()
    store = MemoryStore(Failing(REFUSED, AWAY, REFUSED))
    store.overwrite("there", b"data")
    request_of(patient(store, troubles=troubles), tmp_path)
    assert len(store.asked) == 4
    assert troubles.seen == [RefusedError, UnavailableError, RefusedError, None]


def test_a_request_that_succeeds_at_once_is_no_trouble() -> None:
    troubles = Troubles()
    patient(MemoryStore(), troubles=troubles).list("")
    assert troubles.seen == []


@pytest.mark.parametrize(
    "error", [NotFoundError("no"), PreconditionFailedError("no"), LeaseLostError("no"), OSError("disk")]
)
def test_what_time_cannot_change_is_raised_at_once(error: Exception) -> None:
    store, troubles = MemoryStore(Failing(error, error)), Troubles()
    with pytest.raises(type(error)):
        patient(store, troubles=troubles).get("k")
    assert (len(store.asked), troubles.seen) == (1, [])


def test_conditions_are_passed_on() -> None:
    store = MemoryStore()
    etag = patient(store).put("k", b"1", content_type="x/y", if_absent=True)
    with pytest.raises(PreconditionFailedError):
        patient(store).put("k", b"2", content_type="x/y", if_absent=True)
    with pytest.raises(PreconditionFailedError):
        patient(store).put("k", b"2", content_type="x/y", if_match="other")
    patient(store).put("k", b"2", content_type="x/y", if_match=etag)
    assert store.objects == {"k": b"2"}


def test_the_last_error_is_raised_once_patience_ends() -> None:
    store, troubles = MemoryStore(Failing(*[REFUSED] * 1000, AWAY)), Troubles()
    began = time.monotonic()
    with pytest.raises(RefusedError):
        patient(store, 0.05, troubles=troubles).get("k")
    assert time.monotonic() - began < 5
    assert len(store.asked) > 3
    # The trouble is not over.
    assert None not in troubles.seen


def test_nothing_is_waited_for_once_out_of_time() -> None:
    out_of_time = threading.Event()
    store = MemoryStore(Failing(*[AWAY] * 1000))
    out_of_time.set()
    with pytest.raises(UnavailableError):
        patient(store, out_of_time=out_of_time).get("k")
    assert len(store.asked) == 1


def test_out_of_time_a_wait_ends_at_once_with_one_more_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_store, "FIRST_WAIT", 60.0)
    out_of_time = threading.Event()
    store = MemoryStore(Failing(AWAY))
    store.overwrite("k", b"x")
    timer = threading.Timer(0.2, out_of_time.set)
    timer.start()
    began = time.monotonic()
    # A short outage is over by then.
    assert patient(store, out_of_time=out_of_time).get("k").data == b"x"
    assert time.monotonic() - began < 20
    timer.join()


def test_one_try_and_the_waits_are_short_enough_to_notice_the_end_of_time() -> None:
    """Within the grace period of a worker there is time for several tries."""
    store = MemoryStore()
    patient(store)
    assert store.budgets == [TRY_SECONDS]
    assert TRY_SECONDS + LONGEST_WAIT <= 30


def test_within_limits_the_patience() -> None:
    store = MemoryStore(Failing(*[AWAY] * 1000))
    with pytest.raises(UnavailableError):
        patient(store).within(0.05).get("k")


@pytest.mark.parametrize(
    "fault", [*REFUSALS, Fault.THROTTLED, *(fault for fault in OUTAGES if fault is not Fault.HANG)]
)
def test_a_real_store_that_fails_for_a_while_takes_the_object(cloud: Cloud, fault: Fault) -> None:
    cloud.proxy.fail(fault, times=20)
    troubles = Troubles()
    store = patient(cloud.store(IMPATIENT), troubles=troubles)
    # With a condition, a lost answer would look like another writer's object.
    store.put("k", b"data", content_type="x/y")
    cloud.proxy.recover()
    assert cloud.store().get("k").data == b"data"
    assert troubles.seen[-1] is None
