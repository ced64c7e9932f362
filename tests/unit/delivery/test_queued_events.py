from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.waits import until
from worker.delivery import folder_queue
from worker.delivery.folder_queue import FolderQueue
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.delivery.queued_events import QueuedEvents


def taken(queue: FolderQueue) -> list[dict[str, object]]:
    found = []
    while (delivery := queue.receive(0)) is not None:
        found.append(json.loads(delivery.body))
    return found


def test_events_are_on_the_disk_in_order_once_they_are_drained(tmp_path: Path) -> None:
    events = QueuedEvents(FolderQueue(tmp_path))
    sent = [{"event": f"e{number}", "name": "Jörg \ud83d"} for number in range(20)]
    for event in sent:
        events.send(event)
    assert events.drain(20)
    events.close()
    assert [each["event"] for each in taken(FolderQueue(tmp_path))] == [each["event"] for each in sent]


def test_a_value_that_is_no_json_is_refused_at_once(tmp_path: Path) -> None:
    events = QueuedEvents(FolderQueue(tmp_path))
    with pytest.raises(TypeError):
        events.send({"event": object()})
    events.close()


async def test_a_full_disk_loses_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = QueuedEvents(FolderQueue(tmp_path), pause=0.01)
    refused = 0

    def refuse(path: Path, data: bytes) -> None:
        nonlocal refused
        refused += 1
        raise QueueUnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(folder_queue, "_write_file", refuse)
        events.send({"event": "e"})
        await until(lambda: refused > 1)
        assert events.waiting == 1
    assert events.drain(20)
    events.close()
    assert taken(FolderQueue(tmp_path)) == [{"event": "e"}]
