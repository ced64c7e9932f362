"""Objects by key, in S3: conditional writes whose result is certain even if an answer is lost."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from botocore.exceptions import ClientError

from worker.delivery import multipart
from worker.delivery.aws_clients import Aws, s3_client
from worker.delivery.errors import (
    DeliveryError,
    IncompleteAnswerError,
    RefusedError,
    UnavailableError,
    describe,
    error_code,
    field,
    http_status,
)
from worker.delivery.retries import DEFAULT_RETRY, Retries, RetryPolicy
from worker.settings import Encryption

if TYPE_CHECKING:
    import threading

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ObjectTypeDef

logger = logging.getLogger(__name__)

T = TypeVar("T")

WRITE_ID: Final = "write-id"
"""The metadata that tells our own write, whose answer was lost, from another writer's."""

LARGEST_PAGE: Final = 1000
"""Objects that S3 lists in one answer at most (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)."""

_COPY_BYTES: Final = 1024 * 1024


class NotFoundError(DeliveryError):
    """There is no object under this key."""


class PreconditionFailedError(DeliveryError):
    """The object exists already (``if_absent``), or is not the expected one any more (``if_match``). Nothing was written."""


class EmptyWriteError(DeliveryError):
    """An empty object would replace an existing one. Nothing was written."""


class StoreUnavailableError(UnavailableError):
    """S3 was not available until the retry budget was used up."""


class Stored(NamedTuple):
    """An object's bytes, its ETag for ``if_match`` (empty where the store gives none), and its ``age``.

    ``age`` is in seconds since the object was last written, by the store's own clock, to the second and not negative. It is
    None where the store does not say both times.
    """

    data: bytes
    etag: str
    age: float | None


class Listed(NamedTuple):
    """An object in a listing: ``size`` in bytes, ``modified`` in seconds since the Unix epoch, None where it is not given."""

    key: str
    size: int
    modified: float | None


Listing = list[Listed]


class ObjectStore(Protocol):
    """Objects by key. Thread-safe.

    Every method blocks, and raises StoreUnavailableError and RefusedError.
    """

    def within(self, budget: float) -> ObjectStore:
        """The same store, giving up each request after at most ``budget`` seconds of retries."""

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        """Writes an object and returns its ETag, empty where the store gives none.

        ``if_absent``: only where there is none; ``if_match``: only over the one with this ETag; else raises
        PreconditionFailedError. Raises EmptyWriteError where an empty object would replace an existing one, OSError where a
        file cannot be read.
        """

    def get(self, key: str) -> Stored:
        """The whole object. Raises NotFoundError."""

    def get_unless(self, key: str, etag: str | None) -> Stored | None:
        """The whole object; None if it is still the one with this ETag. ``etag`` None: none is known. Raises NotFoundError."""
        stored = self.get(key)
        return None if stored.etag == etag else stored

    def download(self, key: str, path: Path) -> None:
        """Writes the object to ``path``, where no incomplete file ever appears. Raises NotFoundError and OSError."""

    def delete(self, key: str) -> None:
        """Removes the object, if there is one."""

    def presign(self, key: str, seconds: int, filename: str | None = None) -> str:
        """A URL that anyone can GET for ``seconds``; a browser saves it as ``filename``. It is a secret: not for logs.

        The object need not exist. The URL expires earlier if the credentials that signed it do.
        """

    def list(self, prefix: str) -> Listing:
        """All objects whose keys begin with ``prefix``, in order of their keys."""


