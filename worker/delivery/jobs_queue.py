"""Receives jobs from SQS, one at a time; a received job is hidden from other workers until it is given back or deleted."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, TypeVar

import msgspec
from botocore.exceptions import ClientError

from worker.delivery.aws_clients import LONGEST_POLL
from worker.delivery.errors import (
    DeliveryError,
    RefusedError,
    UnavailableError,
    describe,
    error_code,
    field,
    http_status,
)
from worker.delivery.queue_text import attribute_text, queue_body
from worker.delivery.retries import DEFAULT_RETRY, Retries, RetryPolicy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_VISIBILITY: Final = 43_200
"""Seconds after the receive for which a message can be hidden at most: 12 hours
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html)."""

LONGEST_DELAY: Final = 900
"""The longest delay of a new message in seconds."""

ACTIONS: Final = (
    "sqs:GetQueueAttributes",
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
)
"""What a role has to allow for all methods of a queue; ``dead_letter`` also asks its dead-letter queue."""

LONGEST_GIVE_BACK: Final = MAX_VISIBILITY - 300
"""Seconds. Less than MAX_VISIBILITY by a reserve, since SQS counts from the receive."""

LONGEST_REASON: Final = 1000
"""Characters of a dead letter's reason."""

QUOTED: Final = "json-string"
"""``body_encoding`` of a dead letter whose body is a JSON string that holds the original text."""


class QueueUnavailableError(UnavailableError):
    """SQS was not available until the retry budget was used up."""


class MessageLostError(DeliveryError):
    """The message is not hidden for this worker any more: its visibility ended or it was deleted. Another may have it."""


class VisibilityCapError(MessageLostError):
    """The message has been hidden for the 12 hours that SQS allows, and becomes visible again."""


class Delivery(NamedTuple):
    """One receive of a job. ``sent_at`` is in Unix seconds; ``receive_count`` counts from 1 and includes this receive, but none
    after which the job was put back. ``postponed``: how often it was put back; ``delays``: how often because of a worker that
    could not run it.

    ``message_id`` is the same each time the message is received; ``receipt`` is not. Where a server leaves them out,
    ``sent_at`` is the time of the receive, ``receive_count`` 1 and ``message_id`` a hash of the body.
    """

    body: str
    receipt: str
    receive_count: int
    sent_at: float
    message_id: str
    postponed: int = 0
    delays: int = 0


MOST_CARRIED: Final = 1_000_000
"""The largest count that an attribute of a message may have."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_CARRIED)]


class _Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What the copy of a message carries from the original, as message attributes."""

    sent_at: Annotated[float, msgspec.Meta(ge=0)]
    receives: _Count = 0
    postponed: _Count = 0
    delays: _Count = 0

    def attributes(self) -> dict[str, MessageAttributeValueTypeDef]:
        return {
            name: {"DataType": "Number", "StringValue": str(value)}
            for name, value in msgspec.structs.asdict(self).items()
        }

    @classmethod
    def read(cls, message: MessageTypeDef, sent_at: float) -> _Carried:
        """The attributes of ``message``; ``sent_at`` is its own time. Any sender of jobs can set any attributes: invalid ones
        are ignored, as is a time after the message's own.
        """
        own = cls(sent_at=sent_at)
        given = message.get("MessageAttributes", {})
        values = {name: given[name].get("StringValue", "") for name in cls.__struct_fields__ if name in given}
        try:
            carried = msgspec.convert({"sent_at": sent_at, **values}, cls, strict=False)
        except msgspec.ValidationError as error:
            logger.warning("attributes of a message are ignored: %s", error)
            return own
        return carried if carried.sent_at <= sent_at else own


class _QueueName(NamedTuple):
    account: str
    name: str


class _RedrivePolicy(msgspec.Struct, frozen=True):
    deadLetterTargetArn: str  # noqa: N815


Decision = Literal["work", "poison"]


def decide(receive_count: int, maximum: int) -> Decision:
    """``work`` for the first ``maximum`` receives of a message, then ``poison``. ``receive_count`` counts from 1."""
    return "work" if receive_count <= maximum else "poison"


