"""Credentials that are read again once a service calls them expired.

botocore renews temporary credentials before they expire by this machine's clock. It does not where that clock is wrong, where a
session was revoked, and where a file or an endpoint that it read once has new ones.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import botocore.session
from botocore.credentials import (
    CredentialProvider,
    Credentials,
    ReadOnlyCredentials,
    create_credential_resolver,
)
from botocore.exceptions import BotoCoreError, ClientError

from worker.delivery.errors import EXPIRED_CODES, describe, plain_code

logger = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds between two reads, so that several requests that fail at once cause one."""


class ReloadingCredentials(Credentials):
    """The credentials that ``load`` found last. Thread-safe."""

    def __init__(self, found: Credentials, load: Callable[[], Credentials | None]) -> None:
        super().__init__("", "", None, found.method)
        self._found = found
        self._load = load
        self._lock = threading.Lock()
        self._loaded_at = time.monotonic() - PAUSE

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The keys and the token, for one request."""
        return self._found.get_frozen_credentials()

    def get_deferred_property(self, property_name: str) -> Callable[[], str | None]:
        """See botocore."""
        return self._found.get_deferred_property(property_name)

    def reload(self) -> None:
        """Reads the credentials again. Keeps the old ones where none are found."""
        with self._lock:
            if time.monotonic() - self._loaded_at < PAUSE:
                return
            try:
                found = self._load()
            except (BotoCoreError, ClientError) as error:
                logger.warning("expired credentials could not be read again: %s", describe(error))
                return
            self._loaded_at = time.monotonic()
            if found is not None:
                self._found = found

    def reload_if_expired(self, parsed: dict[str, Any], **_: object) -> None:
        """For botocore's event ``after-call``: reads the credentials again after an answer that calls them expired."""
        if plain_code(str(parsed.get("Error", {}).get("Code", ""))) in EXPIRED_CODES:
            self.reload()


class _Provider(CredentialProvider):
    """botocore's own chain of providers, read again on demand."""

    METHOD = "meetstems"

    def load(self) -> Credentials | None:
        found = _find()
        return None if found is None else ReloadingCredentials(found, _find)


def session_with_reloading_credentials() -> botocore.session.Session:
    """A session whose clients use ReloadingCredentials, found where botocore finds them."""
    session = botocore.session.Session()
    resolver = session.get_component("credential_provider")
    resolver.providers[:] = [_Provider(session)]
    return session


def _find() -> Credentials | None:
    # A new session reads its files again.
    session = botocore.session.Session()
    return create_credential_resolver(session).load_credentials()
