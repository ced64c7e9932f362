from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from tests.support.api import MEETING, NOW, Api
from tests.support.memory_store import MemoryStore
from worker.contracts.job import Job
from worker.contracts.meetstream import read_meetstream
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.iso_time import iso_utc
from worker.server.bots import BotBusyError
from worker.server.links import shared_secret


def made(api: Api, workspace: str = "anna", **fields: object) -> str:
    job = read_meetstream({"meeting_link": MEETING, **fields}, lambda: str(uuid.uuid4()))
    return api.bots.create(workspace, job).bot_id


def due(api: Api) -> list[str]:
    return [each.key for each in api.store.list("due/")]


def test_a_job_that_could_not_be_dispatched_is_kept_and_dispatched_later(api: Api) -> None:
    api.desk.error = QueueUnavailableError("SQS: down")
    bot_id = made(api)
    facts = api.bots.facts("anna", bot_id)
    assert facts is not None
    assert not facts.is_dispatched
    api.desk.error = None
    assert api.bots.dispatch_due() == 0, "its own server may still be at it"
    api.now += 31
    assert api.bots.dispatch_due() == 1
    assert [job.bot_id for job in api.desk.jobs] == [bot_id]
    assert due(api) == []
    assert api.bots.dispatch_due() == 0


@pytest.mark.parametrize("last", range(1, 12))
def test_a_server_that_is_killed_while_it_makes_a_bot_loses_no_bot_that_is_listed(
    tmp_path: Path, last: int
) -> None:
    class KilledError(Exception):
        pass

    def before(method: str, _: str) -> None:
        if method in {"put", "delete"}:
            writes.append(method)
            if len(writes) == last:
                raise KilledError

    writes: list[str] = []
    store = MemoryStore(before)
    api = Api(tmp_path, store=store)
    try:
        made(api)
        finished = True
    except KilledError:
        finished = False
    store.before = lambda *_: None
    api.now += 31
    api.bots.dispatch_due()
    listed = [facts.bot_id for facts in api.bots.each("anna")]
    dispatched = [job.bot_id for job in api.desk.jobs]
    assert set(listed) <= set(dispatched)
    assert listed or not finished
    assert due(api) == []


def test_two_servers_dispatch_a_due_job_once(api: Api) -> None:
    made(api, join_at=iso_utc(api.now + 3600))
    api.now += 3600
    entry = due(api)[0]
    original = api.store.put

    def race(key: str, *arguments: object, **options: object) -> str:
        api.store.put = original  # type: ignore[method-assign]
        assert api.bots.dispatch_due() == 1
        return original(key, *arguments, **options)  # type: ignore[arg-type]

    api.store.put = race  # type: ignore[method-assign]
    assert api.bots.dispatch_due() == 0
    assert len(api.desk.jobs) == 1
    assert entry not in due(api)


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"bot_id": 1}'])
def test_a_record_that_cannot_be_read_holds_up_no_other_bot(
    api: Api, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (made(api, join_at=iso_utc(api.now + 3600 + later)) for later in (0, 60))
    api.store.put(api.bots.keys.record(first), broken, content_type="application/json")
    api.now += 7200
    assert api.bots.dispatch_due() == 1
    assert [job.bot_id for job in api.desk.jobs] == [second]
    assert f"the job of {first} cannot be dispatched" in caplog.text
    assert [facts.bot_id for facts in api.bots.each("anna")] == [second]
    assert f"the bot {first} cannot be listed" in caplog.text


def test_a_bot_is_not_changed_once_it_is_due(api: Api) -> None:
    bot_id = made(api, join_at=iso_utc(api.now + 3600))
    record = api.bots.find("anna", bot_id)
    assert record is not None
    api.now += 3600
    with pytest.raises(BotBusyError):
        api.bots.change(record, record.job())
    with pytest.raises(BotBusyError):
        api.deletions.withdraw(record)


def test_a_scheduled_bot_that_is_cancelled_or_deleted_never_goes_to_the_queue(api: Api) -> None:
    for end in (api.bots.cancel, api.deletions.delete_media, api.deletions.forget, api.deletions.withdraw):
        record = api.bots.find("anna", made(api, join_at=iso_utc(api.now + 3600)))
        assert record is not None
        end(record)
    api.now += 7200
    assert api.bots.dispatch_due() == 0
    assert api.desk.jobs == []
    assert due(api) == []


def test_a_page_costs_the_same_however_many_bots_there_are(tmp_path: Path) -> None:
    store = MemoryStore()
    api = Api(tmp_path, store=store)
    costs = []
    for _ in range(3):
        for _ in range(60):
            made(api)
            api.now += 100
        store.asked.clear()
        page = api.bots.page("anna", "", 50)
        assert len(page.bots) == 50
        costs.append(len(store.asked))
    assert costs == [costs[0]] * 3


def test_the_number_of_a_workspaces_bots_is_its_own(api: Api) -> None:
    for _ in range(3):
        made(api)
    made(api, "bob")
    assert (api.bots.count("anna"), api.bots.count("bob"), api.bots.count("nobody")) == (3, 1, 0)
    after = api.bots.skip("anna", 2)
    assert after is not None
    assert len(api.bots.page("anna", after, 10).bots) == 1
    assert api.bots.skip("anna", 4) is None


def test_all_servers_of_a_store_share_one_secret(tmp_path: Path) -> None:
    store = MemoryStore()
    first = shared_secret(store, "p")
    assert len(first) == 32
    assert shared_secret(store, "p/") == first
    assert shared_secret(store, "") != first

    def beaten(method: str, key: str) -> None:
        if method == "put":
            racing.overwrite(key, b"of the other server")

    racing = MemoryStore(beaten)
    assert shared_secret(racing, "") == b"of the other server"


def test_what_waits_is_counted_and_due_from_the_end_of_its_minute_on(api: Api) -> None:
    assert api.bots.waiting() == (0, 0, 0.0)
    made(api, join_at=iso_utc(NOW + 86_400))
    api.desk.error = QueueUnavailableError("SQS: down")
    made(api)
    api.store.put("due/of-another-version/x", b"{}", content_type="application/json")
    assert api.bots.waiting() == (3, 0, 0.0)
    minute_ends = (NOW // 60 + 1) * 60
    api.now = minute_ends + 90
    assert api.bots.waiting() == (3, 1, 90.0)
    api.desk.error = None
    api.bots.dispatch_due()
    assert api.bots.waiting()[1:] == (0, 0.0)


def test_jobs_that_are_due_at_once_are_dispatched_beside_each_other(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for seven others: one after the other, none would be dispatched."""
    join_at = iso_utc(NOW + 86_400)
    ids = {made(api, join_at=join_at) for _ in range(16)}
    together = threading.Barrier(8)
    submit = api.desk.submit

    def submit_with_others(job: Job) -> None:
        together.wait(30)
        submit(job)

    monkeypatch.setattr(api.desk, "submit", submit_with_others)
    api.now += 86_400
    assert api.bots.dispatch_due() == 16
    assert {job.bot_id for job in api.desk.jobs} == ids
    assert due(api) == []