class PagedStore(ObjectStore, Protocol):
    """A store whose listings can also be read page by page, each at a cost that does not grow with what precedes it."""

    def page(self, prefix: str, after: str, limit: int) -> Listing:
        """The first ``limit`` (1 to LARGEST_PAGE) objects whose keys begin with ``prefix`` and are greater than ``after``, in
        order of their keys; ``after`` empty: from the first one. Fewer than ``limit``: there are no more.
        """

    def remove_unfinished(self) -> None:
        """Removes what killed writers left, where nothing else does; raises nothing. This one has nothing to remove."""
        return

    def blocks(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The object's bytes from ``start`` on, ``length`` of them or all, in blocks that fit into memory. Closing the iterator
        lets go of the object. Raises NotFoundError, at once or with the first block.

        This one is for stores whose objects fit into memory.
        """
        end = None if length is None else start + length
        yield self.get(key).data[start:end]


class S3Store(PagedStore):
    """A bucket. Thread-safe.

    ``encryption`` None: writes ask for none. On AWS the bucket's default then applies, which a request would override, and a
    store without encryption would refuse the header. Setting ``cancelled`` ends the retries of all requests under way.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        *,
        retry: RetryPolicy = DEFAULT_RETRY,
        encryption: Encryption | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._encryption = encryption
        self._retries = Retries("S3", StoreUnavailableError, retry, cancelled)

    @property
    def endpoint(self) -> str:
        """The server's URL, without the bucket."""
        return self._client.meta.endpoint_url

    def within(self, budget: float) -> S3Store:
        """See ObjectStore."""
        return S3Store(
            self._client,
            self._bucket,
            retry=self._retries.policy.within(budget),
            encryption=self._encryption,
            cancelled=self._retries.cancelled,
        )

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        """See ObjectStore. A file larger than ``multipart.PART_BYTES`` is uploaded in parts."""
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if size == 0:
            return self._put_empty(key, content_type, if_absent, if_match)
        if isinstance(data, Path) and size > multipart.PART_BYTES:
            if if_absent:
                self._refuse_if_present(key)
            return self.put_in_parts(
                key, data, content_type=content_type, if_absent=if_absent, if_match=if_match
            )
        condition = _condition(if_absent, if_match)
        write_id = secrets.token_hex(8)
        arguments = self._write_arguments(content_type, write_id)
        body = data.read_bytes() if isinstance(data, Path) else data
        return self._write(key, write_id, partial(self._put_whole, key, body, {**arguments, **condition}))

    def put_in_parts(
        self,
        key: str,
        path: Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        """As ``put`` of a large file, for any size above 0. The conditions are checked at the end only."""
        condition = _condition(if_absent, if_match)
        arguments = self._write_arguments(content_type, write_id := secrets.token_hex(8))
        target = multipart.Target(self._bucket, key, arguments, condition)
        size = path.stat().st_size
        return self._write(
            key, write_id, partial(multipart.upload, self._client, target, path, size, self._retries)
        )

    def get(self, key: str) -> Stored:
        """See ObjectStore."""
        return self._get(key, {})

    def get_unless(self, key: str, etag: str | None) -> Stored | None:
        """See ObjectStore. The answer about the same object has no body (RFC 9110, section 13.1.2)."""
        try:
            return self._get(key, {"IfNoneMatch": etag} if etag else {})
        except RefusedError as error:
            if isinstance(error.__cause__, ClientError) and http_status(error.__cause__) == 304:
                return None
            raise

    def _get(self, key: str, condition: dict[str, str]) -> Stored:
        def request() -> Stored:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **condition)  # type: ignore[arg-type]
            with closing(answer["Body"]) as body:
                return Stored(
                    body.read(),
                    answer.get("ETag", ""),
                    _age(answer["ResponseMetadata"].get("HTTPHeaders", {})),
                )

        return self._read(f"get {key}", request)

    def download(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        unfinished = path.with_name(path.name + ".partial")

        def request() -> None:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with closing(answer["Body"]) as body, unfinished.open("wb") as stream:
                for block in body.iter_chunks(_COPY_BYTES):
                    stream.write(block)

        try:
            self._read(f"download {key}", request)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self._read(f"delete {key}", lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def presign(self, key: str, seconds: int, filename: str | None = None) -> str:
        """See ObjectStore. Sends no request, except for credentials."""
        parameters: dict[str, str] = {"Bucket": self._bucket, "Key": key}
        if filename is not None:
            parameters["ResponseContentDisposition"] = attachment(filename)
        return self._read(
            f"presign {key}",
            lambda: self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds),
        )

    def list(self, prefix: str) -> Listing:
        """See ObjectStore."""
        listing: Listing = []
        continuation: dict[str, str] = {}
        while True:
            page = self._read(
                f"list {prefix}",
                partial(self._client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **continuation),  # type: ignore[arg-type]
            )
            listing += [_listed(item, f"S3: list {prefix}") for item in page.get("Contents", [])]
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated", token is not None):
                return listing
            if token is None or token == continuation.get("ContinuationToken"):
                # A part of the objects must not pass for all of them.
                raise IncompleteAnswerError(
                    f"S3: list {prefix}: the answer is truncated and has no next page"
                )
            continuation = {"ContinuationToken": token}

    def page(self, prefix: str, after: str, limit: int) -> Listing:
        """See PagedStore. One request, unless the store answers with less than it was asked for."""
        listing: Listing = []
        while len(listing) < limit:
            start = listing[-1].key if listing else after
            answer = self._read(
                f"list {prefix}",
                partial(
                    self._client.list_objects_v2,
                    Bucket=self._bucket,
                    Prefix=prefix,
                    MaxKeys=limit - len(listing),
                    **({"StartAfter": start} if start else {}),  # type: ignore[arg-type]
                ),
            )
            found = [_listed(item, f"S3: list {prefix}") for item in answer.get("Contents", [])]
            listing += found
            if not found or not answer.get("IsTruncated", False):
                break
        return listing

    def blocks(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See PagedStore. What breaks off is not asked for again."""
        if length == 0:
            return
        # An empty object has no range, so the whole one is not asked for as a range.
        part: dict[str, str] = {}
        if start > 0 or length is not None:
            part["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        answer = self._read(
            f"get {key}",
            lambda: self._client.get_object(Bucket=self._bucket, Key=key, **part),  # type: ignore[arg-type]
        )
        with closing(answer["Body"]) as body:
            yield from body.iter_chunks(_COPY_BYTES)

    def _put_empty(self, key: str, content_type: str, if_absent: bool, if_match: str | None) -> str:
        arguments = self._write_arguments(content_type, write_id := secrets.token_hex(8))
        if if_match is None:
            try:
                request = partial(self._put_whole, key, b"", {**arguments, **_condition(True, None)})
                return self._write(key, write_id, request)
            except PreconditionFailedError:
                if if_absent:
                    raise
        raise EmptyWriteError(f"S3: put {key}: an empty object would replace the existing one")

    def _put_whole(self, key: str, body: bytes, arguments: Mapping[str, Any]) -> str:
        answer = self._retries.call(
            f"put {key}",
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **arguments),
        )
        return answer.get("ETag", "")

    def _write(self, key: str, write_id: str, request: Callable[[], str]) -> str:
        try:
            return request() or self._etag_of_write(key, write_id) or ""
        except ClientError as error:
            # 404: If-Match without an object, or a multipart upload that was completed by a try whose answer was lost.
            if http_status(error) not in {404, 409, 412} or error_code(error) == "NoSuchBucket":
                raise _refused(f"put {key}", error) from error
            etag = self._etag_of_write(key, write_id)
            if etag is None:
                raise PreconditionFailedError(f"S3: put {key}: not written: {describe(error)}") from error
            logger.info("S3: put %s: was written by an earlier try whose answer was lost", key)
            return etag

    def _refuse_if_present(self, key: str) -> None:
        """Refuses a large file before its upload; the condition itself is only checked by the last request."""
        try:
            self._head(key)
        except NotFoundError:
            return
        raise PreconditionFailedError(f"S3: put {key}: not written: it exists already")

    def _etag_of_write(self, key: str, write_id: str) -> str | None:
        """The object's ETag if this write made it, else None."""
        try:
            head = self._head(key)
        except NotFoundError:
            return None
        metadata = {name.lower(): value for name, value in head.get("Metadata", {}).items()}
        return head.get("ETag", "") if metadata.get(WRITE_ID) == write_id else None

    def _head(self, key: str) -> HeadObjectOutputTypeDef:
        return self._read(f"head {key}", lambda: self._client.head_object(Bucket=self._bucket, Key=key))

    def _read(self, what: str, request: Callable[[], T]) -> T:
        try:
            return self._retries.call(what, request)
        except ClientError as error:
            if http_status(error) == 404 and error_code(error) != "NoSuchBucket":
                raise NotFoundError(f"S3: {what}: {describe(error)}") from error
            raise _refused(what, error) from error

    def _write_arguments(self, content_type: str, write_id: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "ContentType": content_type,
            "Metadata": {WRITE_ID: write_id},
        }
        if self._encryption is not None:
            arguments["ServerSideEncryption"] = self._encryption.algorithm
            if self._encryption.kms_key_id is not None:
                arguments["SSEKMSKeyId"] = self._encryption.kms_key_id
        return arguments


def _condition(if_absent: bool, if_match: str | None) -> dict[str, str]:
    if if_absent and if_match is not None:
        raise ValueError("if_absent and if_match exclude each other")
    if if_absent:
        return {"IfNoneMatch": "*"}
    if if_match == "":
        raise IncompleteAnswerError("S3: the store gave no ETag, which a write with If-Match needs")
    return {} if if_match is None else {"IfMatch": if_match}


def _listed(item: ObjectTypeDef, what: str) -> Listed:
    modified = item.get("LastModified")
    return Listed(
        field(item, "Key", what), item.get("Size", 0), None if modified is None else modified.timestamp()
    )


def _age(headers: Mapping[str, str]) -> float | None:
    """Seconds from Last-Modified to Date, which are of the same clock (RFC 9110, sections 6.6.1 and 8.8.2)."""
    answered, modified = _http_date(headers.get("date")), _http_date(headers.get("last-modified"))
    if answered is None or modified is None:
        return None
    return max(0.0, (answered - modified).total_seconds())


def _http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def attachment(filename: str) -> str:
    """A Content-Disposition for any name (RFC 6266, section 4.3)."""
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\%' else "_"
        for letter in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _refused(what: str, error: ClientError) -> RefusedError:
    return RefusedError(f"S3: {what}: {describe(error)}")


def open_store(
    aws: Aws, bucket: str, *, retry: RetryPolicy = DEFAULT_RETRY, encryption: Encryption | None = None
) -> S3Store:
    """The store of ``bucket``; see S3Store. Raises RefusedError."""
    return S3Store(s3_client(aws), bucket, retry=retry, encryption=encryption)
