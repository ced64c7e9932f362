"""Reports every request to S3 and SQS that failed, also those whose retry succeeded."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

FIRST_ERROR: Final = 400
ANSWERS: Final = frozenset({404, 409, 412})
"""Statuses that answer a question: no such object, a condition that is not met."""

THROTTLED: Final = frozenset({429, 503})


class RequestError(StrEnum):
    """Why a request failed; the value is a label of metrics."""

    THROTTLED = "throttled"
    REFUSED = "refused"
    """No permission, expired credentials, a wrong clock, no such bucket or queue."""
    UNAVAILABLE = "unavailable"
    """An error of the service, or no answer."""


def watch_requests(client: S3Client | SQSClient, on_error: Callable[[RequestError], None]) -> None:
    """Calls ``on_error``, in the thread of the request, after each request of ``client`` that fails from now on."""

    def after_call(http_response: Any, parsed: dict[str, Any], **_: object) -> None:
        code = str(parsed.get("Error", {}).get("Code", ""))
        if (error := classify(http_response.status_code, code)) is not None:
            on_error(error)

    client.meta.events.register("after-call", after_call)
    client.meta.events.register("after-call-error", lambda **_: on_error(RequestError.UNAVAILABLE))


def classify(status: int, code: str) -> RequestError | None:
    """The kind of error of an answer with this HTTP status and code; None: it is none."""
    if status < FIRST_ERROR or (status in ANSWERS and code != "NoSuchBucket"):
        return None
    if status in THROTTLED or "Throttl" in code or code == "SlowDown":
        return RequestError.THROTTLED
    return RequestError.UNAVAILABLE if status >= 500 else RequestError.REFUSED
