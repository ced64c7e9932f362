"""Sends the events of an endpoint by HTTP, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import httpx

from worker.contracts.live_endpoints import LiveEndpoint
from worker.delivery.guarded_http import WORKSPACE
from worker.delivery.lookups import LookupsBusyError
from worker.delivery.url_guard import UnresolvedError, UrlBlockedError, UrlError, read_url
from worker.settings import LiveOptions
from worker.streaming.endpoint_figures import EndpointFigures
from worker.streaming.live_queue import LiveQueue, Message
from worker.streaming.request_headers import request_headers
from worker.streaming.sender import SenderObserver

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 15.0
"""Within which a receiver has to answer: Recall.ai's."""

_ENOUGH: Final = range(200, 300)


class _RefusedError(Exception):
    """The receiver did not take the message. The message is a cause without secrets. ``final``: it never will."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class WebhookSender:
    """Posts what is put into its queue to ``endpoint``, in order. Each message is repeated until the receiver answers with 2xx,
    as both vendors do whatever else the answer is; once one was refused in all its retries, the endpoint failed.

    ``client`` comes from worker.delivery.guarded_http. The other arguments are those of WebSocketSender.
    """

    def __init__(
        self,
        name: str,
        endpoint: LiveEndpoint,
        client: httpx.AsyncClient,
        options: LiveOptions,
        figures: EndpointFigures,
        observer: SenderObserver,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._client = client
        self._options = options
        self._figures = figures
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._queue = LiveQueue(options.buffer_seconds)
        self._wanted = True
        self._changed = asyncio.Event()
        self.is_connected = False
        self.task = asyncio.create_task(self._run(), name=f"live {name}")

    def open(self) -> None:
        """It is wanted again, if it was not any more."""
        self._wanted = True

    def put(self, message: Message) -> None:
        """Puts ``message`` behind what waits. Never blocks."""
        self._figures.lost(self._queue.put(message))
        self._changed.set()

    def finish(self) -> None:
        """Ends once what waits was sent."""
        self._wanted = False
        self._changed.set()

    async def close(self, within: float) -> None:
        """Like ``finish``; what was not sent after ``within`` seconds is given up. Never raises."""
        self.finish()
        try:
            await asyncio.wait({self.task}, timeout=within)
        finally:
            self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self._figures.lost(self._queue.clear())

    async def _run(self) -> None:
        try:
            while True:
                message = self._queue.take()
                if isinstance(message, Message):
                    await self._deliver(message)
                elif message is None and self._wanted:
                    self._changed.clear()
                    await self._changed.wait()
                elif message is None:
                    return
        except _RefusedError as error:
            self._figures.lost(self._queue.clear())
            self._observer.exhausted(str(error))
        finally:
            if self.is_connected:
                self.is_connected = False
                self._figures.connected(-1)

    async def _deliver(self, message: Message) -> None:
        """Posts until it is taken. Raises _RefusedError once the endpoint failed."""
        try:
            await self._post_until_taken(message)
        except BaseException:
            # It may have arrived; what is not known to be there counts as lost.
            self._figures.lost(self._queue.put_back(message))
            raise
        if not self.is_connected:
            self.is_connected = True
            self._figures.connected(1)
        self._observer.up()
        self._figures.sent(message.payload, message.sound, self._clock())

    async def _post_until_taken(self, message: Message) -> None:
        """Raises _RefusedError after all retries."""
        message_id = f"msg_{uuid4().hex}"
        for failures in range(1, self._options.webhook_retries + 2):
            try:
                await self._post(message, message_id)
            except _RefusedError as error:
                if error.final or failures > self._options.webhook_retries:
                    raise
                if failures == 1:
                    logger.warning("%s: %s; it is tried again", self._name, error)
                await self._sleep(self._options.webhook_retry_seconds)
            else:
                return

    async def _post(self, message: Message, message_id: str) -> None:
        """Raises _RefusedError."""
        url = self._endpoint.url
        body = message.payload if isinstance(message.payload, str) else message.payload.decode()
        try:
            read_url(url, frozenset({"http", "https"} if self._options.allow_plain else {"https"}))
            async with asyncio.timeout(ANSWER_SECONDS):
                async with self._client.stream(
                    "POST",
                    url,
                    content=body.encode(),
                    headers=self._headers(message_id, body),
                    # Slow names of other endpoints do not hold it up.
                    extensions={WORKSPACE: str(self._endpoint.number)},
                ) as response:
                    status = response.status_code
        except Exception as error:  # noqa: BLE001 - of the system, TLS, the library, or what a receiver makes it do
            raise _refused(error) from None
        if status not in _ENOUGH:
            raise _RefusedError(f"it answered HTTP {status}")

    def _headers(self, message_id: str, body: str) -> dict[str, str]:
        secret = self._options.signing_secret
        headers = request_headers(self._endpoint, message_id, self._clock(), body, secret)
        return {**headers, "content-type": "application/json"}


def _refused(error: Exception) -> _RefusedError:
    """What may be said of ``error``: the library's texts may contain the URL."""
    if isinstance(error, UnresolvedError | UrlBlockedError):
        return _RefusedError(f"the URL: {error}")
    if isinstance(error, UrlError):
        return _RefusedError(f"the URL {error}", final=True)
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return _RefusedError(f"no answer within {ANSWER_SECONDS:g} s")
    if isinstance(error, LookupsBusyError):
        return _RefusedError(str(error))
    return _RefusedError(f"the connection failed ({type(error).__name__})")
