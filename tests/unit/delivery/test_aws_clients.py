from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from worker.delivery.aws_clients import LONGEST_POLL, Aws, Credentials, s3_client, sqs_client
from worker.delivery.errors import RefusedError


def test_clients_use_our_time_outs_and_try_once() -> None:
    aws = Aws(region="eu-central-1")
    with closing(s3_client(aws)) as s3, closing(sqs_client(aws)) as sqs:
        s3_config: Any = s3.meta.config
        sqs_config: Any = sqs.meta.config
        assert (s3_config.connect_timeout, s3_config.read_timeout) == (5, 20)
        assert sqs_config.read_timeout > LONGEST_POLL
        assert s3_config.retries["total_max_attempts"] == sqs_config.retries["total_max_attempts"] == 1
        assert s3.meta.region_name == sqs.meta.region_name == "eu-central-1"


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
