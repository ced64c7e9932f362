"""Takes events about bots from their queue, makes a delivery of each webhook for each endpoint, and sends them."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from worker.contracts.json_body import JobError
from worker.contracts.webhooks import (
    AUDIO,
    RESULT,
    VIDEO,
    Webhook,
    deletion_webhooks,
    is_deletion,
    webhooks_of,
)
from worker.delivery.bucket_layout import LayoutError
from worker.delivery.errors import DeliveryError
from worker.delivery.guarded_http import guarded_client
from worker.delivery.jobs_queue import Delivery as Message
from worker.delivery.jobs_queue import MessageLostError
from worker.delivery.message_queue import MessageQueue
from worker.delivery.queue_text import ascii_json
from worker.delivery.url_guard import UrlGuard
from worker.delivery.webhook_deliveries import Delivery, WebhookDeliveries, delivery_id
from worker.delivery.webhooks import WebhookSender
from worker.safe_text import printable
from worker.server.bots import Bots
from worker.server.endpoints import Endpoints, Target
from worker.server.webhook_metrics import WebhookMetrics

logger = logging.getLogger(__name__)

RECEIVE: Final = 5.0
"""Seconds that one receive waits for an event; also how long the server's end may wait for it."""

AGAIN: Final = 5.0
"""Seconds for which an event is put back while the store does not answer."""

MOST_OF_ONE: Final = 1000
"""More than the webhooks that one event can make for one endpoint."""

_PAUSE: Final = 2.0
"""Seconds after a queue that does not answer."""

_MALFORMED: Final = (
    *(KeyError, TypeError, ValueError, AttributeError),
    *(msgspec.MsgspecError, JobError, LayoutError),
)
"""What is raised where an event is not as worker.contracts.status makes it, or a bot's files are not as this version writes
them."""


class Webhooks:
    """The webhooks of all bots. ``queue`` has the events; None: no events are sent, and only what is due is.

    Any number of these work side by side on one queue and one store. ``consumers`` receive at once; with one, what one bot's
    worker reported is taken in order. ``tls`` None: endpoints are checked against the authorities of certifi.
    """

    def __init__(
        self,
        bots: Bots,
        queue: MessageQueue | None,
        endpoints: Endpoints,
        guard: UrlGuard,
        metrics: WebhookMetrics,
        clock: Callable[[], float],
        *,
        consumers: int = 1,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._bots = bots
        self._closed = threading.Event()
        self._queue = None if queue is None else queue.until(self._closed)
        self._endpoints = endpoints
        self._guard = guard
        self._metrics = metrics
        self._clock = clock
        self._consumers = consumers
        self._tls = tls
        self._deliveries = WebhookDeliveries(bots.store, bots.prefix, clock)
        self._sender: WebhookSender | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WebhookSender]:
        """Takes and sends meanwhile, in this event loop and in threads."""
        client = guarded_client(self._guard, self._tls)
        sender = WebhookSender(self._deliveries, client, self._endpoints.headers, self._metrics, self._clock)
        self._sender = sender
        self._closed.clear()
        threads = [
            threading.Thread(target=self._consume, name=f"events-{number}", daemon=True)
            for number in range(self._consumers if self._queue is not None else 0)
        ]
        for thread in threads:
            thread.start()
        sending = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            self._closed.set()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await sender.close()
            await asyncio.to_thread(_join, threads)

    def take_one(self, wait_seconds: float) -> bool:
        """Takes one event, if one comes within ``wait_seconds``. Raises what the queue raises."""
        assert self._queue is not None
        message = self._queue.receive(wait_seconds)
        if message is None:
            return False
        try:
            self.plan(msgspec.json.decode(message.body))
        except DeliveryError as error:
            logger.error("an event is taken again later: %s", error)
            self._metrics.event_taken("put_back")
            self._queue.give_back(message.receipt, AGAIN)
            return True
        except _MALFORMED as error:
            logger.error("an event is refused: %s: %s", type(error).__name__, printable(str(error), 200))
            self._metrics.event_taken("refused")
            self._queue.dead_letter(message, "no event of a bot, or its bot cannot be read")
        else:
            self._metrics.event_taken("planned")
        self._delete(message)
        return True

    def plan(self, event: dict[str, Any]) -> list[Delivery]:
        """Makes the deliveries of an event, and begins to send those that are new. Once this returns, they are kept.

        Blocks. Raises what the store raises, and one of _MALFORMED.
        """
        bot_id, name = str(event["bot_id"]), str(event["event"])
        record = self._bots.known(bot_id)
        if is_deletion(event):
            own = record.job().callback_url if record is not None else None
            url = event.get("callback_url") or own
            targets = self._endpoints.targets(event["workspace"], event["vendor"], url)
            made = [(target, deletion_webhooks(target.form, event)) for target in targets]
            return self._add(event, event["workspace"], made, detached=True)
        if record is None or record.deletion is not None:
            # It came by the queue of jobs, so the API knows neither its endpoints nor whose it is; or it was deleted.
            return []
        targets = self._endpoints.targets(record.workspace, record.vendor, record.job().callback_url)
        if not targets:
            return []
        facts = self._bots.facts(record.workspace, bot_id, with_manifest=name in {AUDIO, VIDEO, RESULT})
        if facts is None:
            return []
        made = [(target, webhooks_of(target.form, event, facts)) for target in targets]
        added = self._add(event, record.workspace, made, detached=False)
        if added and ((now := self._bots.known(bot_id)) is None or now.deletion is not None):
            # It was deleted meanwhile, perhaps before the deliveries were there.
            self._deliveries.forget(bot_id)
            return []
        return added

    def _add(
        self,
        event: dict[str, Any],
        workspace: str,
        made: list[tuple[Target, list[Webhook]]],
        *,
        detached: bool,
    ) -> list[Delivery]:
        bot_id, sequence, now = event["bot_id"], int(event.get("sequence", 0)), self._clock()
        added: list[Delivery] = []
        for target, webhooks in made:
            wanted = [webhook for webhook in webhooks if target.wants(webhook.event)]
            for order, webhook in enumerate(wanted):
                delivery = Delivery(
                    id=delivery_id(bot_id, target.id, webhook.key),
                    bot_id=bot_id,
                    workspace=workspace,
                    endpoint=target.id,
                    url=target.url,
                    form=target.form,
                    event=webhook.event,
                    body=ascii_json(webhook.body),
                    created_at=now,
                    order=sequence * MOST_OF_ONE + order,
                    detached=detached,
                )
                if (claimed := self._deliveries.add(delivery)) is not None:
                    added.append(claimed.delivery)
                    if self._sender is not None:
                        self._sender.offer(claimed)
        return added

    def _consume(self) -> None:
        while not self._closed.is_set():
            try:
                self.take_one(RECEIVE)
            except DeliveryError as error:
                logger.error("no event can be taken, the next try is soon: %s", error)
                self._closed.wait(_PAUSE)
            except Exception:
                # Without this thread no webhook would ever be made.
                logger.exception("an event was not taken, the next try is soon")
                self._closed.wait(_PAUSE)

    def _delete(self, message: Message) -> None:
        assert self._queue is not None
        try:
            self._queue.delete(message.receipt)
        except MessageLostError as error:
            # It took too long: another server takes the event as well, which changes nothing.
            logger.info("an event is taken twice: %s", error)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(2 * RECEIVE)
