from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.support.fault_proxy import (
    Answer,
    AnswerChange,
    Exchange,
    Fault,
    Refusal,
    Request,
    RequestChange,
    is_s3_write,
    key_has,
)
from tests.unit.delivery.conftest import IMPATIENT, Cloud
from worker.delivery.aws_clients import Aws, s3_client
from worker.delivery.conformance import StoreLacksError, check_access, check_store, is_s3_itself
from worker.delivery.errors import RefusedError
from worker.delivery.object_store import S3Store, StoreUnavailableError

PREFIX = "production"


def left(cloud: Cloud) -> list[str]:
    cloud.proxy.reset()
    return [item.key for item in cloud.store().list("")]


@pytest.mark.parametrize("scheme", ["http", "https"], indirect=True)
@pytest.mark.parametrize("check", [check_store, check_access])
@pytest.mark.parametrize("prefix", ["", "production", "/a/b/"])
def test_s3_passes_and_nothing_is_left(
    cloud: Cloud, check: Callable[[S3Store, str], None], prefix: str
) -> None:
    check(cloud.store(), prefix)
    folder = f"{prefix.strip('/')}/bots/_probe/".lstrip("/")
    assert {
        request.key.partition("_probe/")[0] + "_probe/" for request in cloud.proxy.seen if request.key
    } == {folder}
    assert len(cloud.proxy.seen) <= 25
    assert left(cloud) == []
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=cloud.embedded.bucket)


def ignoring(header: str, *methods: str) -> RequestChange:
    def change(exchange: Exchange) -> Exchange:
        return exchange.without(header) if exchange.request.method in methods else exchange

    return change


def not_implementing(exchange: Exchange) -> Exchange | Refusal:
    if exchange.header("If-Match") is None:
        return exchange
    return Refusal(
        501, "NotImplemented", "A header you provided implies functionality that is not implemented"
    )


