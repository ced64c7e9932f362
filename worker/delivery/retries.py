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
    CredentialRetrievalError,
    FlexibleChecksumError,
    IncompleteReadError,
    MetadataRetrievalError,
)
from botocore.parsers import ResponseParserError
from botocore.retries.standard import (
    OrRetryChecker,
    RetryContext,
    ThrottledRetryableChecker,
    TransientRetryableChecker,
)
from tenacity import (
    RetryCallState,
    Retrying,
    sleep_using_event,
    stop_before_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from worker.delivery.errors import (
    EXPIRED_CODES,
    RefusedError,
    UnavailableError,
    describe,
    error_code,
    http_status,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

RETRIED_STATUSES: Final = frozenset({408, 429})

NOT_RETRIED_STATUSES: Final = frozenset({501, 505})
"""Of 500 and above, these say that the server will never do it; the others, also those of proxies, that it could not."""

RETRIED_CODES: Final = frozenset(
    {
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "ServiceUnavailable",
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
        "KmsThrottled",
        "OverLimit",
        # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html, for credentials
        "IDPCommunicationError",
    }
)
"""Codes that are retried with any HTTP status, in addition to botocore's."""

EXPIRED_TRIES: Final = 3
"""Tries of a request whose credentials have expired. They are read again after each (worker/delivery/credentials.py)."""

_BOTOCORE: Final = OrRetryChecker([TransientRetryableChecker(), ThrottledRetryableChecker()])
"""What botocore's standard mode retries: network errors, 5xx, throttling by each service's codes."""

_RETRIED_EXCEPTIONS: Final = (
    IncompleteReadError,
    ChecksumError,
    FlexibleChecksumError,
    ResponseParserError,
    CredentialRetrievalError,
    MetadataRetrievalError,
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
        help, or the credentials had expired in each of EXPIRED_TRIES; RefusedError where no request can be made (no
        credentials, no region, wrong parameters).
        """
        retrying = Retrying(
            retry=_retried,
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
        code, status = error_code(error), http_status(error) or 0
        answer = RetryContext(1, parsed_response={"Error": {"Code": code}})
        return (
            _BOTOCORE.is_retryable(answer)
            or code in RETRIED_CODES
            or status in RETRIED_STATUSES
            or (status >= 500 and status not in NOT_RETRIED_STATUSES)
        )
    if isinstance(error, Exception):
        raised = RetryContext(1, caught_exception=error)
        return isinstance(error, _RETRIED_EXCEPTIONS) or _BOTOCORE.is_retryable(raised)
    return False


def _retried(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    if error is None:
        return False
    expired = isinstance(error, ClientError) and error_code(error) in EXPIRED_CODES
    return can_be_retried(error) or (expired and state.attempt_number < EXPIRED_TRIES)
