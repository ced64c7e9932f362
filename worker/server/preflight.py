"""What a server tries before it listens: a create call must not be accepted for a store or a queue that is not there."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from worker.delivery.conformance import check_access, check_store, is_s3_itself
from worker.delivery.errors import RefusedError
from worker.delivery.message_queue import MessageQueue
from worker.delivery.object_store import ObjectStore, S3Store
from worker.errors import InputError, MeetstemsError, cause

PATIENCE: Final = 30.0
"""Seconds of retries of one request."""


class PreflightError(InputError):
    """This server cannot take jobs; the message lists everything that was found wrong."""


def preflight(store: ObjectStore, prefix: str, queue: MessageQueue, events: MessageQueue | None) -> None:
    """Tries the store as a worker does, the queue of jobs, and that of events, None: there is none. Blocks.

    Raises PreflightError if one of them would refuse a request, and UnavailableError if one only does not answer.
    """
    found: list[MeetstemsError] = []
    checks: tuple[Callable[[], None], ...] = (
        lambda: _check_store(store.within(PATIENCE), prefix),
        queue.within(PATIENCE).check,
        lambda: _check_events(events),
    )
    for check in checks:
        try:
            check()
        except MeetstemsError as error:
            found.append(error)
    if any(isinstance(error, (RefusedError, InputError)) for error in found):
        raise PreflightError("this server cannot take jobs: " + "; ".join(map(str, found)))
    if found:
        raise found[0]


def check_certificate(certificate: Path | None, private_key: Path | None) -> None:
    """Tries the files of ``--tls-cert`` and ``--tls-key``. Raises InputError."""
    if (certificate is None) != (private_key is None):
        raise InputError("--tls-cert, --tls-key: expected both or none")
    if certificate is None or private_key is None:
        return
    for option, path in (("--tls-cert", certificate), ("--tls-key", private_key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise InputError(f"{option} {path}: cannot be read: {cause(error)}") from error
    try:
        # An encrypted key would ask for its password on a terminal that may not be there.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password="")
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"--tls-cert {certificate}, --tls-key {private_key}: {error}; expected a chain of certificates and its"
            " unencrypted key, both as PEM"
        ) from error


def _check_store(store: ObjectStore, prefix: str) -> None:
    if isinstance(store, S3Store) and not is_s3_itself(store):
        check_store(store, prefix)
    else:
        check_access(store, prefix)


def _check_events(events: MessageQueue | None) -> None:
    """Deletions are reported there, and webhooks are made of what is taken from it."""
    if events is None:
        return
    try:
        events.within(PATIENCE).check_actions()
    except RefusedError as error:
        raise RefusedError(f"MEETSTEMS_EVENTS_QUEUE_URL: {error}") from error
