"""boto3 clients for S3 and SQS, with time-outs on which the rest of this package relies.

Clients are thread-safe, sessions are not, so each client has its own session
(https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader, create_loader
from botocore.utils import parse_timestamp

from worker.delivery.credentials import ReloadingCredentials, session_with_reloading_credentials
from worker.delivery.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT: Final = 5
"""Seconds to connect."""

READ_TIMEOUT: Final = 10
"""Seconds without a byte from S3. Less than a lease and a visibility timeout can spare for one request that hangs."""

LONGEST_POLL: Final = 20
"""The longest time in seconds that SQS holds a receive open
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html)."""

MOST_CONNECTIONS: Final = 96
"""Connections that a client keeps, each opened when it is needed: as many as a server uses at once. It has 64 threads for
requests (worker.server.app), 16 that read the bots of a page and 16 that dispatch."""

DEFAULT_REGION: Final = "us-east-1"
"""For servers in place of AWS: they have no regions, but requests are signed for one."""


_AWS_HOSTS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")
"""Of the partitions that botocore knows and that are open to the public."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """An explicit access key, such as the embedded server's. Real keys are found by boto3 itself."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r})"


class Aws(msgspec.Struct, frozen=True, kw_only=True):
    """Where S3 and SQS are. All None: AWS itself, with the region and the credentials that boto3 finds.

    ``endpoint_url`` is that of a server in place of AWS, such as the embedded one or MinIO; S3 is then addressed by path. None:
    the one that boto3 finds, as in AWS_ENDPOINT_URL.
    """

    endpoint_url: str | None = None
    region: str | None = None
    credentials: Credentials | None = None


def s3_client(aws: Aws) -> S3Client:
    """A client for S3. Checksums are as botocore's own settings say, such as AWS_REQUEST_CHECKSUM_CALCULATION.

    Raises RefusedError where the settings, including boto3's own, are invalid.
    """
    config = _config(aws, READ_TIMEOUT).merge(
        Config(
            # URLs that are presigned with the older version 2 fail in newer regions and with KMS.
            signature_version="s3v4",
            # With "auto", presigned URLs name the global endpoint, which redirects or refuses for other regions.
            s3={
                "addressing_style": "path" if aws.endpoint_url else "virtual",
                "us_east_1_regional_endpoint": "regional",
            },
        )
    )
    with _raising_refused("S3", aws):
        session = _session(aws)
        client = session.client("s3", endpoint_url=aws.endpoint_url, config=config)
    if other := _other_server(aws, client):
        return s3_client(other)
    _reload_expired(session, client)
    return client


def sqs_client(aws: Aws) -> SQSClient:
    """A client for SQS; its read time-out is longer than the longest poll. Raises what ``s3_client`` raises."""
    config = _config(aws, LONGEST_POLL + READ_TIMEOUT)
    with _raising_refused("SQS", aws):
        session = _session(aws)
        client = session.client("sqs", endpoint_url=aws.endpoint_url, config=config)
    if other := _other_server(aws, client):
        return sqs_client(other)
    _reload_expired(session, client)
    return client


def is_aws(url: str) -> bool:
    """Whether ``url`` is that of a service of AWS itself."""
    return (urlsplit(url).hostname or "").endswith(_AWS_HOSTS)


def _other_server(aws: Aws, client: S3Client | SQSClient) -> Aws | None:
    """``aws`` with the endpoint that boto3 found in its own settings and that is not of AWS; closes ``client`` then."""
    url = client.meta.endpoint_url
    if aws.endpoint_url is not None or is_aws(url):
        return None
    client.close()
    return msgspec.structs.replace(aws, endpoint_url=url)


@cache
def _loader(data_path: str | None) -> Loader:
    """botocore's descriptions of the services, which each session would read and keep for itself: several MB, for a tenth of a
    second. Clients of one session share them as well, and only read them.
    """
    return create_loader(data_path)


def _session(aws: Aws) -> boto3.session.Session:
    keys = aws.credentials
    botocore_session = session_with_reloading_credentials()
    botocore_session.register_component(
        "data_loader", _loader(botocore_session.get_config_variable("data_path"))
    )
    botocore_session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    session = boto3.session.Session(
        region_name=aws.region,
        botocore_session=botocore_session,
        aws_access_key_id=keys.access_key_id if keys else None,
        aws_secret_access_key=keys.secret_access_key if keys else None,
    )
    if session.region_name is None and aws.endpoint_url:
        return _session(msgspec.structs.replace(aws, region=DEFAULT_REGION))
    return session


def _reload_expired(session: boto3.session.Session, client: S3Client | SQSClient) -> None:
    """Registers the reading of new credentials after an answer that calls them expired; the next try then has them."""
    credentials = session.get_credentials()
    if isinstance(credentials, ReloadingCredentials):
        client.meta.events.register("after-call", credentials.reload_if_expired)


@contextmanager
def _raising_refused(service: str, aws: Aws) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise RefusedError(
            f"{service}: cannot be used with region={aws.region!r}, endpoint={aws.endpoint_url!r}: {error}"
        ) from error


def _config(aws: Aws, read_timeout: int) -> Config:
    return Config(
        # A server on this machine cannot be reached through a proxy. None: the proxies of the environment.
        proxies={} if _is_loopback(aws.endpoint_url) else None,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        # One try: worker/delivery/retries.py retries.
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
        max_pool_connections=MOST_CONNECTIONS,
        user_agent_extra="meetstems",
    )


def _timestamp(value: Any) -> datetime | None:
    """A time of an answer; None where it is not one, so that the rest of the answer can be used."""
    try:
        return parse_timestamp(value)
    except (ValueError, TypeError):
        return None


def _is_loopback(url: str | None) -> bool:
    """Whether the host of ``url`` is this machine (RFC 6761, section 6.3, for names)."""
    try:
        host = urlsplit(url or "").hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False
