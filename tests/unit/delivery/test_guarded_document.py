from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fault_proxy import Fault
from tests.support.memory_store import MemoryStore
from tests.unit.delivery.conftest import Cloud
from worker.delivery.guarded_document import MOST_CONFLICTS, GuardedDocument
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError

KEY = "bots/b/bot.json"


def owned(store: ObjectStore) -> GuardedDocument:
    return GuardedDocument(store, KEY, lambda: True)


def test_a_document_is_written_again_and_again(cloud: Cloud) -> None:
    document = owned(cloud.store())
    for body in (b"1", b"2", b"3"):
        document.write(body)
        assert cloud.store().get(KEY).data == body
    # What was last written is known without reading it.
    assert sum(request.method == "GET" for request in cloud.proxy.seen) == 1 + 3


def test_a_new_owner_writes_over_the_document_of_the_former_one(cloud: Cloud) -> None:
    owned(cloud.store()).write(b"of the former owner")
    owned(cloud.store()).write(b"of the new owner")
    assert cloud.store().get(KEY).data == b"of the new owner"


def test_a_paused_writer_does_not_overwrite_its_successor(cloud: Cloud) -> None:
    """Paused between the look at the lease and the write: then only the condition of the write is left."""
    lease = {"owner": "paused"}
    looked, resumed = threading.Event(), threading.Event()

    def may_speak() -> bool:
        owner = lease["owner"]
        if not looked.is_set():
            looked.set()
            assert resumed.wait(20)
        return owner == "paused"

    document = GuardedDocument(cloud.store(), KEY, may_speak)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(document.write, b"old news")
        assert looked.wait(20)
        lease["owner"] = "successor"
        owned(cloud.store()).write(b"new truth")
        resumed.set()
        with pytest.raises(LeaseLostError, match=r"bot\.json: not written"):
            writing.result(20)
    assert cloud.store().get(KEY).data == b"new truth"


def test_a_former_owner_writes_nothing_even_where_nobody_else_wrote(cloud: Cloud) -> None:
    with pytest.raises(LeaseLostError):
        GuardedDocument(cloud.store(), KEY, lambda: False).write(b"x")
    assert cloud.store().list(KEY) == []


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.RESET, Fault.SLOW_DOWN])
def test_a_lost_answer_is_not_taken_for_another_writer(cloud: Cloud, fault: Fault) -> None:
    document = owned(cloud.store())
    document.write(b"1")
    cloud.proxy.fail(fault, times=1, matches=lambda request: request.method == "PUT")
    document.write(b"2")
    document.write(b"3")
    assert cloud.store().get(KEY).data == b"3"


def test_the_owner_writes_over_late_writes_of_a_former_owner() -> None:
    store = MemoryStore()
    late = [b"late 1", b"late 2"]

    def before(method: str, key: str) -> None:
        if method == "put" and late:
            store.overwrite(key, late.pop(0))

    store.before = before
    owned(store).write(b"mine")
    assert store.objects == {KEY: b"mine"}


def test_a_document_that_was_removed_is_written_anew() -> None:
    store = MemoryStore()
    document = owned(store)
    document.write(b"1")
    store.objects.clear()
    document.write(b"2")
    assert store.objects == {KEY: b"2"}


def test_a_document_that_always_changes_is_given_up() -> None:
    store = MemoryStore()
    store.before = lambda method, key: store.overwrite(key, b"other") if method == "put" else None
    with pytest.raises(PreconditionFailedError, match=f"changed {MOST_CONFLICTS} times"):
        owned(store).write(b"mine")
    assert store.objects == {KEY: b"other"}
