from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_store import MemoryStore
from worker.delivery.object_store import S3Store, StoreUnavailableError
from worker.delivery.webhook_deliveries import (
    CLAIM,
    MOST_ATTEMPTS,
    SCHEDULE,
    Attempt,
    Claimed,
    Delivery,
    WebhookDeliveries,
    after_attempt,
    delivery_id,
    endpoint_id,
)

NOW = 1_790_000_000.0
ENDPOINT = endpoint_id("recall", "https://hooks.example/a")


def new(event: str = "bot.done", bot_id: str = "b1", **changes: Any) -> Delivery:
    made = Delivery(
        id=delivery_id(bot_id, ENDPOINT, event),
        bot_id=bot_id,
        workspace="anna",
        endpoint=ENDPOINT,
        url="https://hooks.example/a?token=secret",
        form="recall",
        event=event,
        body='{"event":"bot.done"}',
        created_at=NOW,
    )
    return msgspec.structs.replace(made, **changes)


class Room:
    """Two servers' views of one store, and their clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryStore()
        self.one = WebhookDeliveries(self.store, "pre/", lambda: self.now)
        self.two = WebhookDeliveries(self.store, "pre/", lambda: self.now)

    def due(self) -> list[str]:
        return [entry.id for entry in self.one.due(self.now)]

    def entries(self) -> list[str]:
        return [key for key in self.store.objects if "/due/" in key]


@pytest.fixture
def room() -> Room:
    return Room()


def failed(at: float, milliseconds: int = 0) -> Attempt:
    return Attempt(at=at, status=500, milliseconds=milliseconds)


answers = st.lists(
    st.tuples(
        st.sampled_from([200, 204, 299, 199, 301, 307, 404, 410, 429, 500, 503, None]), st.integers(0, 15_000)
    ),
    max_size=len(SCHEDULE),
)


@given(answers)
def test_the_schedule(given: list[tuple[int | None, int]]) -> None:
    delivery, now = new(next_at=NOW), NOW
    times: list[float] = []
    for status, milliseconds in given:
        if delivery.state != "pending":
            break
        assert delivery.next_at is not None
        now = max(now, delivery.next_at)
        times.append(now)
        attempt = Attempt(at=now, status=status, error=None if status else "gone", milliseconds=milliseconds)
        delivery = after_attempt(delivery, attempt)
        now += milliseconds / 1000
        assert delivery.tries == len(delivery.attempts) == len(times)
        if status is not None and 200 <= status < 300:
            assert (delivery.state, delivery.next_at) == ("delivered", None)
        elif len(times) == len(SCHEDULE):
            assert (delivery.state, delivery.next_at) == ("failed", None)
        else:
            assert delivery.state == "pending"
            assert delivery.next_at == pytest.approx(now + SCHEDULE[len(times)])
    for index, (before, after) in enumerate(pairwise(times), start=1):
        assert after - before == pytest.approx(SCHEDULE[index] + given[index - 1][1] / 1000)


def test_the_schedule_is_the_vendors() -> None:
    assert SCHEDULE == (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)


def test_an_event_that_is_taken_twice_makes_one_delivery(room: Room) -> None:
    assert room.one.add(new()) is not None
    assert room.two.add(new()) is None
    assert room.due() == [new().id]
    assert len(room.entries()) == 1


def test_what_a_killed_server_began_to_add_is_finished_when_the_event_comes_again(room: Room) -> None:
    def die(method: str, key: str) -> None:
        if method == "put" and "/due/" in key:
            raise StoreUnavailableError("killed")

    room.store.before = die
    with pytest.raises(StoreUnavailableError):
        room.one.add(new())
    room.store.before = lambda *_: None
    assert room.entries() == []
    assert room.two.add(new()) is None
    assert room.due() == [new().id]


def test_one_server_at_a_time_sends(room: Room) -> None:
    claimed = room.one.add(new())
    assert claimed is not None
    assert room.two.claim("b1", new().id) is None
    room.now += CLAIM
    again = room.two.claim("b1", new().id)
    assert again is not None
    assert room.one.reclaim(claimed) is None, "the first one was too slow"
    room.two.record(again, Attempt(at=room.now, status=200))
    assert room.two.claim("b1", new().id) is None
    assert room.entries() == []


def test_both_claims_at_once_have_one_winner(room: Room) -> None:
    room.one.add(new())
    room.now += CLAIM
    won: list[Claimed | None] = []

    def between(method: str, key: str) -> None:
        if method == "put":
            room.store.before = lambda *_: None
            won.append(room.two.claim("b1", new().id))

    room.store.before = between
    won.append(room.one.claim("b1", new().id))
    assert [each is not None for each in won] == [True, False]


def test_a_try_that_failed_is_due_later_and_a_delivery_that_is_done_never(room: Room) -> None:
    claimed = room.one.add(new())
    for tries, delay in enumerate(SCHEDULE[1:], start=1):
        assert claimed is not None
        after = room.one.record(claimed, failed(room.now))
        assert after is not None
        assert (after.state, after.tries) == ("pending", tries)
        assert room.due() == []
        assert room.two.claim("b1", new().id) is None
        room.now += delay
        assert room.due() == [new().id]
        claimed = room.two.claim("b1", new().id)
    assert claimed is not None
    last = room.one.record(claimed, failed(room.now))
    assert last is not None
    assert (last.state, last.next_at, len(last.attempts)) == ("failed", None, 8)
    room.now += 1e6
    assert room.due() == []
    assert room.entries() == []


@pytest.mark.parametrize("killed_at", range(1, 4))
def test_a_server_that_is_killed_while_it_records_leaves_what_another_puts_right(
    room: Room, killed_at: int
) -> None:
    claimed = room.one.add(new())
    assert claimed is not None
    room.now += 0.5
    changes = 0

    def die(method: str, key: str) -> None:
        nonlocal changes
        changes += method in {"put", "delete"}
        if method in {"put", "delete"} and changes >= killed_at:
            raise StoreUnavailableError("killed")

    room.store.before = die
    with pytest.raises(StoreUnavailableError):
        room.one.record(claimed, failed(room.now))
    room.store.before = lambda *_: None
    # Before the next try is due, and once it is, also where nothing was written down.
    for later in (0.5, CLAIM + SCHEDULE[1], 0.0):
        room.now += later
        for entry in list(room.two.due(room.now)):
            again = room.two.claim(entry.bot_id, entry.id)
            if again is None:
                room.two.tidy(entry)
            else:
                room.two.record(again, Attempt(at=room.now, status=200))
    delivery = room.one.get("b1", new().id)
    assert delivery is not None
    assert delivery.state == "delivered"
    assert room.entries() == []


def test_a_deleted_bots_deliveries_are_not_made_again_by_a_late_answer(room: Room) -> None:
    claimed = room.one.add(new())
    assert claimed is not None
    for key in [key for key in room.store.objects if "/bots/b1/" in key]:
        room.store.delete(key)
    assert room.one.record(claimed, Attempt(at=room.now, status=200)) is None
    assert room.store.objects == {}


def test_a_deleted_bots_entries_are_tidied(room: Room) -> None:
    room.one.add(new())
    for key in [key for key in room.store.objects if "/bots/b1/" in key]:
        room.store.delete(key)
    (entry,) = room.one.due(room.now)
    assert room.one.claim(entry.bot_id, entry.id) is None
    room.one.tidy(entry)
    assert room.store.objects == {}


def test_a_delivery_about_a_deleted_bot_leaves_nothing_once_it_is_done(room: Room) -> None:
    claimed = room.one.add(new("data_deletion", detached=True))
    assert claimed is not None
    assert not [key for key in room.store.objects if "/bots/" in key]
    room.one.record(claimed, failed(room.now))
    room.now += SCHEDULE[1]
    again = room.two.claim("b1", claimed.delivery.id)
    assert again is not None
    room.two.record(again, Attempt(at=room.now, status=200))
    assert room.store.objects == {}


def test_what_is_put_back_is_due_later_unless_it_was_changed(room: Room) -> None:
    claimed = room.one.add(new())
    assert claimed is not None
    room.one.put_back(claimed, 30)
    assert room.due() == []
    assert room.two.claim("b1", new().id) is None
    assert len(room.entries()) == 1
    room.now += 30
    assert room.due() == [new().id]
    again = room.two.claim("b1", new().id)
    assert again is not None
    assert (again.delivery.state, again.delivery.tries, again.delivery.attempts) == ("pending", 0, [])
    room.one.put_back(claimed, 30)
    room.two.record(again, Attempt(at=room.now, status=200))
    there = room.one.get("b1", new().id)
    assert there is not None
    assert there.state == "delivered"
    assert room.entries() == []


def test_send_again_begins_the_schedule_anew_with_the_same_id(room: Room) -> None:
    claimed = room.one.add(new())
    assert claimed is not None
    room.one.record(claimed, Attempt(at=room.now, status=200))
    room.now += 1000
    again = room.two.send_again("b1", new().id)
    assert again is not None
    assert (again.id, again.state, again.tries, len(again.attempts)) == (new().id, "pending", 0, 1)
    taken = room.one.claim("b1", new().id)
    assert taken is not None
    after = room.one.record(taken, failed(room.now))
    assert after is not None
    assert (after.tries, len(after.attempts)) == (1, 2)
    assert room.one.send_again("b1", "msg_unknown") is None


def test_send_again_while_an_attempt_is_under_way_loses_neither(room: Room) -> None:
    claimed = room.one.add(new())
    assert claimed is not None
    room.now += 1
    room.two.send_again("b1", new().id)
    after = room.one.record(claimed, Attempt(at=room.now, status=200))
    assert after is not None
    assert (after.state, len(after.attempts)) == ("delivered", 1)
    assert room.entries() == []


def test_attempts_are_bounded() -> None:
    delivery = new()
    for index in range(MOST_ATTEMPTS + 5):
        delivery = after_attempt(msgspec.structs.replace(delivery, tries=0), failed(NOW + index))
    assert len(delivery.attempts) == MOST_ATTEMPTS
    assert delivery.attempts[-1].at == NOW + MOST_ATTEMPTS + 4


def test_what_is_due_comes_by_time_over_minutes_and_pages(room: Room) -> None:
    ids: list[str] = []
    for index in range(30):
        delivery = new(f"event-{index}", bot_id=f"b{index}")
        ids.append(delivery.id)
        room.one.add(delivery)
        room.now += 7
    assert room.due() == ids
    assert len(list(room.one.due(NOW + 70))) == 11
    entries = list(room.one.due(room.now))
    for index, entry in enumerate(entries):
        assert list(room.one.due(room.now, entry.key)) == entries[index + 1 :]


def test_a_delivery_that_cannot_be_read_and_an_entry_that_is_none_hold_up_nothing(room: Room) -> None:
    room.one.add(new("first"))
    room.store.overwrite(f"pre/bots/b1/deliveries/{new('first').id}.json", b"{")
    room.store.overwrite("pre/webhooks/due/0000000001/junk", b"{}")
    room.one.add(new("second"))
    entries = list(room.one.due(room.now))
    assert {entry.id for entry in entries} == {new("first").id, new("second").id}
    for entry in entries:
        if room.one.claim(entry.bot_id, entry.id) is None and entry.id == new("first").id:
            room.one.tidy(entry)
    assert room.due() == [new("second").id]


def test_a_listing_is_in_the_order_of_events(room: Room) -> None:
    made = [new(f"e{index}", created_at=NOW + index // 2, order=index % 2) for index in range(6)]
    for delivery in reversed(made):
        room.one.add(delivery)
    assert [each.event for each in room.one.of_bot("b1")] == [f"e{index}" for index in range(6)]


def test_ids_differ_by_bot_endpoint_and_event() -> None:
    parts = [("b1", "e1", "x"), ("b2", "e1", "x"), ("b1", "e2", "x"), ("b1", "e1", "y")]
    make: Callable[..., str] = delivery_id
    assert len({make(*part) for part in parts}) == 4


def test_in_s3_one_of_two_servers_sends_retries_and_leaves_no_entry(store: S3Store) -> None:
    now = [NOW]
    one, two = (WebhookDeliveries(store, "pre", lambda: now[0]) for _ in range(2))
    assert one.add(new()) is not None
    assert two.add(new()) is None
    now[0] += CLAIM
    first, second = one.claim("b1", new().id), two.claim("b1", new().id)
    assert first is not None
    assert second is None
    one.record(first, failed(now[0]))
    now[0] += SCHEDULE[1]
    (entry,) = two.due(now[0])
    claimed = two.claim(entry.bot_id, entry.id)
    assert claimed is not None
    two.record(claimed, Attempt(at=now[0], status=200))
    (there,) = one.of_bot("b1")
    assert (there.state, [each.status for each in there.attempts]) == ("delivered", [500, 200])
    assert [item.key for item in store.list("")] == [f"pre/bots/b1/deliveries/{new().id}.json"]
    late = one.send_again("b1", new().id)
    assert late is not None
    for item in store.list("pre/bots/"):
        store.delete(item.key)
    (entry,) = two.due(now[0])
    assert two.claim(entry.bot_id, entry.id) is None
    two.tidy(entry)
    assert store.list("") == []
