from __future__ import annotations

import threading
import time

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
)
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError

from worker.delivery.errors import RefusedError
from worker.delivery.object_store import StoreUnavailableError
from worker.delivery.retries import EXPIRED_TRIES, Retries, RetryPolicy, can_be_retried

QUICK = RetryPolicy(budget=5.0, first_wait=0.001, longest_wait=0.002)


def answer(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "said so"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )


@pytest.mark.parametrize(
    "error",
    [
        answer("InternalError", 500),
        answer("SlowDown", 503),
        answer("ServiceUnavailable", 503),
        answer("RequestTimeout", 400),
        answer("ConditionalRequestConflict", 409),
        answer("AWS.SimpleQueueService.RequestThrottled", 403),
        answer("whatever", 502),
        answer("", 429),
        answer("", 408),
        answer("", 509),
        answer("", 522),
        answer("ThrottlingException", 400),
        answer("KMS.ThrottlingException", 400),
        answer("RequestThrottledException", 400),
        answer("BandwidthLimitExceeded", 400),
        answer("OverLimit", 403),
        answer("BadDigest", 400),
        answer("IncompleteBody", 400),
        answer("OperationAborted", 409),
        answer("IDPCommunicationError", 400),
        CredentialRetrievalError(provider="container-role", error_msg="no answer"),
        MetadataRetrievalError(error_msg="no answer"),
        ProxyConnectionError(proxy_url="http://proxy"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        FlexibleChecksumError(error_msg="Expected checksum x did not match"),
        ResponseParserError("garbled"),
        ReadTimeoutError(endpoint_url="http://s3"),
        ConnectTimeoutError(endpoint_url="http://s3"),
    ],
)
def test_temporary_errors_are_retried(error: Exception) -> None:
    tries = [error, error]

    def request() -> str:
        if tries:
            raise tries.pop()
        return "done"

    assert Retries("S3", StoreUnavailableError, QUICK).call("put x", request) == "done"
    assert tries == []


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (answer("AccessDenied", 403), ClientError),
        (answer("NoSuchKey", 404), ClientError),
        (answer("PreconditionFailed", 412), ClientError),
        (answer("NotImplemented", 501), ClientError),
        (answer("RequestTimeTooSkewed", 403), ClientError),
        (answer("InvalidAccessKeyId", 403), ClientError),
        (answer("InvalidRequest", 400), ClientError),
        (answer("AWS.SimpleQueueService.NonExistentQueue", 400), ClientError),
        (NoCredentialsError(), RefusedError),
        (KeyError("a mistake of ours"), KeyError),
    ],
)
def test_permanent_errors_are_raised_at_once(error: Exception, raised: type[Exception]) -> None:
    tries = 0

    def request() -> None:
        nonlocal tries
        tries += 1
        raise error

    with pytest.raises(raised):
        Retries("S3", StoreUnavailableError, QUICK).call("put x", request)
    assert tries == 1


def test_retries_end_with_the_budget_and_the_message_names_the_cause() -> None:
    def request() -> None:
        raise answer("SlowDown", 503)

    began = time.monotonic()
    policy = RetryPolicy(budget=0.1, first_wait=0.01, longest_wait=0.02)
    with pytest.raises(StoreUnavailableError, match=r"^S3: put x: SlowDown \(HTTP 503\) said so$"):
        Retries("S3", StoreUnavailableError, policy).call("put x", request)
    assert time.monotonic() - began < 5.0


def test_cancelling_ends_a_long_wait() -> None:
    cancelled, waiting = threading.Event(), threading.Event()
    policy = RetryPolicy(budget=3600.0, first_wait=1800.0, longest_wait=1800.0)
    raised: list[Exception] = []

    def request() -> None:
        waiting.set()
        raise answer("SlowDown", 503)

    def call() -> None:
        try:
            Retries("S3", StoreUnavailableError, policy, cancelled).call("put x", request)
        except StoreUnavailableError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert waiting.wait(10)
    cancelled.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(raised) == 1


def test_an_unknown_error_is_not_retried() -> None:
    assert not can_be_retried(ValueError("x"))


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "400"])
def test_a_request_with_expired_credentials_has_a_few_tries(code: str) -> None:
    tries = 0

    def request() -> None:
        nonlocal tries
        tries += 1
        raise answer(code, 400)

    with pytest.raises(ClientError):
        Retries("S3", StoreUnavailableError, QUICK).call("put x", request)
    assert tries == EXPIRED_TRIES
    assert not can_be_retried(answer(code, 400))


def test_every_throttling_of_botocores_own_tables_is_retried() -> None:
    """Those of its legacy mode, which are data, and may be more than those of its standard mode."""
    tables = create_loader().load_data("_retry")
    policies = list(tables["definitions"].values())
    for service in ("__default__", "s3", "sqs"):
        of_service = tables["retry"][service]
        policies += (of_service.get("policies") or of_service["__default__"]["policies"]).values()
    checked = 0
    for policy in policies:
        when = policy.get("applies_when", {}).get("response")
        if when:
            error = answer(when.get("service_error_code", ""), when["http_status_code"])
            assert can_be_retried(error), when
            checked += 1
    assert checked >= 12
