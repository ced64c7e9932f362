"""Checks at a worker's start whether a bucket does what the worker needs, before a job depends on it.

Stores in place of S3 differ in conditional writes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html):
some ignore the condition, and two workers then hold one lease.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from worker.delivery.aws_clients import is_aws
from worker.delivery.bucket_layout import probe_folder
from worker.delivery.errors import DeliveryError, RefusedError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError, S3Store

logger = logging.getLogger(__name__)

_TYPE: Final = "application/octet-stream"
_FIRST: Final = b"meetstems: first"
_SECOND: Final = b"meetstems: second"
_THIRD: Final = b"meetstems: third"


class StoreLacksError(RefusedError):
    """The store does not do something that the worker needs; the message names it and what was expected."""

    def __init__(self, what: str, consequence: str, expected: str) -> None:
        super().__init__(f"S3: the store {what}: {consequence}; expected {expected}")


def is_s3_itself(store: S3Store) -> bool:
    """Whether the store is S3 of AWS, for which ``check_access`` is enough."""
    return is_aws(store.endpoint)


def check_store(store: S3Store, prefix: str) -> None:
    """Checks everything that the worker needs of a store in place of S3: some 20 small requests under ``prefix``.

    They go to ``{prefix}/bots/_probe/``, which is no bot's folder, and their objects are removed again. Blocks.

    Raises StoreLacksError for the first thing that is missing, RefusedError where the store refuses a request (no such bucket,
    no permission), StoreUnavailableError where it does not answer within the store's retry budget, and OSError where there is
    no room for a temporary file.
    """
    with _probe(store, prefix) as folder:
        _check_access(store, folder)
        _check_conditions(store, f"{folder}conditions")
        _check_parts(store, f"{folder}parts")


def check_access(store: ObjectStore, prefix: str) -> None:
    """Checks only that objects can be written, read, listed and, with a warning if not, deleted. Raises as ``check_store``."""
    with _probe(store, prefix) as folder:
        _check_access(store, folder)


@contextmanager
def _probe(store: ObjectStore, prefix: str) -> Iterator[str]:
    """A new folder, whose objects are deleted in the end."""
    folder = probe_folder(prefix, secrets.token_hex(8))
    try:
        yield folder
    finally:
        try:
            for name in ("access", "conditions", "parts"):
                store.delete(f"{folder}{name}")
        except DeliveryError as error:
            logger.warning("the objects of the check of the store were not deleted: %s", error)


def _check_access(store: ObjectStore, folder: str) -> None:
    key = f"{folder}access"
    etag = store.put(key, _FIRST, content_type=_TYPE)
    if not etag:
        raise StoreLacksError("gives no ETag", "leases need it", "an ETag in the answer to a write")
    stored = store.get(key)
    if stored.data != _FIRST or stored.etag != etag:
        raise StoreLacksError(
            "does not return what was written",
            "recordings would be lost",
            f"the {len(_FIRST)} bytes and the ETag {etag}, not {len(stored.data)} bytes and {stored.etag!r}",
        )
    if [item.key for item in store.list(folder)] != [key]:
        raise StoreLacksError(
            "does not list what was written", "recordings could not be recovered", f"{key} in the listing"
        )


def _check_conditions(store: S3Store, key: str) -> None:
    consequence = "two workers could record one meeting"
    first = _write(store, key, _FIRST, "refuses If-None-Match for a new object", if_match=None)
    if not _is_refused(store, key, _SECOND, None):
        raise StoreLacksError(
            "ignores If-None-Match", consequence, "HTTP 412 for a write where there is an object"
        )
    second = _write(store, key, _SECOND, "refuses If-Match with the current ETag", if_match=first)
    if second == first:
        raise StoreLacksError("gives the ETag of another content", consequence, "a new ETag for new content")
    if not _is_refused(store, key, _THIRD, first):
        raise StoreLacksError("ignores If-Match", consequence, "HTTP 412 for a write over an old ETag")
    store.delete(key)
    if not _is_refused(store, key, _THIRD, second):
        raise StoreLacksError("ignores If-Match", consequence, "HTTP 404 or 412 where there is no object")


def _check_parts(store: S3Store, key: str) -> None:
    with TemporaryDirectory(prefix="meetstems-probe-") as folder:
        path = Path(folder) / "part"
        path.write_bytes(_FIRST)
        store.put_in_parts(key, path, content_type=_TYPE, if_absent=True)
        if store.get(key).data != _FIRST:
            raise StoreLacksError(
                "does not join uploaded parts", "large files would be lost", "the bytes of the parts"
            )
        path.write_bytes(_SECOND)
        try:
            store.put_in_parts(key, path, content_type=_TYPE, if_absent=True)
        except PreconditionFailedError:
            return
    raise StoreLacksError(
        "ignores If-None-Match of an upload in parts",
        "a worker could overwrite the files of another",
        "HTTP 412 for CompleteMultipartUpload where there is an object",
    )


def _write(store: S3Store, key: str, data: bytes, lack: str, if_match: str | None) -> str:
    try:
        return store.put(key, data, content_type=_TYPE, if_absent=if_match is None, if_match=if_match)
    except PreconditionFailedError as error:
        raise StoreLacksError(lack, "no worker could hold a lease", "the object to be written") from error


def _is_refused(store: S3Store, key: str, data: bytes, if_match: str | None) -> bool:
    try:
        store.put(key, data, content_type=_TYPE, if_absent=if_match is None, if_match=if_match)
    except PreconditionFailedError:
        return True
    return False
