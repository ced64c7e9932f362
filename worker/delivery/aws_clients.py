"""boto3 clients for S3 and SQS, with the time-outs that the rest of this package reckons with.

Clients are thread-safe; each comes from a session of its own, since sessions are not
(https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from worker.delivery.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT: Final = 5
"""Seconds."""

READ_TIMEOUT: Final = 20
"""Seconds without a byte from S3."""

LONGEST_POLL: Final = 20
"""Seconds that SQS holds a receive open, at most
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html)."""


DEFAULT_REGION: Final = "us-east-1"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """An access key given outright: the embedded server's. Real ones come from where boto3 finds them."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r})"


class Aws(msgspec.Struct, frozen=True, kw_only=True):
    """Where S3 and SQS are. All None: AWS itself, with the region and the credentials that boto3 finds.

    ``endpoint_url`` is that of a stand-in for AWS, such as the embedded one or MinIO; S3 is then addressed by path.
    """

    endpoint_url: str | None = None
    region: str | None = None
    credentials: Credentials | None = None


def s3_client(aws: Aws) -> S3Client:
    """A client for S3. Raises RefusedError where the settings, also boto3's own, make no client."""
    config = _config(READ_TIMEOUT).merge(
        Config(
            # Links that are presigned with the older version 2 fail in newer regions and with KMS.
            signature_version="s3v4",
            s3={"addressing_style": "path" if aws.endpoint_url else "auto"},
            request_checksum_calculation="when_supported",
            response_checksum_validation="when_supported",
        )
    )
    with _raising_refused("S3", aws):
        return _session(aws).client("s3", endpoint_url=aws.endpoint_url, config=config)


def sqs_client(aws: Aws) -> SQSClient:
    """A client for SQS; its read time-out leaves room for the longest poll. Raises as ``s3_client`` does."""
    config = _config(LONGEST_POLL + READ_TIMEOUT)
    with _raising_refused("SQS", aws):
        return _session(aws).client("sqs", endpoint_url=aws.endpoint_url, config=config)


def _session(aws: Aws) -> boto3.session.Session:
    keys = aws.credentials
    session = boto3.session.Session(
        region_name=aws.region,
        aws_access_key_id=keys.access_key_id if keys else None,
        aws_secret_access_key=keys.secret_access_key if keys else None,
    )
    if session.region_name is None and aws.endpoint_url:
        # Stand-ins have no regions, but requests are signed for one.
        return _session(msgspec.structs.replace(aws, region=DEFAULT_REGION))
    return session


@contextmanager
def _raising_refused(service: str, aws: Aws) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise RefusedError(
            f"{service}: cannot be used with region={aws.region!r}, endpoint={aws.endpoint_url!r}: {error}"
        ) from error


def _config(read_timeout: int) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        # One try: worker/delivery/retries.py decides about the next.
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
        max_pool_connections=16,
        user_agent_extra="meetstems",
    )
