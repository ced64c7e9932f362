"""Commands from the store to the bot, once each, over kills, outages and other owners."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.support.memory_store import Failing, MemoryStore
from tests.support.waits import until
from worker.contracts.commands import (
    MOST_LISTED,
    MOST_REMEMBERED,
    Acknowledgement,
    Command,
    CommandKind,
    Commands,
    CommandState,
    Outcome,
    with_command,
)
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError
from worker.delivery.folder_store import FolderStore
from worker.delivery.lease import Lease, LeaseRecord
from worker.delivery.object_store import PagedStore, StoreUnavailableError
from worker.jobs import command_inbox
from worker.jobs.command_inbox import CommandInbox
from worker.lifecycle.ending import Ending
from worker.recording.controls import Controls, Message, Screenshot

KEYS = bot_keys("", "bot-1")
TTL = 30.0
JSON = "application/json"
NOT_UTF8 = (
    b'{"commands":[{"id":"\xff","kind":"leave","at":1}],'
    b'"acknowledged":[{"id":"\xff","kind":"leave","outcome":"done","at":1}]}'
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_inbox, "POLL", 0.005)
    monkeypatch.setattr(command_inbox, "LONGEST_WAIT", 0.02)


class Worker:
    """A worker with the bot's lease; ``steady`` is the lease's clock."""

    def __init__(self, store: PagedStore, folder: Path) -> None:
        self.store = store
        self.steady = 0.0
        self.controls = Controls()
        self.endings: list[Ending] = []
        self.followed = 0
        self.controls.attach(self._follow)
        lease = Lease.acquire(store, KEYS.lease, "worker", time.time(), TTL, lambda: self.steady)
        self.inbox = CommandInbox(
            store, KEYS, lease, self.controls, self.endings.append, folder / "pictures", time.time
        )

    @classmethod
    @asynccontextmanager
    async def running(cls, store: PagedStore, folder: Path) -> AsyncIterator[Worker]:
        """Killed at the end of the block: nothing is finished."""
        worker = cls(store, folder)
        await worker.inbox.load(store)
        worker.inbox.start()
        try:
            yield worker
        finally:
            await worker.inbox.close()

    def _follow(self) -> None:
        self.followed += 1


def read(store: PagedStore) -> CommandState:
    if not store.list(KEYS.command_state):
        return CommandState()
    return msgspec.json.decode(store.get(KEYS.command_state).data, type=CommandState)


def give(store: PagedStore, *kinds: str, message: str = "") -> list[str]:
    """As the API does; returns the ids."""
    given = []
    for kind in kinds:
        listed = Commands()
        if store.list(KEYS.commands):
            listed = msgspec.json.decode(store.get(KEYS.commands).data, type=Commands)
        command = Command(id=f"c{time.monotonic_ns()}", kind=kind, at=time.time(), message=message)
        body = msgspec.json.encode(with_command(listed, read(store), command))
        store.put(KEYS.commands, body, content_type=JSON)
        given.append(command.id)
    return given


def put(store: PagedStore, *listed: Command) -> list[str]:
    """As one object; returns the ids."""
    store.put(KEYS.commands, msgspec.json.encode(Commands(commands=list(listed))), content_type=JSON)
    return [each.id for each in listed]


async def acknowledged(store: PagedStore, command_id: str) -> Acknowledgement:
    await until(lambda: read(store).acknowledgement(command_id) is not None)
    found = read(store).acknowledgement(command_id)
    assert found is not None
    return found


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PagedStore:
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "data")


async def test_each_command_is_done_once_and_acknowledged(store: PagedStore, tmp_path: Path) -> None:
    async with Worker.running(store, tmp_path) as worker:
        (paused,) = give(store, "pause")
        assert (await acknowledged(store, paused)).outcome is Outcome.DONE
        assert (worker.controls.paused, worker.followed) == (True, 1)
        resumed, started, left = give(store, "resume", "start", "leave")
        await acknowledged(store, left)
        assert (worker.controls.paused, worker.controls.told_to_record, worker.followed) == (False, True, 3)
        assert [ending.reason for ending in worker.endings] == ["interrupted"]
    state = read(store)
    assert {each.id for each in state.acknowledged} == {paused, resumed, started, left}
    assert len(state.acknowledged) == 4
    assert {each.outcome for each in state.acknowledged} == {Outcome.DONE}
    assert (state.paused, state.started, state.left) == (False, True, True)


async def test_the_next_worker_repeats_nothing_and_does_what_waits(store: PagedStore, tmp_path: Path) -> None:
    async with Worker.running(store, tmp_path) as first:
        (paused,) = give(store, "pause")
        await acknowledged(store, paused)
        (message,) = give(store, "send_message", message="Hello")
        await until(lambda: bool(first.controls.errands))
    async with Worker.running(store, tmp_path) as second:
        assert (second.controls.paused, second.followed) == (True, 0)
        ((errand, finish),) = second.controls.errands
        assert errand == Message("Hello")
        finish("")
        assert (await acknowledged(store, message)).outcome is Outcome.DONE
        (left,) = give(store, "leave")
        await acknowledged(store, left)
    async with Worker.running(store, tmp_path) as third:
        assert (len(third.endings), list(third.controls.errands)) == (1, [])
        assert third.controls.paused


async def test_a_leave_that_no_worker_saw_keeps_the_bot_out(store: PagedStore, tmp_path: Path) -> None:
    give(store, "leave")
    worker = Worker(store, tmp_path)
    await worker.inbox.load(store)
    assert len(worker.endings) == 1


async def test_errands_are_acknowledged_with_what_became_of_them(store: PagedStore, tmp_path: Path) -> None:
    async with Worker.running(store, tmp_path) as worker:
        message, picture, lost = give(store, "send_message", "screenshot", "screenshot")
        await until(lambda: len(worker.controls.errands) == 3)
        for _ in range(3):
            errand, finish = worker.controls.errands.popleft()
            if isinstance(errand, Message):
                finish("no_chat")
                continue
            assert isinstance(errand, Screenshot)
            if errand.path.stem == picture:
                errand.path.parent.mkdir(exist_ok=True)
                errand.path.write_bytes(b"a picture")
            finish("")
        assert (await acknowledged(store, message)).detail == "no_chat"
        assert (await acknowledged(store, picture)).outcome is Outcome.DONE
        assert (await acknowledged(store, lost)).outcome is Outcome.FAILED
        (stored,) = store.list(KEYS.screenshots)
        assert store.get(stored.key).data == b"a picture"
        assert list((tmp_path / "pictures").iterdir()) == []


async def test_what_is_refused_says_why(store: PagedStore, tmp_path: Path) -> None:
    async with Worker.running(store, tmp_path) as worker:
        worker.controls.recording = True
        begun, odd, message = give(store, "start", "dance", "send_message")
        for refused in (begun, odd):
            assert (await acknowledged(store, refused)).outcome is Outcome.REFUSED
        await until(lambda: bool(worker.controls.errands))
        await worker.inbox.end()
        assert read(store).acknowledgement(message) is not None
        (late,) = give(store, "pause")
        await worker.inbox.end()
    refused_at_the_end = [read(store).acknowledgement(each) for each in (message, late)]
    assert [each and each.detail for each in refused_at_the_end] == [
        "the bot is not in the call any more",
        "the bot is not in the call any more",
    ]
    assert not worker.controls.paused


@pytest.mark.parametrize("request_to", [f"get {KEYS.commands}", f"put {KEYS.command_state}"])
async def test_a_store_that_is_away_only_delays_commands(request_to: str, tmp_path: Path) -> None:
    store = MemoryStore()
    async with Worker.running(store, tmp_path) as worker:
        errors = (StoreUnavailableError("away"), RefusedError("denied")) * 5
        failing = Failing(*errors, wanted=(request_to,))
        store.before = failing
        (paused,) = give(store, "pause")
        assert (await acknowledged(store, paused)).outcome is Outcome.DONE
        await until(lambda: not failing.errors)
        assert worker.followed == 1


async def test_a_command_that_breaks_something_costs_no_other_command(tmp_path: Path) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    store = MemoryStore()
    ids = put(store, *[Command(id=f"c-{kind}", kind=kind, at=1.0) for kind in ("pause", "start", "leave")])
    worker = Worker(store, tmp_path)
    worker.controls.attach(broken)
    await worker.inbox.load(store)
    assert len(worker.endings) == 1
    await worker.inbox.end()
    done = [(each.id, each.outcome) for each in read(store).acknowledged]
    assert done == list(zip(ids, (Outcome.FAILED, Outcome.FAILED, Outcome.DONE), strict=True))


async def test_of_an_object_with_too_many_commands_the_first_count(tmp_path: Path) -> None:
    store = MemoryStore()
    ids = put(store, *[Command(id=f"c{number}", kind="pause", at=1.0) for number in range(3 * MOST_LISTED)])
    worker = Worker(store, tmp_path)
    await worker.inbox.load(store)
    await worker.inbox.end()
    assert [each.id for each in read(store).acknowledged] == ids[:MOST_LISTED]
    assert worker.followed == MOST_LISTED


async def test_a_worker_that_lost_its_lease_does_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    async with Worker.running(store, tmp_path) as worker:
        record = LeaseRecord(owner="other", attempt=9, expires_at=time.time() + 600, ttl=TTL)
        worker.steady += TTL + 1
        store.overwrite(KEYS.lease, msgspec.json.encode(record))
        give(store, "pause", "leave")
        looking = worker.inbox._looking
        assert looking is not None
        await until(looking.done)
        assert (worker.controls.paused, worker.endings) == (False, [])
    assert read(store) == CommandState()


@pytest.mark.parametrize("garbage", [b"{", NOT_UTF8, b'{"x":' + b"[" * 100_000])
@pytest.mark.parametrize("key", [KEYS.commands, KEYS.command_state])
async def test_a_document_that_cannot_be_read_costs_commands_only(
    key: str, garbage: bytes, tmp_path: Path
) -> None:
    store = MemoryStore()
    store.overwrite(key, garbage)
    async with Worker.running(store, tmp_path):
        store.objects.pop(key)
        (paused,) = give(store, "pause")
        assert (await acknowledged(store, paused)).outcome is Outcome.DONE


async def test_a_look_without_news_reads_no_document(tmp_path: Path) -> None:
    store = MemoryStore()
    (paused,) = give(store, "pause")
    async with Worker.running(store, tmp_path):
        await acknowledged(store, paused)
        looks = store.asked.count(("get", KEYS.commands))
        await until(lambda: store.asked.count(("get", KEYS.commands)) > looks + 3)
        assert store.asked.count(("put", KEYS.command_state)) == 1


def test_acknowledgements_are_bounded_but_for_commands_that_are_listed() -> None:
    listed = Commands(commands=[Command(id="old", kind=CommandKind.PAUSE, at=1.0)])
    state = CommandState()
    for number in range(3 * MOST_REMEMBERED):
        name = "old" if number == 0 else f"c{number}"
        done = Acknowledgement(id=name, kind="pause", outcome=Outcome.DONE, at=1.0)
        state = state.with_acknowledgement(done, listed)
    assert len(state.acknowledged) == MOST_REMEMBERED + 1
    assert state.acknowledgement("old") is not None
    assert state.acknowledgement("c1") is None
