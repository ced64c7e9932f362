"""The headers of requests to receivers: those that users set, and signatures (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from worker.contracts.live_endpoints import LiveEndpoint, LiveForm
from worker.contracts.live_fields import is_of_request
from worker.delivery.signatures import meetstream_headers, standard_headers
from worker.safe_text import Secret

AGENT: Final = "meetstems"

_NAME: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9a-z]{1,100}", re.ASCII)
"""A token (RFC 9110 §5.6.2), in lower case."""
_VALUE: Final = re.compile(r"[\x20-\x7e\x80-\xff]{0,4096}")
"""Visible characters and blanks (RFC 9110 §5.5): no line end begins another header."""


def user_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of ``headers`` that a user may set; the others, and malformed ones, are left out. Names are in lower case."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in lower.items()
        if _NAME.fullmatch(name) and _VALUE.fullmatch(value) and not is_of_request(name)
    }


def request_headers(
    endpoint: LiveEndpoint, message_id: str, now: float, body: str, secret: Secret | None
) -> dict[str, str]:
    """All headers of a request with ``body`` at ``now`` (Unix seconds), but for those of its connection.

    An upgrade to a WebSocket has no body, and is signed by Standard Webhooks for each vendor.
    """
    sign = meetstream_headers if endpoint.form is LiveForm.MEETSTREAM else standard_headers
    signed = sign(message_id, now, body, None if secret is None else secret.value)
    return {**user_headers(endpoint.headers), "user-agent": AGENT, **signed}
