"""Uploads one large file in parts: several at once, each retried by itself; the object is visible only when complete.

boto3's transfer manager is not used for uploads since it does not support ``If-None-Match``, and since after an outage
longer than its retries it begins again at the first byte.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from botocore.exceptions import BotoCoreError, ClientError

from worker.delivery.errors import DeliveryError, describe, field
from worker.delivery.retries import Retries

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, UploadPartOutputTypeDef

logger = logging.getLogger(__name__)

PART_BYTES: Final = 8 * 1024 * 1024
"""Larger files are uploaded in parts of this size."""

PARALLEL: Final = 4
"""Parts uploaded at once; each is held in memory."""

MAX_PARTS: Final = 10_000
"""S3's limit (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""


class Target(NamedTuple):
    """The destination of an upload. ``create`` and ``condition`` are further arguments of its first and its last request."""

    bucket: str
    key: str
    create: dict[str, Any]
    condition: dict[str, Any]


class SourceChangedError(DeliveryError):
    """The file became shorter while it was uploaded."""


def upload(client: S3Client, target: Target, path: Path, size: int, retries: Retries) -> str:
    """Uploads the first ``size`` bytes of ``path``, more than 0, and returns the ETag; empty where the store gives none.

    The budget of ``retries`` applies to each request, not to the whole. Raises what Retries.call raises, OSError and
    SourceChangedError. Uploaded parts are then discarded, if S3 can be reached; a lifecycle rule of the bucket
    (AbortIncompleteMultipartUpload) should do the same for workers that were killed.
    """
    created = retries.call(
        f"begin {target.key}",
        lambda: client.create_multipart_upload(Bucket=target.bucket, Key=target.key, **target.create),
    )
    upload_id = field(created, "UploadId", f"S3: begin {target.key}")
    try:
        parts = _Parts(client, target, upload_id, path, retries).upload(size)
        done = retries.call(
            f"complete {target.key}",
            lambda: client.complete_multipart_upload(
                Bucket=target.bucket,
                Key=target.key,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                **target.condition,
            ),
        )
    except BaseException:
        _abort(client, target, upload_id)
        raise
    return done.get("ETag", "")


def part_size(size: int) -> int:
    """Bytes of each part but the last, for a file of ``size`` bytes."""
    return max(PART_BYTES, -(-size // MAX_PARTS))


class _Parts:
    """The parts of one upload."""

    def __init__(
        self, client: S3Client, target: Target, upload_id: str, path: Path, retries: Retries
    ) -> None:
        self._client = client
        self._target = target
        self._upload_id = upload_id
        self._path = path
        self._retries = retries

    def upload(self, size: int) -> list[CompletedPartTypeDef]:
        step = part_size(size)
        offsets = range(0, size, step)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="s3-part") as pool:
            futures = [
                pool.submit(self._one, number, offset, min(step, size - offset))
                for number, offset in enumerate(offsets, start=1)
            ]
            try:
                return [future.result() for future in futures]
            finally:
                # After a failure, parts that have not begun are cancelled.
                pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, number: int, offset: int, length: int) -> CompletedPartTypeDef:
        data = self._read(offset, length)
        answer = self._retries.call(
            f"part {number} of {self._target.key}",
            lambda: self._client.upload_part(
                Bucket=self._target.bucket,
                Key=self._target.key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=data,
            ),
        )
        return _completed(number, answer, f"S3: part {number} of {self._target.key}")

    def _read(self, offset: int, length: int) -> bytes:
        with self._path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
        if len(data) < length:
            raise SourceChangedError(f"{self._path}: became shorter while it was uploaded")
        return data


def _completed(number: int, answer: UploadPartOutputTypeDef, what: str) -> CompletedPartTypeDef:
    """The part as the last request names it, with the checksums that the store gave, if any."""
    checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    part = {"PartNumber": number, "ETag": field(answer, "ETag", what), **checksums}
    return cast("CompletedPartTypeDef", part)


def _abort(client: S3Client, target: Target, upload_id: str) -> None:
    try:
        client.abort_multipart_upload(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
    except (BotoCoreError, ClientError) as error:
        logger.warning(
            "S3: the unfinished upload of %s could not be discarded: %s", target.key, describe(error)
        )
