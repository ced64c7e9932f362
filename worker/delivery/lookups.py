"""Looks up the hosts of URLs that users gave, in threads and bounded: a name server that does not answer holds up few."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from worker.delivery.daemon_call import call_in_daemon
from worker.delivery.url_guard import Parts, UrlGuard
from worker.errors import MeetstemsError

MOST_LOOKUPS: Final = 64
"""Names that are looked up at once: a name server that does not answer holds up a thread for half a minute."""

MOST_OF_WORKSPACE: Final = 8
"""Of MOST_LOOKUPS, those for one workspace at once, so that its slow names leave places to the others."""

LOOKUP_PATIENCE: Final = 5.0
"""Seconds for which a request waits for a place among the look-ups: a third of an attempt at a webhook."""


class LookupsBusyError(MeetstemsError):
    """The host was not looked up, as too many others are; nothing is known of the URL."""


class _Name(NamedTuple):
    """What is looked up once for all requests that ask meanwhile."""

    workspace: str
    host: str
    port: int


class Lookups:
    """Looks up names in threads: each once at a time for a workspace, MOST_OF_WORKSPACE names of a workspace, MOST_LOOKUPS in
    all. Both limits are in order of arrival, and count threads: a request that is cut leaves its thread behind.
    """

    def __init__(self, guard: UrlGuard) -> None:
        self._guard = guard
        self._places = asyncio.Semaphore(MOST_LOOKUPS)
        self._of_workspace: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._under_way: dict[_Name, asyncio.Task[list[str]]] = {}

    async def addresses(self, workspace: str, parts: Parts) -> list[str]:
        """See UrlGuard.addresses. Raises LookupsBusyError."""
        name = _Name(workspace, parts.host, parts.port)
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._look_up(name, parts))
            task.add_done_callback(lambda done: self._ended(name, done))
        return list(await asyncio.shield(task))

    def close(self) -> None:
        """Ends what waits. A thread at work cannot be ended; it does not hold up the end of the process."""
        for task in self._under_way.values():
            task.cancel()

    async def _look_up(self, name: _Name, parts: Parts) -> list[str]:
        own = self._of_workspace.get(name.workspace)
        if own is None:
            own = self._of_workspace[name.workspace] = asyncio.Semaphore(MOST_OF_WORKSPACE)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(LOOKUP_PATIENCE):
                    # In this order, so that a workspace has few that wait for a place of all.
                    await stack.enter_async_context(own)
                    await stack.enter_async_context(self._places)
            except TimeoutError as error:
                raise LookupsBusyError("too many names are looked up") from error
            return await asyncio.wrap_future(call_in_daemon(lambda: self._guard.addresses(parts), "lookup"))

    def _ended(self, name: _Name, task: asyncio.Task[list[str]]) -> None:
        del self._under_way[name]
        if not task.cancelled():
            # All that asked may have been cut.
            task.exception()
