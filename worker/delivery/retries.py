"""Which requests to S3 and SQS are retried, how often, and for how long.

botocore's own retries are off (see worker/delivery/aws_clients.py): these are the only ones, so that a budget
bounds the whole time. Waits grow exponentially with full jitter, as AWS recommends
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionError,  # noqa: A004
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_before_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from worker.delivery.errors import RefusedError, UnavailableError, describe, error_code, http_status

logger = logging.getLogger(__name__)

T = TypeVar("T")

RETRIED_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})

RETRIED_CODES: Final = frozenset(
    {
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
        "RequestThrottled",
        "ThrottlingException",
        "KmsThrottled",
    }
)
"""Codes that are retried whatever their HTTP status."""

_RETRIED_EXCEPTIONS: Final = (
    HTTPClientError,
    ConnectionError,
    IncompleteReadError,
    ChecksumError,
    FlexibleChecksumError,
    ResponseParserError,
    CredentialRetrievalError,
)


class RetryPolicy(NamedTuple):
    """How long one request is retried; all in seconds.

    ``budget`` counts from the first try: no try begins after it, but one under way may last until its time-out. The waits are
    random between 0 and a limit that begins at ``first_wait`` and doubles up to ``longest_wait``.
    """

    budget: float = 600.0
    first_wait: float = 0.2
    longest_wait: float = 10.0

    def within(self, budget: float) -> RetryPolicy:
        """The same, but with at most ``budget`` seconds."""
        return self._replace(budget=min(self.budget, budget))


DEFAULT_RETRY: Final = RetryPolicy()
"""Outlasts an outage of ten minutes."""

COMMAND_RETRY: Final = RetryPolicy(budget=30.0)
"""For commands, for whose end a person waits."""


class Retries:
    """Makes requests to one service. Thread-safe.

    ``service`` is its name in messages, ``unavailable`` the error raised when the budget is used up. Setting ``cancelled``
    ends all waiting: each request then under way has one last try.
    """

    def __init__(
        self,
        service: str,
        unavailable: type[UnavailableError],
        policy: RetryPolicy,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._service = service
        self._unavailable = unavailable
        self.policy = policy
        self.cancelled = cancelled or threading.Event()

    def call(self, what: str, request: Callable[[], T]) -> T:
        """Returns what ``request`` returns, retried while that can help; ``what`` names it in messages.

        Raises the ``unavailable`` error; botocore's ClientError as it is where the service answered and another try cannot
        help; RefusedError where no request can be made (no credentials, no region, wrong parameters).
        """
        retrying = Retrying(
            retry=retry_if_exception(can_be_retried),
            wait=wait_random_exponential(multiplier=self.policy.first_wait, max=self.policy.longest_wait),
            stop=stop_before_delay(self.policy.budget) | stop_when_event_set(self.cancelled),
            sleep=sleep_using_event(self.cancelled),
            before_sleep=lambda state: self._log(what, state),
            reraise=True,
        )
        try:
            return retrying(request)
        except Exception as error:
            if can_be_retried(error):
                raise self._unavailable(f"{self._service}: {what}: {describe(error)}") from error
            if isinstance(error, BotoCoreError):
                raise RefusedError(f"{self._service}: {what}: {describe(error)}") from error
            raise

    def _log(self, what: str, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning(
            "%s: %s: try %d failed, next in %.1f s: %s",
            self._service,
            what,
            state.attempt_number,
            state.upcoming_sleep,
            describe(error) if error else "",
        )


def can_be_retried(error: BaseException) -> bool:
    """Whether the same request may succeed later: after network errors, throttling, and the service's own faults."""
    if isinstance(error, ClientError):
        return error_code(error) in RETRIED_CODES or http_status(error) in RETRIED_STATUSES
    return isinstance(error, _RETRIED_EXCEPTIONS)
