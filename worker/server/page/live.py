"""What changes in a workspace's list of bots, for as many readers as look at it, at the cost of one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.contracts.bot_facts import BotFacts
from worker.errors import MeetstemsError
from worker.server.bots import Bots, Page

logger = logging.getLogger(__name__)

PAGE: Final = 50
"""Bots on a page of the list. Those of the first page are live."""

LOOK: Final = 2.0
"""Seconds between two looks into the store, while somebody reads."""

MOST_READERS: Final = 200
"""Of one server: each holds a connection."""
MOST_OF_ONE: Final = 20
"""Of one workspace."""


class TooManyReadersError(MeetstemsError):
    """No more streams are served."""


class Snapshot(NamedTuple):
    """The first page of the list. ``order``: the bots' ids, the newest first; ``bots``: with the version that changed each."""

    version: int
    order: tuple[str, ...]
    bots: Mapping[str, tuple[int, BotFacts]]

    def changes(self, since: int) -> list[BotFacts]:
        """The bots that changed after version ``since``; 0: all."""
        return [self.bots[bot_id][1] for bot_id in self.order if self.bots[bot_id][0] > since]


_EMPTY: Final = Snapshot(0, (), MappingProxyType({}))


def next_snapshot(before: Snapshot, bots: list[BotFacts]) -> Snapshot:
    """The list with ``bots``; ``before`` itself if nothing changed."""
    version = before.version + 1
    order = tuple(facts.bot_id for facts in bots)
    changed = {
        facts.bot_id: (version, facts)
        for facts in bots
        if (known := before.bots.get(facts.bot_id)) is None or known[1] != facts
    }
    if not changed and order == before.order and before.version:
        return before
    return Snapshot(version, order, {bot_id: changed.get(bot_id) or before.bots[bot_id] for bot_id in order})


class Watch:
    """A workspace's list, looked at again and again by a task of its own.

    ``snapshot`` has version 0 before the first look. ``change`` is set at the next change of it, or when no more will come;
    then another event is in its place.
    """

    def __init__(self, bots: Bots, workspace: str, stopping: threading.Event) -> None:
        self.snapshot = _EMPTY
        self.readers = 0
        self.is_over = False
        self.change = asyncio.Event()
        self._bots = bots
        self._workspace = workspace
        self._stopping = stopping

    async def keep_looking(self) -> None:
        """Looks until the server is to stop. Only bots that are not over are read; errors of the store are logged."""
        try:
            while not self._stopping.is_set():
                await self._look()
                await asyncio.sleep(LOOK)
        finally:
            self.is_over = True
            self.change.set()

    async def _look(self) -> None:
        before = self.snapshot
        known = {bot_id: facts for bot_id, (_, facts) in before.bots.items() if facts.is_over}

        def read() -> Page:
            return self._bots.page(self._workspace, "", PAGE, known=known)

        try:
            page = await asyncio.to_thread(read)
        except MeetstemsError as error:
            logger.warning("the list of bots is not up to date: %s", error)
            return
        self.snapshot = next_snapshot(before, page.bots)
        if self.snapshot is not before:
            self.change.set()
            self.change = asyncio.Event()


class Live:
    """The watches of a server, one for each workspace that somebody looks at. For one event loop."""

    def __init__(self, bots: Bots, stopping: threading.Event) -> None:
        self._bots = bots
        self._stopping = stopping
        self._watches: dict[str, tuple[Watch, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def watching(self, workspace: str) -> AsyncIterator[Watch]:
        """The workspace's watch, while it is read. Raises TooManyReadersError."""
        readers = sum(watch.readers for watch, _ in self._watches.values())
        known = self._watches.get(workspace)
        if readers >= MOST_READERS or (known is not None and known[0].readers >= MOST_OF_ONE):
            raise TooManyReadersError("too many readers")
        if known is None:
            new = Watch(self._bots, workspace, self._stopping)
            known = self._watches[workspace] = new, asyncio.create_task(new.keep_looking())
        watch, task = known
        watch.readers += 1
        try:
            yield watch
        finally:
            watch.readers -= 1
            if watch.readers == 0:
                del self._watches[workspace]
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
