"""Links that anybody can open until they expire: to documents of this API, and to files of a store that cannot sign."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

from worker.delivery.object_store import NotFoundError, ObjectStore, PreconditionFailedError

_SECRET_BYTES: Final = 32


class Links:
    """Signs and checks paths. ``secret`` is shared by all servers; ``clock`` returns Unix seconds."""

    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._clock = clock

    def sign(self, path: str, seconds: float, **query: str) -> str:
        """``path`` with ``query`` and a signature that holds for ``seconds``. It is a secret: not for logs."""
        fields = {**query, "expires": str(int(self._clock() + seconds))}
        return f"{quote(path)}?{urlencode({**fields, 'signature': self._signature(path, fields)})}"

    def is_valid(self, path: str, query: dict[str, str]) -> bool:
        """Whether the signature of a requested ``path`` (not encoded) with ``query`` is ours, and has not expired."""
        fields = dict(query)
        signature = fields.pop("signature", "")
        expires = fields.get("expires", "")
        if not hmac.compare_digest(signature.encode(), self._signature(path, fields).encode()):
            return False
        return expires.isdecimal() and self._clock() < int(expires)

    def mac(self, purpose: str, *texts: str) -> str:
        """A keyed digest (HMAC-SHA256, hexadecimal) of ``texts``; another ``purpose`` gives another one, and no link has it."""
        message = json.dumps({purpose: texts})
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()

    def _signature(self, path: str, fields: dict[str, str]) -> str:
        text = json.dumps([path, sorted(fields.items())])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def shared_secret(store: ObjectStore, prefix: str) -> bytes:
    """The secret of all servers with this store, made by the first one. Blocks; raises what the store raises.

    Whoever can read it there can read the recordings as well.
    """
    start = prefix.strip("/")
    key = f"{start}/server/link-secret" if start else "server/link-secret"
    try:
        return store.get(key).data
    except NotFoundError:
        secret = secrets.token_bytes(_SECRET_BYTES)
    try:
        store.put(key, secret, content_type="application/octet-stream", if_absent=True)
    except PreconditionFailedError:
        return store.get(key).data
    return secret
