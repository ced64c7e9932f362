from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest

from tests.support.memory_store import Failing, MemoryStore
from worker.delivery import patient_store
from worker.delivery.errors import RefusedError
from worker.delivery.fenced_store import FencedStore
from worker.delivery.lease import LeaseLostError
from worker.delivery.patient_store import PatientStore


def test_an_owner_writes_and_removes(tmp_path: Path) -> None:
    store = MemoryStore()
    fenced = FencedStore(store, lambda: True)
    etag = fenced.put("k", b"x", content_type="x/y", if_absent=True)
    fenced.put("k", b"y", content_type="x/y", if_match=etag)
    assert fenced.get("k").data == b"y"
    fenced.delete("k")
    assert store.objects == {}


def test_a_former_owner_reads_but_changes_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    store.overwrite("k", b"x")
    fenced = FencedStore(store, lambda: False).within(5.0)
    assert fenced.get("k").data == b"x"
    assert [listed.key for listed in fenced.list("")] == ["k"]
    fenced.download("k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x"
    assert fenced.presign("k", 60)
    with pytest.raises(LeaseLostError, match="new: not written: another worker has the bot"):
        fenced.put("new", b"x", content_type="x/y")
    with pytest.raises(LeaseLostError):
        fenced.delete("k")
    assert store.objects == {"k": b"x"}


def test_each_further_try_asks_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that waited for hours must not succeed once another worker has the bot."""
    monkeypatch.setattr(patient_store, "FIRST_WAIT", 0.001)
    answers = [True, True, False]
    store = MemoryStore(Failing(RefusedError("no"), RefusedError("no")))
    fenced = FencedStore(store, lambda: answers.pop(0))
    with pytest.raises(LeaseLostError):
        PatientStore(fenced, math.inf, threading.Event(), lambda _: None).put("k", b"x", content_type="x/y")
    assert store.objects == {}
