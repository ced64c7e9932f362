from __future__ import annotations

import pytest

from tests.support.fault_proxy import Fault
from tests.unit.delivery.conftest import Cloud
from worker.delivery.object_store import NotFoundError, PreconditionFailedError
from worker.delivery.request_errors import RequestError, classify, watch_requests

KINDS = {
    Fault.ACCESS_DENIED: RequestError.REFUSED,
    Fault.EXPIRED_TOKEN: RequestError.REFUSED,
    Fault.CLOCK_SKEW: RequestError.REFUSED,
    Fault.NO_SUCH_BUCKET: RequestError.REFUSED,
    Fault.THROTTLED: RequestError.THROTTLED,
    Fault.SLOW_DOWN: RequestError.THROTTLED,
    Fault.INTERNAL_ERROR: RequestError.UNAVAILABLE,
    Fault.RESET: RequestError.UNAVAILABLE,
}


@pytest.mark.parametrize("fault", KINDS)
def test_each_failed_request_is_reported_once(cloud: Cloud, fault: Fault) -> None:
    told: list[RequestError] = []
    watch_requests(cloud.s3, told.append)
    watch_requests(cloud.sqs, told.append)
    cloud.proxy.fail(fault)
    for request in (
        lambda: cloud.s3.list_objects_v2(Bucket=cloud.embedded.bucket),
        lambda: cloud.sqs.send_message(QueueUrl=cloud.embedded.jobs_url, MessageBody="{}"),
    ):
        with pytest.raises(Exception):  # noqa: B017 - whatever botocore makes of it
            request()
    assert told == [KINDS[fault]] * 2


def test_answers_to_a_question_are_no_errors(cloud: Cloud) -> None:
    told: list[RequestError] = []
    watch_requests(cloud.s3, told.append)
    store = cloud.store()
    with pytest.raises(NotFoundError):
        store.get("nothing")
    store.put("key", b"1", content_type="text/plain", if_absent=True)
    with pytest.raises(PreconditionFailedError):
        store.put("key", b"2", content_type="text/plain", if_absent=True)
    assert told == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, "", None),
        (404, "NoSuchKey", None),
        (404, "NoSuchBucket", RequestError.REFUSED),
        (409, "ConditionalRequestConflict", None),
        (400, "ThrottlingException", RequestError.THROTTLED),
        (403, "RequestThrottled", RequestError.THROTTLED),
        (403, "AccessDenied", RequestError.REFUSED),
        (500, "InternalError", RequestError.UNAVAILABLE),
    ],
)
def test_an_answer_has_its_kind_of_error(status: int, code: str, kind: RequestError | None) -> None:
    assert classify(status, code) is kind
