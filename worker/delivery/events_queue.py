"""Sends events about a bot to SQS, in order and in the background."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import ClientError

from worker.delivery.errors import RefusedError, describe, error_code
from worker.delivery.event_sinks import EventSink
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.delivery.outbox import PAUSE, Outbox
from worker.delivery.queue_text import ascii_json, fifo_id
from worker.delivery.retries import DEFAULT_RETRY, Retries, RetryPolicy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LIMIT: Final = 1000
"""Events that may wait. A bot has some tens of them; this bounds memory if a fault produces many more."""

_FIFO: Final = ".fifo"

_OWN_FAULTS: Final = frozenset(
    {"InvalidMessageContents", "InvalidParameterValue", "MissingParameter", "InvalidAttributeValue"}
)
"""Codes for a message that SQS will never take; all other refusals may end."""

_NO_BOT: Final = "meetstems"
"""The group of events without a ``bot_id``."""


class _Encoded(NamedTuple):
    """An event as it is sent. ``label`` names it in logs without its content, which may hold names and links."""

    label: str
    body: str
    group_id: str
    deduplication_id: str


class EventsQueue(EventSink):
    """Sends events as JSON in ASCII to the queue at ``url``; None: discards them. Thread-safe.

    A FIFO queue (its name ends in ``.fifo``) gets the event's ``bot_id`` as group and, for deduplication, its
    ``idempotency_key``, or the text of an event without one. Setting ``cancelled`` ends the retries of a request under way.
    """

    def __init__(
        self,
        client: SQSClient,
        url: str | None,
        *,
        retry: RetryPolicy = DEFAULT_RETRY,
        limit: int = LIMIT,
        pause: float = PAUSE,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._retries = Retries("SQS", QueueUnavailableError, retry, cancelled)
        self._outbox = (
            None
            if url is None
            else Outbox("events", self._deliver, lambda event: event.label, limit=limit, pause=pause)
        )
        self._given_up_before = 0

    def send(self, event: dict[str, Any]) -> None:
        """Queues an event, encoded at once: the caller may change it afterwards. Never blocks on the network.

        Raises TypeError for a value that is not JSON.
        """
        if self._outbox is not None:
            self._outbox.add(_encode(event))

    def drain(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds for waiting events. Returns whether all events since the last call were sent."""
        if self._outbox is None:
            return True
        empty = self._outbox.drain(timeout)
        before, self._given_up_before = self._given_up_before, self._outbox.given_up
        return empty and self._given_up_before == before

    def close(self) -> None:
        """Stops sending; events that still wait are not sent."""
        if self._outbox is not None:
            self._outbox.close()

    @property
    def waiting(self) -> int:
        """How many events have not been sent yet."""
        return 0 if self._outbox is None else len(self._outbox.pending())

    @property
    def lost(self) -> int:
        """How many events will never be sent."""
        return 0 if self._outbox is None else self._outbox.given_up

    def _deliver(self, event: _Encoded) -> None:
        assert self._url is not None
        fifo: dict[str, str] = {}
        if self._url.endswith(_FIFO):
            fifo = {"MessageGroupId": event.group_id, "MessageDeduplicationId": event.deduplication_id}
        url = self._url
        try:
            self._retries.call(
                "send an event",
                lambda: self._client.send_message(QueueUrl=url, MessageBody=event.body, **fifo),  # type: ignore[arg-type]
            )
        except ClientError as error:
            message = f"SQS: send an event: {describe(error)}"
            if error_code(error) in _OWN_FAULTS:
                raise RefusedError(message) from error
            # A permission may be granted, and credentials renewed, while the bot works; the event waits.
            raise QueueUnavailableError(message) from error
        except RefusedError as error:
            raise QueueUnavailableError(str(error)) from error


def _encode(event: dict[str, Any]) -> _Encoded:
    body = ascii_json(event)
    key = event.get("idempotency_key")
    return _Encoded(
        label=str(key or event.get("event") or "an event"),
        body=body,
        group_id=fifo_id(str(event.get("bot_id") or _NO_BOT)),
        deduplication_id=fifo_id(str(key or body)),
    )