def always_refusing(header: str) -> RequestChange:
    def change(exchange: Exchange) -> Exchange | Refusal:
        if exchange.header(header) is None:
            return exchange
        return Refusal(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")

    return change


LACKS: list[tuple[str, RequestChange, str]] = [
    (
        "If-None-Match",
        ignoring("If-None-Match", "PUT"),
        "S3: the store ignores If-None-Match: two workers could record one meeting; "
        "expected HTTP 412 for a write where there is an object",
    ),
    (
        "If-Match",
        ignoring("If-Match", "PUT"),
        "S3: the store ignores If-Match: two workers could record one meeting; "
        "expected HTTP 412 for a write over an old ETag",
    ),
    (
        "If-None-Match of parts",
        ignoring("If-None-Match", "POST"),
        "S3: the store ignores If-None-Match of an upload in parts: a worker could overwrite the files of another; "
        "expected HTTP 412 for CompleteMultipartUpload where there is an object",
    ),
    (
        "If-None-Match always refused",
        always_refusing("If-None-Match"),
        "refuses If-None-Match for a new object",
    ),
    ("If-Match always refused", always_refusing("If-Match"), "refuses If-Match with the current ETag"),
]


@pytest.mark.parametrize(("change", "message"), [lack[1:] for lack in LACKS], ids=[lack[0] for lack in LACKS])
def test_a_store_without_conditions_is_named(cloud: Cloud, change: RequestChange, message: str) -> None:
    cloud.proxy.change_requests(change)
    with pytest.raises(StoreLacksError, match=re.escape(message)):
        check_store(cloud.store(), PREFIX)
    check_access(cloud.store(), PREFIX)
    assert left(cloud) == []


def test_a_store_that_writes_where_the_expected_object_is_gone_is_named(cloud: Cloud) -> None:
    writes: list[Exchange] = []

    def change(exchange: Exchange) -> Exchange:
        if exchange.header("If-Match") is not None:
            writes.append(exchange)
        return exchange.without("If-Match") if len(writes) == 3 else exchange

    cloud.proxy.change_requests(change)
    with pytest.raises(StoreLacksError, match="expected HTTP 404 or 412 where there is no object"):
        check_store(cloud.store(), PREFIX)


def test_a_refusal_of_a_condition_is_no_success(cloud: Cloud) -> None:
    cloud.proxy.change_requests(not_implementing)
    with pytest.raises(RefusedError, match=r"_probe/.*NotImplemented \(HTTP 501\) A header"):
        check_store(cloud.store(), PREFIX)


def of_method(method: str, wanted: AnswerChange) -> AnswerChange:
    return lambda request, answer: wanted(request, answer) if request.method == method else answer


ANSWERS: list[tuple[str, AnswerChange, str]] = [
    ("no ETag", lambda _, answer: answer.without("ETag"), "the store gives no ETag: leases need it"),
    (
        "other bytes",
        of_method("GET", lambda request, answer: answer._replace(body=b"x" * 16) if request.key else answer),
        "the store does not return what was written",
    ),
    (
        "another ETag",
        of_method(
            "GET",
            lambda _, answer: answer.without("ETag")._replace(headers=[*answer.headers, ("ETag", '"x"')]),
        ),
        "the store does not return what was written",
    ),
    (
        "nothing listed",
        of_method(
            "GET",
            lambda request, answer: (
                answer
                if request.key
                else answer._replace(
                    body=re.sub(rb"<Contents>.*</Contents>", b"", answer.body, flags=re.DOTALL)
                )
            ),
        ),
        "the store does not list what was written: recordings could not be recovered",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), [answer[1:] for answer in ANSWERS], ids=[answer[0] for answer in ANSWERS]
)
def test_a_store_that_does_not_return_or_list_what_was_written_is_named(
    cloud: Cloud, change: AnswerChange, message: str
) -> None:
    def without_checksums(request: Request, answer: Answer) -> Answer:
        return answer.without("x-amz-checksum-crc32", "x-amz-checksum-type")

    cloud.proxy.change_answers(without_checksums)
    cloud.proxy.change_answers(change)
    with pytest.raises(StoreLacksError, match=message):
        check_access(cloud.store(), PREFIX)


@pytest.mark.parametrize(
    ("fault", "raised", "message"),
    [
        (Fault.NO_SUCH_BUCKET, RefusedError, "NoSuchBucket"),
        (Fault.ACCESS_DENIED, RefusedError, "AccessDenied"),
        (Fault.SLOW_DOWN, StoreUnavailableError, "SlowDown"),
    ],
)
def test_the_stores_own_errors_are_raised(
    cloud: Cloud, fault: Fault, raised: type[Exception], message: str
) -> None:
    cloud.proxy.fail(fault)
    for check in (check_store, check_access):
        with pytest.raises(raised, match=message) as caught:
            check(cloud.store(IMPATIENT), PREFIX)
        assert not isinstance(caught.value, StoreLacksError)


def test_a_store_that_refuses_to_delete_is_only_warned_of(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.proxy.fail(
        Fault.ACCESS_DENIED, matches=lambda request: is_s3_write(request) and request.method == "DELETE"
    )
    check_access(cloud.store(), PREFIX)
    assert "were not deleted: S3: delete production/bots/_probe/" in caplog.text


def test_two_checks_at_once_do_not_disturb_each_other(cloud: Cloud) -> None:
    checked: list[str] = []

    def another(exchange: Exchange) -> Exchange:
        if not checked and key_has("/conditions")(exchange.request):
            checked.append("")
            check_store(cloud.store(), PREFIX)
        return exchange

    cloud.proxy.change_requests(another)
    check_store(cloud.store(), PREFIX)
    assert checked == [""]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, True),
        ("https://s3.eu-central-1.amazonaws.com", True),
        ("https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", True),
        ("https://minio.example:9000", False),
        ("https://amazonaws.com.example", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_s3_itself_is_known_by_the_host(endpoint: str | None, expected: bool) -> None:
    with closing(s3_client(Aws(endpoint_url=endpoint, region="eu-central-1"))) as s3:
        assert is_s3_itself(S3Store(s3, "recordings")) == expected
