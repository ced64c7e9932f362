"""Errors of the API, each with the body of the vendor whose path was asked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from worker.contracts.json_body import JobError
from worker.errors import MeetstemsError


class Vendor(Enum):
    """Whose contract a path belongs to."""

    MEETSTREAM = "meetstream"
    RECALL = "recall"
    OURS = "ours"
    """Neither's: health, downloads, the document of the API."""


class ApiError(MeetstemsError):
    """A request is refused with ``status``.

    ``code`` is Recall.ai's word for why; ``fields`` are the wrong fields of a body with the texts about each, for Recall.ai.
    ``headers`` are sent with the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.fields = fields
        self.headers = dict(headers or {})


_CODES: Final = {
    400: "invalid_request",
    401: "authentication_failed",
    403: "request_blocked",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "request_too_large",
    429: "throttled",
    501: "not_served",
    503: "service_unavailable",
}
"""Recall.ai's codes where an error has none of its own; for the last ones it has none, so they are ours."""

NOT_FOUND: Final = "Not found."


def error_body(vendor: Vendor, error: ApiError) -> dict[str, Any]:
    """The body of the answer: MeetStream's ``message``; Recall.ai's fields with their texts, or ``code`` and ``detail``."""
    if vendor is Vendor.MEETSTREAM:
        return {"message": error.message}
    if error.fields is not None:
        return dict(error.fields)
    return {"code": error.code or _CODES.get(error.status, "internal_error"), "detail": error.message}


def vendor_of(path: str) -> Vendor:
    """Whose contract ``path``, without the server's prefix, belongs to."""
    match path.strip("/").split("/"):
        case ["api", "v1", "bots" | "admin", *_] | ["api", "v1", "transcript", _, "get_transcript"]:
            return Vendor.MEETSTREAM
        case ["api", "v1", *_]:
            return Vendor.RECALL
        case _:
            return Vendor.OURS


def bad_body(error: JobError) -> ApiError:
    """The answer to a body that is no job: the message names the field, its value and what was expected."""
    text = str(error).removeprefix("job: ")
    field = error.field[0] if error.field else "non_field_errors"
    return ApiError(400, text, fields={field: [text]})


def not_found(what: str = "Not found.") -> ApiError:
    """The answer about what does not exist, or belongs to another key."""
    return ApiError(404, what)
