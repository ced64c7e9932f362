"""Errors of S3 and SQS, in the kinds that callers treat differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from worker.errors import MeetstemsError

EXPIRED_CODES: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "400"}
)
"""The credentials have expired, or may have: the answer to a HEAD has no body, so its code is the status (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html)."""


class DeliveryError(MeetstemsError):
    """A request to S3 or SQS failed."""


class UnavailableError(DeliveryError):
    """The service did not answer, or was not able to, until the retry budget was used up. A later request may succeed."""


class RefusedError(DeliveryError):
    """The service refuses the request for good: no permission, no such bucket or queue, wrong credentials or settings."""


class IncompleteAnswerError(RefusedError):
    """An answer of the service lacks a field without which the worker cannot go on."""


def field(answer: Mapping[str, Any], name: str, what: str) -> str:
    """The text ``name`` of an ``answer`` to the request ``what``. Raises IncompleteAnswerError where it is missing or empty."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise IncompleteAnswerError(f"{what}: the answer has no {name}")
    return value


def error_code(error: BaseException) -> str:
    """The service's code (``SlowDown``, ``NoSuchKey``), else the exception's name.

    SQS sends some codes with the prefix ``AWS.SimpleQueueService.``, which is removed.
    """
    if isinstance(error, ClientError):
        return plain_code(str(error.response.get("Error", {}).get("Code", "")))
    return type(error).__name__


def plain_code(code: str) -> str:
    """``code`` without the prefix that some of SQS's codes have."""
    return code.rsplit(".", 1)[-1]


def http_status(error: BaseException) -> int | None:
    """The HTTP status of the answer; None without an answer."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None


def describe(error: BaseException) -> str:
    """One line for logs and messages: the code and the service's own message.

    botocore's exceptions name hosts and buckets, but never credentials or signatures.
    """
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        return " ".join(f"{error_code(error)} (HTTP {http_status(error)}) {message}".split())
    return " ".join(f"{type(error).__name__}: {error}".split())
