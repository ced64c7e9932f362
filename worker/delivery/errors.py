"""What goes wrong between the worker and S3 or SQS, in three kinds that callers treat differently."""

from __future__ import annotations

from botocore.exceptions import ClientError

from worker.errors import MeetstemsError


class DeliveryError(MeetstemsError):
    """S3 or SQS did not do what was asked."""


class UnavailableError(DeliveryError):
    """It did not answer, or answered that it cannot just now, for as long as the retry budget lasted. Later may be better."""


class RefusedError(DeliveryError):
    """It answered that this request will never do: no permission, no such bucket or queue, wrong credentials or settings."""


def error_code(error: BaseException) -> str:
    """The service's code (``SlowDown``, ``NoSuchKey``), else the exception's name.

    SQS codes come with or without the prefix ``AWS.SimpleQueueService.``; here they are without it.
    """
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "")).rsplit(".", 1)[-1]
    return type(error).__name__


def http_status(error: BaseException) -> int | None:
    """The HTTP status of the answer, None where there was no answer."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None


def describe(error: BaseException) -> str:
    """One line for logs and messages: code, and what the service said of it.

    botocore's exceptions name hosts and buckets, but never credentials or signatures.
    """
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        return " ".join(f"{error_code(error)} (HTTP {http_status(error)}) {message}".split())
    return " ".join(f"{type(error).__name__}: {error}".split())
