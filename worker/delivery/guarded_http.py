"""HTTP to URLs that users gave: each request resolves its host once and connects to an address that was judged."""

from __future__ import annotations

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from worker.delivery.lookups import Lookups
from worker.delivery.url_guard import Parts, UrlGuard, read_url

WORKSPACE: Final = "meetstems.workspace"
"""The extension of a request (httpx.Request.extensions) that says for which workspace it is made; "" without it."""

TIMEOUT: Final = 15.0
"""Seconds for each step of a request; the whole of it is bounded by the caller."""


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
        self._lookups = Lookups(guard)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.AsyncBaseTransport."""
        parts = read_url(str(request.url))
        addresses = await self._lookups.addresses(request.extensions.get(WORKSPACE, ""), parts)
        for index, address in enumerate(addresses):
            try:
                return await self._inner.handle_async_request(
                    _directed(request, parts, address, len(addresses))
                )
            except (httpx.ConnectError, httpx.ConnectTimeout):
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


def _directed(request: httpx.Request, parts: Parts, address: str, count: int) -> httpx.Request:
    """``request``, whose header ``Host`` is set already, to one address of ``count``. Each has a share of the time to connect,
    as one may swallow all packets.
    """
    timeout = dict(request.extensions.get("timeout", {}))
    if (seconds := timeout.get("connect")) is not None:
        timeout["connect"] = seconds / count
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": parts.host, "timeout": timeout},
    )
