"""How many messages an SQS queue holds, and which queue takes its dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from botocore.exceptions import ClientError

from worker.delivery.errors import RefusedError, describe
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.delivery.retries import Retries, RetryPolicy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

RETRY: Final = RetryPolicy(budget=5.0)
"""Short: a count that comes late is worth nothing, and the next poll asks again."""

_COUNTS: Final = {
    "visible": "ApproximateNumberOfMessages",
    "hidden": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}
"""SQS's names
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html)."""


class QueueCounts(NamedTuple):
    """Messages of a queue, approximately: ready to be received; received by a worker; sent with a delay that has not passed."""

    visible: int
    hidden: int
    delayed: int


class QueueState(NamedTuple):
    """A queue's messages, and the URL of its dead-letter queue; None without a redrive policy."""

    counts: QueueCounts
    dead_letters_url: str | None


def read_queue(client: SQSClient, url: str) -> QueueState:
    """Asks SQS for the state of the queue at ``url``. Needs sqs:GetQueueAttributes alone.

    Raises QueueUnavailableError where SQS does not answer, and RefusedError where it refuses or leaves a count out: an unknown
    count is not 0.
    """
    retries = Retries("SQS", QueueUnavailableError, RETRY)
    try:
        answer = retries.call(
            "read the queue's attributes",
            lambda: client.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                    "RedrivePolicy",
                ],
            ),
        )
    except ClientError as error:
        raise RefusedError(f"SQS: read the queue's attributes: {describe(error)}") from error
    attributes = {str(name): value for name, value in answer.get("Attributes", {}).items()}
    try:
        counts = QueueCounts(**{state: int(attributes[name]) for state, name in _COUNTS.items()})
    except (KeyError, ValueError) as error:
        raise RefusedError(f"SQS: read the queue's attributes: {error} is missing or no number") from error
    return QueueState(counts, _dead_letters_url(url, attributes.get("RedrivePolicy")))


def _dead_letters_url(url: str, policy: str | None) -> str | None:
    """The dead-letter queue's URL: it is in the queue's own account and region, so only the name differs
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html)."""
    if not policy:
        return None
    try:
        target = str(msgspec.json.decode(policy)["deadLetterTargetArn"])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise RefusedError(f"SQS: RedrivePolicy: {error}, expected JSON with deadLetterTargetArn") from error
    parts = urlsplit(url)
    folder = parts.path.rsplit("/", 1)[0]
    return parts._replace(path=f"{folder}/{target.rsplit(':', 1)[-1]}").geturl()
