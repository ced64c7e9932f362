from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from tests.support.fault_proxy import Fault, is_s3, is_sqs, key_ends, key_has, sqs_action
from tests.unit.delivery.conftest import IMPATIENT, PATIENT, Cloud
from worker.delivery.errors import RefusedError, error_code, http_status
from worker.delivery.jobs_queue import QueueUnavailableError

CODES = [
    (Fault.INTERNAL_ERROR, ("InternalError", 500), ("InternalFailure", 500)),
    (Fault.SLOW_DOWN, ("SlowDown", 503), ("ServiceUnavailable", 503)),
    (Fault.THROTTLED, ("SlowDown", 503), ("RequestThrottled", 403)),
    (Fault.ACCESS_DENIED, ("AccessDenied", 403), ("AccessDenied", 400)),
    (Fault.EXPIRED_TOKEN, ("ExpiredToken", 400), ("ExpiredToken", 400)),
    (Fault.CLOCK_SKEW, ("RequestTimeTooSkewed", 403), ("SignatureDoesNotMatch", 403)),
    (Fault.NO_SUCH_BUCKET, ("NoSuchBucket", 404), ("NonExistentQueue", 400)),
]


@pytest.mark.parametrize(("fault", "s3", "sqs"), CODES)
def test_error_code_and_http_status_of_the_services_errors(
    cloud: Cloud, fault: Fault, s3: tuple[str, int], sqs: tuple[str, int]
) -> None:
    cloud.proxy.fail(fault)
    with pytest.raises(ClientError) as of_s3:
        cloud.s3.put_object(Bucket=cloud.embedded.bucket, Key="a", Body=b"1")
    with pytest.raises(ClientError) as of_sqs:
        cloud.sqs.send_message(QueueUrl=cloud.embedded.jobs_url, MessageBody="{}")
    assert (error_code(of_s3.value), http_status(of_s3.value)) == s3
    assert (error_code(of_sqs.value), http_status(of_sqs.value)) == sqs


def test_one_service_may_fail_without_the_other(cloud: Cloud) -> None:
    store, jobs = cloud.store(IMPATIENT), cloud.jobs(IMPATIENT)
    cloud.proxy.fail(Fault.ACCESS_DENIED, matches=is_s3)
    jobs.send("{}")
    with pytest.raises(RefusedError, match="AccessDenied"):
        store.get("a")
    cloud.proxy.fail(Fault.INTERNAL_ERROR, matches=is_sqs)
    store.put("a", b"1", content_type="text/plain")
    with pytest.raises(QueueUnavailableError):
        jobs.send("{}")


def test_several_faults_at_once_each_for_its_requests(cloud: Cloud) -> None:
    store, jobs = cloud.store(PATIENT), cloud.jobs(PATIENT)
    cloud.proxy.fail(Fault.ACCESS_DENIED, matches=key_ends("lease.json"))
    cloud.proxy.also_fail(Fault.NO_SUCH_BUCKET, matches=key_has("/tape/"))
    cloud.proxy.also_fail(Fault.ACCESS_DENIED, matches=sqs_action("ReceiveMessage"))
    cloud.proxy.also_fail(Fault.LATENCY, seconds=0.2, matches=key_ends("bot.json"))
    with pytest.raises(RefusedError, match="AccessDenied"):
        store.put("bots/b/lease.json", b"1", content_type="text/plain")
    with pytest.raises(RefusedError, match="NoSuchBucket"):
        store.put("bots/b/tape/part", b"1", content_type="text/plain")
    jobs.send("{}")
    with pytest.raises(RefusedError, match="AccessDenied"):
        jobs.receive(0)
    began = time.monotonic()
    store.put("bots/b/bot.json", b"1", content_type="text/plain")
    assert time.monotonic() - began >= 0.2
