from __future__ import annotations

from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError
from botocore.loaders import JSONFileLoader

from tests.support.noting_proxy import noting_proxy
from worker.delivery.aws_clients import LONGEST_POLL, Aws, Credentials, s3_client, sqs_client
from worker.delivery.errors import RefusedError
from worker.delivery.object_store import S3Store


def test_clients_use_our_time_outs_and_try_once() -> None:
    aws = Aws(region="eu-central-1")
    with closing(s3_client(aws)) as s3, closing(sqs_client(aws)) as sqs:
        s3_config: Any = s3.meta.config
        sqs_config: Any = sqs.meta.config
        assert (s3_config.connect_timeout, s3_config.read_timeout) == (5, 10)
        assert sqs_config.read_timeout > LONGEST_POLL
        assert s3_config.retries["total_max_attempts"] == sqs_config.retries["total_max_attempts"] == 1
        assert s3.meta.region_name == sqs.meta.region_name == "eu-central-1"


def test_another_client_reads_no_description_of_a_service_again(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws(region="eu-central-1")
    with closing(s3_client(aws)), closing(sqs_client(aws)):
        monkeypatch.setattr(JSONFileLoader, "load_file", lambda *_: pytest.fail("read a file"))
        with closing(s3_client(aws)), closing(sqs_client(aws)):
            pass


def test_s3_client_needs_no_region_with_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with closing(s3_client(Aws(endpoint_url="http://127.0.0.1:9000"))) as s3:
        assert s3.meta.endpoint_url == "http://127.0.0.1:9000"


def test_sqs_client_raises_without_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(RefusedError, match="SQS: cannot be used with region=None"):
        sqs_client(Aws())


def test_s3_client_names_an_invalid_endpoint() -> None:
    with pytest.raises(RefusedError, match=r"endpoint='nonsense'"):
        s3_client(Aws(endpoint_url="nonsense"))


def test_repr_hides_the_secret_key() -> None:
    aws = Aws(credentials=Credentials(access_key_id="id", secret_access_key="hush"))
    assert "hush" not in repr(aws)
    assert "id" in repr(aws)


@pytest.mark.parametrize(
    ("region", "bucket", "host"),
    [
        ("us-east-1", "recordings", "recordings.s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "recordings", "recordings.s3.eu-central-1.amazonaws.com"),
        ("il-central-1", "recordings", "recordings.s3.il-central-1.amazonaws.com"),
        ("me-south-1", "recordings", "recordings.s3.me-south-1.amazonaws.com"),
        ("cn-north-1", "recordings", "recordings.s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "recordings", "recordings.s3.us-gov-west-1.amazonaws.com"),
        # A dot would not match the certificate.
        ("eu-north-1", "our.recordings", "s3.eu-north-1.amazonaws.com"),
    ],
)
def test_urls_and_requests_name_the_host_of_the_region(
    monkeypatch: pytest.MonkeyPatch, region: str, bucket: str, host: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sent: list[str] = []

    def stop(request: Any, **_: object) -> None:
        sent.append(urlsplit(request.url).netloc)
        raise KeyboardInterrupt

    with closing(s3_client(Aws(region=region))) as s3:
        assert urlsplit(S3Store(s3, bucket).presign("bots/b/a.webm", 600)).netloc == host
        s3.meta.events.register("before-send.s3", stop)
        with pytest.raises(KeyboardInterrupt):
            s3.get_object(Bucket=bucket, Key="a")
    assert sent == [host]


def test_another_server_is_addressed_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with closing(s3_client(Aws(endpoint_url="https://store.example:9000"))) as s3:
        url = S3Store(s3, "recordings").presign("a", 600)
    assert url.startswith("https://store.example:9000/recordings/a?")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "store.localhost", "[::1]"])
def test_a_server_on_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with noting_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        # Nothing listens on the discard port.
        aws = Aws(endpoint_url=f"http://{host}:9", region="us-east-1")
        with closing(s3_client(aws)) as s3, closing(sqs_client(aws)) as sqs:
            with pytest.raises(EndpointConnectionError):
                s3.get_object(Bucket="b", Key="a")
            with pytest.raises(EndpointConnectionError):
                sqs.receive_message(QueueUrl=f"http://{host}:9/000000000000/jobs")
        assert proxy.asked == []


@pytest.mark.parametrize("endpoint", [None, "http://store.example", "http://127.0.0.1.example:9000"])
def test_other_servers_are_reached_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with noting_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        with (
            closing(s3_client(Aws(endpoint_url=endpoint, region="us-east-1"))) as s3,
            pytest.raises((ProxyConnectionError, ClientError)),
        ):
            s3.get_object(Bucket="b", Key="a")
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_server_that_boto3s_own_settings_name_is_treated_as_one_of_ours(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv(variable, "http://localhost:9")
    with noting_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        with closing(s3_client(Aws(region="eu-central-1"))) as s3:
            url = S3Store(s3, "recordings").presign("a", 600)
            with pytest.raises(EndpointConnectionError):
                s3.get_object(Bucket="b", Key="a")
        assert proxy.asked == []
    assert url.startswith("http://localhost:9/recordings/a?")