class JobsQueue:
    """A standard queue. Thread-safe; every method blocks, and raises QueueUnavailableError and RefusedError.

    ``visibility`` is how many seconds a received message stays hidden unless it is extended. Setting ``cancelled`` ends the
    retries of all requests under way, but not a long poll; worker.delivery.job_poll stops waiting for that.
    """

    def __init__(
        self,
        client: SQSClient,
        url: str,
        *,
        visibility: int = 120,
        retry: RetryPolicy = DEFAULT_RETRY,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self.visibility = visibility
        self._retries = Retries("SQS", QueueUnavailableError, retry, cancelled)

    def within(self, budget: float) -> JobsQueue:
        """The same queue, giving up each request after at most ``budget`` seconds of retries."""
        return JobsQueue(
            self._client,
            self._url,
            visibility=self.visibility,
            retry=self._retries.policy.within(budget),
            cancelled=self._retries.cancelled,
        )

    def until(self, cancelled: threading.Event) -> JobsQueue:
        """The same queue, which retries a request only while ``cancelled`` is not set."""
        return JobsQueue(
            self._client,
            self._url,
            visibility=self.visibility,
            retry=self._retries.policy,
            cancelled=cancelled,
        )

    def receive(self, wait_seconds: float) -> Delivery | None:
        """The next message; waits for one up to ``wait_seconds`` (0 to 20). None without one."""
        answer = self._call(
            "receive",
            lambda: self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=max(0, min(LONGEST_POLL, math.ceil(wait_seconds))),
                VisibilityTimeout=self.visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=list(_Carried.__struct_fields__),
            ),
        )
        messages = answer.get("Messages")
        return _delivery(messages[0]) if messages else None

    def check(self) -> None:
        """Asks for the queue's attributes, which fails where it does not exist or cannot be reached."""
        self._dead_letter_target()

    def check_actions(self) -> None:
        """Tries each of ACTIONS as well. Raises RefusedError, which names all that are not allowed.

        No message is sent or taken: apart from the first, SQS refuses these requests for their parameters if it allows them.
        """
        client, url, no_receipt = self._client, self._url, "none"
        requests: tuple[Callable[[], object], ...] = (
            lambda: client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]),
            lambda: client.send_message(QueueUrl=url, MessageBody="", DelaySeconds=LONGEST_DELAY + 1),
            lambda: client.receive_message(QueueUrl=url, MaxNumberOfMessages=0, VisibilityTimeout=0),
            lambda: client.delete_message(QueueUrl=url, ReceiptHandle=no_receipt),
            lambda: client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=no_receipt, VisibilityTimeout=0
            ),
        )
        forbidden = [
            action
            for action, request in zip(ACTIONS, requests, strict=True)
            if self._is_forbidden(action, request)
        ]
        if forbidden:
            raise RefusedError(f"SQS: {url}: not allowed: {', '.join(forbidden)}")
        self.check()

    def _is_forbidden(self, action: str, request: Callable[[], object]) -> bool:
        try:
            self._retries.call(f"try {action}", request)
        except ClientError as error:
            return http_status(error) == HTTPStatus.FORBIDDEN or error_code(error).startswith("AccessDenied")
        return False

    def extend(self, receipt: str, seconds: int) -> None:
        """Hides the message for ``seconds`` from now. Raises MessageLostError and VisibilityCapError."""
        self._change_visibility("extend", receipt, seconds)

    def give_back(self, receipt: str, seconds: float = 0) -> None:
        """Makes the message visible to others after ``seconds``, at most LONGEST_GIVE_BACK. Raises MessageLostError."""
        self._change_visibility("give back", receipt, math.ceil(max(0, min(seconds, LONGEST_GIVE_BACK))))

    def delete(self, receipt: str) -> None:
        """Deletes the message. Raises MessageLostError where SQS does not know the receipt any more."""
        self._with_receipt(
            "delete", lambda: self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
        )

    def send(self, body: str, delay: float = 0) -> str:
        """Puts a job on the queue, visible after ``delay`` seconds (0 to 900); returns the message's id.

        JSON is sent in ASCII, see ``queue_body``.
        """
        return self._send(body, delay, {})

    def _send(self, body: str, delay: float, attributes: dict[str, MessageAttributeValueTypeDef]) -> str:
        answer = self._call(
            "send",
            lambda: self._client.send_message(
                QueueUrl=self._url,
                MessageBody=queue_body(body).text,
                DelaySeconds=math.ceil(max(0, min(delay, LONGEST_DELAY))),
                MessageAttributes=attributes,
            ),
        )
        return answer.get("MessageId", "")

    def postpone(self, delivery: Delivery, seconds: float) -> bool:
        """Puts a job back for ``seconds``, or the longest that SQS can; this receive does not count.

        A message may be received only a few times before it counts as poison. So a copy is sent, which carries the count so
        far. Returns True then, and the message has to be deleted: by a separate request, since trying both again would send
        another copy. A worker killed between the two leaves both; the lease then keeps one of them waiting. Only a job that is
        received for the first time and is to wait for longer than LONGEST_DELAY is hidden itself: returns False.
        """
        if delivery.receive_count == 1 and delivery.postponed == 0 and seconds > LONGEST_DELAY:
            self.give_back(delivery.receipt, seconds)
            return False
        carried = _Carried(
            sent_at=delivery.sent_at,
            receives=delivery.receive_count - 1,
            postponed=delivery.postponed + 1,
            delays=delivery.delays,
        )
        self._send(delivery.body, seconds, carried.attributes())
        return True

    def dead_letter(self, delivery: Delivery, reason: str) -> bool:
        """Sends a message to the queue's dead-letter queue at once, with ``reason`` as an attribute; it has to be deleted then.

        The attribute ``body_encoding`` is ``json-string`` where the body is a JSON string that holds the original text, since
        SQS does not accept the text itself. Attributes for which a large message has no room are left out.

        Returns False, and does nothing, where the queue has no redrive policy.
        """
        target = self._dead_letter_target()
        if target is None:
            return False
        self._call("send to the dead-letter queue", lambda: self._send_dead_letter(target, delivery, reason))
        return True

    def _dead_letter_target(self) -> _QueueName | None:
        answer = self._call(
            "read the redrive policy",
            lambda: self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["RedrivePolicy"]),
        )
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        if policy is None:
            return None
        try:
            arn = msgspec.json.decode(policy, type=_RedrivePolicy).deadLetterTargetArn
            _, _, _, _, account, name = arn.split(":", 5)
        except (msgspec.DecodeError, ValueError) as error:
            raise RefusedError(
                f"SQS: read the redrive policy: {policy[:200]!r}; expected the ARN of a dead-letter queue"
            ) from error
        return _QueueName(account, name)

    def _send_dead_letter(self, target: _QueueName, delivery: Delivery, reason: str) -> None:
        what = "SQS: find the dead-letter queue"
        found = self._client.get_queue_url(QueueName=target.name, QueueOwnerAWSAccountId=target.account)
        url = field(found, "QueueUrl", what)
        body = queue_body(delivery.body)
        encoding = {"body_encoding": QUOTED} if body.quoted else {}
        notes = {
            "reason": attribute_text(reason)[:LONGEST_REASON] or "unknown",
            "original_message_id": attribute_text(delivery.message_id) or "unknown",
        }
        try:
            self._send_with_attributes(url, body.text, {**notes, **encoding})
        except ClientError as error:
            if error_code(error) != "InvalidParameterValue":
                raise
            # The body is as long as a message may be, and attributes count.
            logger.warning("SQS: a dead letter is sent without its reason: %s", describe(error))
            self._send_with_attributes(url, body.text, encoding)

    def _send_with_attributes(self, url: str, body: str, attributes: dict[str, str]) -> None:
        self._client.send_message(
            QueueUrl=url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    def _change_visibility(self, what: str, receipt: str, seconds: int) -> None:
        self._with_receipt(
            what,
            lambda: self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            ),
        )

    def _with_receipt(self, what: str, request: Callable[[], T]) -> T:
        try:
            return self._retries.call(what, request)
        except ClientError as error:
            message = describe(error)
            if "Total VisibilityTimeout" in message:
                raise VisibilityCapError(f"SQS: {what}: {message}") from error
            if error_code(error) in {"MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"}:
                raise MessageLostError(f"SQS: {what}: {message}") from error
            raise RefusedError(f"SQS: {what}: {message}") from error

    def _call(self, what: str, request: Callable[[], T]) -> T:
        try:
            return self._retries.call(what, request)
        except ClientError as error:
            raise RefusedError(f"SQS: {what}: {describe(error)}") from error


def _delivery(message: MessageTypeDef) -> Delivery:
    attributes = message.get("Attributes", {})
    body = message.get("Body", "")
    count, sent = attributes.get("ApproximateReceiveCount", ""), attributes.get("SentTimestamp", "")
    if not (count.isdecimal() and sent.isdecimal()):
        logger.warning(
            "SQS: receive: the answer has no receive count or no time (ApproximateReceiveCount=%r, SentTimestamp=%r)",
            count,
            sent,
        )
    carried = _Carried.read(message, int(sent) / 1000 if sent.isdecimal() else time.time())
    return Delivery(
        body=body,
        receipt=field(message, "ReceiptHandle", "SQS: receive"),
        receive_count=(int(count) if count.isdecimal() else 1) + carried.receives,
        sent_at=carried.sent_at,
        postponed=carried.postponed,
        delays=carried.delays,
        message_id=message.get("MessageId")
        or hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:32],
    )
