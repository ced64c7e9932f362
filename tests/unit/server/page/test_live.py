from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api import MEETING, NOW, Api
from worker.contracts.bot_facts import BotFacts
from worker.contracts.meetstream import read_meetstream
from worker.server.page import live
from worker.server.page.live import Live, Snapshot, TooManyReadersError, Watch, next_snapshot

EMPTY = Snapshot(0, (), {})


def bot(bot_id: str, is_dispatched: bool) -> BotFacts:
    job = read_meetstream({"meeting_link": MEETING, "bot_id": bot_id}, lambda: bot_id)
    return BotFacts(job=job, created_at=NOW, is_dispatched=is_dispatched)


LISTS = st.lists(
    st.dictionaries(st.sampled_from("abcde"), st.booleans()).map(
        lambda bots: [bot(name, flag) for name, flag in bots.items()]
    ),
    max_size=8,
)


@given(LISTS, st.data())
def test_a_reader_that_misses_snapshots_still_sees_the_last_list(
    lists: list[list[BotFacts]], data: st.DataObject
) -> None:
    snapshot, shown, seen = EMPTY, dict[str, BotFacts](), 0
    for bots in lists:
        snapshot = next_snapshot(snapshot, bots)
        if data.draw(st.booleans()):
            shown = _read(snapshot, shown, seen)
            seen = snapshot.version
            assert list(shown.values()) == bots
    if lists:
        assert list(_read(snapshot, shown, seen).values()) == lists[-1]


def _read(snapshot: Snapshot, shown: dict[str, BotFacts], seen: int) -> dict[str, BotFacts]:
    changed = {facts.bot_id: facts for facts in snapshot.changes(seen)}
    return {bot_id: changed.get(bot_id) or shown[bot_id] for bot_id in snapshot.order}


def test_the_same_list_again_is_no_change_and_a_bot_that_stays_is_not_sent_again() -> None:
    one, two = bot("a", True), bot("b", False)
    first = next_snapshot(EMPTY, [one, two])
    assert next_snapshot(first, [one, bot("b", False)]) is first
    second = next_snapshot(first, [one, bot("b", True)])
    assert [facts.bot_id for facts in second.changes(first.version)] == ["b"]
    third = next_snapshot(second, [bot("b", True)])
    assert (third.order, third.changes(second.version)) == (("b",), [])
    assert next_snapshot(EMPTY, []).version == 1


async def test_readers_are_bounded_and_the_last_one_ends_the_watch(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_OF_ONE", 2)
    monkeypatch.setattr(live, "MOST_READERS", 3)
    watches = Live(api.bots, threading.Event())
    async with watches.watching("anna") as first, watches.watching("anna") as second:
        assert first is second
        with pytest.raises(TooManyReadersError):
            async with watches.watching("anna"):
                pass
        async with watches.watching("bob") as other:
            assert other is not first
            with pytest.raises(TooManyReadersError):
                async with watches.watching("carla"):
                    pass
            await _first_look(first)
            await _first_look(other)
        assert other.is_over
        assert not first.is_over
    assert first.is_over
    async with watches.watching("anna") as again:
        assert again is not first


async def _first_look(watch: Watch) -> None:
    async with asyncio.timeout(10):
        while watch.looks == 0:
            await watch.looked.wait()
