"""Who is signed in: a signed cookie in place of the key. Nothing is kept for it, so any server takes any server's cookie."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from litestar.datastructures import Cookie

from worker.server.keys import Keys, Workspace
from worker.server.links import Links

COOKIE: Final = "meetstems_session"

LASTS: Final = 12 * 3600
"""Seconds: a working day, after which the key is asked for again."""

_NONCE_BYTES: Final = 16


class Session(NamedTuple):
    """Somebody who entered a key of ``workspace``. ``token`` goes with each form, so that only our own pages can send one."""

    workspace: Workspace
    token: str


class Sessions:
    """Makes and reads the cookie. ``clock`` returns Unix seconds.

    The cookie is ``workspace.expires.nonce.signature``. The signature is over the key's digest as well, so a session ends when
    its key is taken out of the file, and the cookie tells nobody the key.
    """

    def __init__(self, keys: Keys, links: Links, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._links = links
        self._clock = clock

    def open(self, workspace: Workspace) -> str:
        """The cookie's value for a key that was just entered."""
        fields = (workspace.name, str(int(self._clock()) + LASTS), secrets.token_urlsafe(_NONCE_BYTES))
        return ".".join((*fields, self._signature(fields, workspace)))

    def find(self, cookie: str | None) -> Session | None:
        """Whose session it is; None for one that is not ours, has expired, or whose key is not valid at the moment."""
        name, expires, nonce, signature = (
            (cookie or "").split(".") if (cookie or "").count(".") == 3 else [""] * 4
        )
        if cookie is None or not expires.isdecimal() or self._clock() >= int(expires[:20]):
            return None
        found = None
        for workspace in self._keys.workspaces():
            expected = self._signature((name, expires, nonce), workspace)
            is_it = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))
            if is_it and workspace.name == name:
                found = workspace
        return None if found is None else Session(found, self._links.mac("form", cookie))

    def _signature(self, fields: tuple[str, str, str], workspace: Workspace) -> str:
        return self._links.mac("session", *fields, workspace.sha256.lower())


def session_cookie(value: str, path: str, *, is_secure: bool) -> Cookie:
    """The cookie for a browser: no script reads it, and no other site's page makes the browser send it. Empty: removes it."""
    return Cookie(
        COOKIE,
        value=value,
        path=path,
        max_age=LASTS if value else 0,
        httponly=True,
        samesite="strict",
        secure=is_secure,
    )


def is_own_form(origin: str | None, host: str) -> bool:
    """Whether a form was sent by a page of this server: ``origin`` is the Origin header, which all browsers send with a form.

    Only host and port are compared: the scheme is not known behind a proxy that is not trusted.
    """
    return (origin or "").lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}
