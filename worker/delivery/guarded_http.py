"""HTTP to URLs that users gave: each request resolves its host once and connects to an address that was judged."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import httpx

from worker.delivery.url_guard import Parts, UrlGuard, read_url
from worker.errors import MeetstemsError

MOST_LOOKUPS: Final = 64
"""Names that are looked up at once: a name server that does not answer holds up a thread for half a minute."""

MOST_OF_WORKSPACE: Final = 8
"""Of MOST_LOOKUPS, those for one workspace at once, so that its slow names leave places to the others."""

LOOKUP_PATIENCE: Final = 5.0
"""Seconds for which a request waits for a place among the look-ups: a third of an attempt at a webhook."""

WORKSPACE: Final = "meetstems.workspace"
"""The extension of a request (httpx.Request.extensions) that says for which workspace it is made; "" without it."""

TIMEOUT: Final = 15.0
"""Seconds for each step of a request; the whole of it is bounded by the caller."""


class LookupsBusyError(MeetstemsError):
    """The host was not looked up, as too many others are; nothing is known of the URL."""


class _Name(NamedTuple):
    """What is looked up once for all requests that ask meanwhile."""

    workspace: str
    host: str
    port: int


class _Lookups:
    """Looks up names in threads: each once at a time for a workspace, MOST_OF_WORKSPACE names of a workspace, MOST_LOOKUPS in
    all. Both limits are in order of arrival, and count threads: a request that is cut leaves its thread behind.
    """

    def __init__(self, guard: UrlGuard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(MOST_LOOKUPS, "lookups")
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
        """Ends what waits. A thread at work cannot be ended."""
        for task in self._under_way.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

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
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._guard.addresses, parts)

    def _ended(self, name: _Name, task: asyncio.Task[list[str]]) -> None:
        del self._under_way[name]
        if not task.cancelled():
            # All that asked may have been cut.
            task.exception()


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends a request to a judged address of its host, with the host's name in ``Host``, and for SNI and the certificate.

    Raises what UrlGuard raises, and LookupsBusyError, before anything is sent. No connection is used twice: one to an address
    would otherwise serve another host there. Redirects, proxies and cookies are the client's business (``guarded_client`` takes
    none).
    """

    def __init__(self, guard: UrlGuard, tls: ssl.SSLContext | None = None) -> None:
        self._inner = httpx.AsyncHTTPTransport(
            verify=tls or httpx.create_ssl_context(trust_env=False),
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        self._lookups = _Lookups(guard)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.AsyncBaseTransport."""
        parts = read_url(str(request.url))
        addresses = await self._lookups.addresses(request.extensions.get(WORKSPACE, ""), parts)
        for index, address in enumerate(addresses):
            try:
                return await self._inner.handle_async_request(_directed(request, parts, address))
            except httpx.ConnectError:
                if index == len(addresses) - 1:
                    raise
        raise AssertionError("UrlGuard gives at least one address")

    async def aclose(self) -> None:
        """See httpx.AsyncBaseTransport."""
        await self._inner.aclose()
        self._lookups.close()


def guarded_client(guard: UrlGuard, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """A client that reads no proxy, no ``.netrc`` and no certificates from the environment, follows no redirect and keeps no
    cookie: one host's would be sent to others below the same domain, which may be another customer's.

    ``tls`` None: servers are checked against the authorities of certifi.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(guard, tls),
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        timeout=TIMEOUT,
    )


def _directed(request: httpx.Request, parts: Parts, address: str) -> httpx.Request:
    """``request``, whose header ``Host`` is set already, to one address."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": parts.host},
    )
