from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from tests.support.job_parts import result_of
from worker.contracts.status import OutcomeKind
from worker.delivery.aws_clients import s3_client
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.embedded_aws import embedded_aws
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy
from worker.jobs.result_file import keep_result, read_result

KEYS = bot_keys("team", "bot-1")


@pytest.fixture
def store() -> Iterator[S3Store]:
    with embedded_aws() as embedded, closing(s3_client(embedded.aws)) as s3:
        yield S3Store(s3, embedded.bucket, retry=RetryPolicy(budget=10.0))


def test_the_first_result_is_kept(store: S3Store) -> None:
    first, second = result_of(OutcomeKind.RECORDED), result_of(OutcomeKind.FAILED)
    assert read_result(store, KEYS) is None
    assert keep_result(store, KEYS, first) == first
    assert keep_result(store, KEYS, second) == first
    assert read_result(store, KEYS) == first
    body = store.get(f"{KEYS.folder}result.json").data
    assert body.endswith(b"\n}\n")
    assert msgspec.json.decode(body)["outcome"] == "recorded"
