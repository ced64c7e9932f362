"""What changes in a workspace's list of bots, for as many readers as look at it, at the cost of one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
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

    ``snapshot`` is of the last look that the store answered; ``looks`` counts those. ``looked`` is set after each of them, and
    when no more will come; then another event is in its place.
    """

    def __init__(self, bots: Bots, workspace: str, stopping: threading.Event) -> None:
        self.snapshot = _EMPTY
        self.looks = 0
        self.looked = asyncio.Event()
        self.readers = 0
        self.is_over = False
        self._bots = bots
        self._workspace = workspace
        self._stopping = stopping
        self._wanted = asyncio.Event()
        self._is_looking = False

    def look_soon(self) -> int:
        """Has the next look begin at once. Returns the number of ``looks`` from which on ``snapshot`` is newer than this call.

        A reader's page may be newer than the last look, so the snapshot of that would take away what the page has already.
        """
        self._wanted.set()
        return self.looks + (2 if self._is_looking else 1)

    async def keep_looking(self) -> None:
        """Looks until the server is to stop. Only bots that are not over are read; errors of the store are logged."""
        try:
            while not self._stopping.is_set():
                self._wanted.clear()
                await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._wanted.wait()
        finally:
            self.is_over = True
            self.looked.set()

    async def _look(self) -> None:
        before = self.snapshot
        known = {bot_id: facts for bot_id, (_, facts) in before.bots.items() if facts.is_over}

        def read() -> Page:
            return self._bots.page(self._workspace, "", PAGE, known=known)

        self._is_looking = True
        try:
            page = await asyncio.to_thread(read)
        except MeetstemsError as error:
            logger.warning("the list of bots is not up to date: %s", error)
            return
        finally:
            self._is_looking = False
        self.snapshot = next_snapshot(before, page.bots)
        self.looks += 1
        self.looked.set()
        self.looked = asyncio.Event()


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
