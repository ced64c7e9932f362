"""How both vendors sign a request, so that its receiver knows who sent it (pure).

Recall.ai's requests are signed by Standard Webhooks (https://www.standardwebhooks.com), MeetStream's by HMAC-SHA256 of the
body, with the secret's text as the key.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from standardwebhooks import Webhook


def standard_headers(message_id: str, now: float, body: str, secret: str | None) -> dict[str, str]:
    """The headers of Standard Webhooks at ``now`` (Unix seconds). ``secret`` is ``whsec_`` and base64; None: no signature."""
    moment = int(now)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(moment)}
    if secret is not None:
        at = datetime.fromtimestamp(moment, UTC)
        headers["webhook-signature"] = Webhook(secret).sign(message_id, at, body)
    return headers


def meetstream_headers(message_id: str, now: float, body: str, secret: str | None) -> dict[str, str]:
    """The headers of MeetStream's webhooks at ``now`` (Unix seconds); ``secret`` None: no signature."""
    headers = {"webhook-id": message_id, "X-MeetStream-Timestamp": str(int(now))}
    if secret is not None:
        digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
        headers["X-MeetStream-Signature"] = f"sha256={digest}"
    return headers
