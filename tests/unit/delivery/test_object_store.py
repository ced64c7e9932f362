from __future__ import annotations

import os
import re
import threading
import urllib.error
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import moto.s3.models
import msgspec
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from tests.support.fault_proxy import OUTAGES, Answer, AnswerChange, Exchange, Fault, Refusal, Request
from tests.unit.delivery.conftest import IMPATIENT, PATIENT, Cloud
from worker.delivery import multipart
from worker.delivery.aws_clients import s3_client
from worker.delivery.errors import IncompleteAnswerError, RefusedError
from worker.delivery.object_store import (
    EmptyWriteError,
    NotFoundError,
    PreconditionFailedError,
    S3Store,
    StoreUnavailableError,
)
from worker.delivery.patient_store import PatientStore
from worker.settings import Encryption


def with_headers(**headers: str | None) -> AnswerChange:
    """Answers with these headers, without those that are None."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}

    def change(request: Request, answer: Answer) -> Answer:
        added = [(name, value) for name, value in changed.items() if value is not None]
        return answer.without(*changed)._replace(headers=[*answer.without(*changed).headers, *added])

    return change


pytestmark = pytest.mark.parametrize("scheme", ["http", "https"], indirect=True)

SHORT_PART = 256 * 1024


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two full parts and one more byte, where parts may be short: to send whole ones takes half a second."""
    monkeypatch.setattr(multipart, "PART_BYTES", SHORT_PART)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", SHORT_PART)
    return large_file(tmp_path)


def large_file(folder: Path) -> Path:
    path = folder / "large.wav"
    path.write_bytes(os.urandom(2 * multipart.PART_BYTES + 1))
    return path


def test_get_and_download_return_what_was_put(store: S3Store, tmp_path: Path) -> None:
    etag = store.put("a/b", b"one", content_type="text/plain")
    assert store.get("a/b")[:2] == (b"one", etag)
    (tmp_path / "in").write_bytes(b"two")
    store.put("a/b", tmp_path / "in", content_type="text/plain")
    store.download("a/b", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"two"


def test_get_unless_reads_only_another_version(store: S3Store, cloud: Cloud) -> None:
    with pytest.raises(NotFoundError):
        store.get_unless("key", None)
    etag = store.put("key", b"one", content_type="text/plain")
    for patient in (store, PatientStore(store, 1.0, threading.Event(), lambda _: None)):
        assert patient.get_unless("key", etag) is None
    changed = store.put("key", b"two", content_type="text/plain")
    for known in (None, etag):
        found = store.get_unless("key", known)
        assert found is not None
        assert found[:2] == (b"two", changed)


def test_objects_are_checksummed_and_typed(cloud: Cloud, large: Path) -> None:
    store = cloud.store()
    store.put("small", b"x", content_type="application/json")
    store.put("large", large, content_type="audio/wav")
    for key, content_type in [("small", "application/json"), ("large", "audio/wav")]:
        head = cloud.s3.head_object(Bucket=cloud.embedded.bucket, Key=key, ChecksumMode="ENABLED")
        assert head["ContentType"] == content_type
        assert "ServerSideEncryption" not in head
    small = cloud.s3.head_object(Bucket=cloud.embedded.bucket, Key="small", ChecksumMode="ENABLED")
    assert small["ChecksumCRC32"]


def without_encryption(exchange: Exchange) -> Exchange | Refusal:
    """As MinIO without a KMS answers (https://github.com/minio/minio/issues/6367)."""
    if any(name.lower().startswith("x-amz-server-side-encryption") for name in exchange.headers):
        return Refusal(501, "NotImplemented", "Server side encryption specified but KMS is not configured")
    return exchange


def test_a_store_without_encryption_is_never_asked_for_it(cloud: Cloud, large: Path) -> None:
    cloud.proxy.change_requests(without_encryption)
    store = cloud.store()
    etag = store.put("a", b"x", content_type="text/plain", if_absent=True)
    store.put("a", b"y", content_type="text/plain", if_match=etag)
    store.put("empty", b"", content_type="text/plain")
    store.put("large", large, content_type="audio/wav", if_absent=True)
    asking = S3Store(cloud.s3, cloud.embedded.bucket, encryption=Encryption(algorithm="AES256"))
    with pytest.raises(RefusedError, match="KMS is not configured"):
        asking.put("b", b"x", content_type="text/plain")


@pytest.mark.parametrize(
    ("encryption", "expected"),
    [
        (Encryption(algorithm="AES256"), ("AES256", None)),
        (Encryption(algorithm="aws:kms"), ("aws:kms", None)),
        (Encryption(algorithm="aws:kms", kms_key_id="alias/recordings"), ("aws:kms", "alias/recordings")),
    ],
)
def test_objects_are_encrypted_as_the_settings_ask(
    cloud: Cloud, large: Path, encryption: Encryption, expected: tuple[str, str | None]
) -> None:
    asked: list[tuple[str | None, str | None]] = []

    def note(exchange: Exchange) -> Exchange:
        if exchange.request.method == "PUT" or exchange.request.path.endswith("?uploads"):
            algorithm = exchange.header("x-amz-server-side-encryption")
            asked.append((algorithm, exchange.header("x-amz-server-side-encryption-aws-kms-key-id")))
        return exchange

    cloud.proxy.change_requests(note)
    store = S3Store(cloud.s3, cloud.embedded.bucket, encryption=encryption).within(30)
    store.put("small", b"x", content_type="text/plain")
    store.put("large", large, content_type="audio/wav")
    parts = [(None, None)] * 3
    assert sorted(asked, key=str) == sorted([expected, expected, *parts], key=str)
    assert (
        cloud.s3.head_object(Bucket=cloud.embedded.bucket, Key="small")["ServerSideEncryption"] == expected[0]
    )


def test_if_absent_writes_once(store: S3Store) -> None:
    store.put("a", b"first", content_type="text/plain", if_absent=True)
    with pytest.raises(PreconditionFailedError, match="put a"):
        store.put("a", b"second", content_type="text/plain", if_absent=True)
    assert store.get("a").data == b"first"


def test_if_match_writes_over_the_expected_version_only(store: S3Store) -> None:
    old = store.put("a", b"1", content_type="text/plain")
    new = store.put("a", b"2", content_type="text/plain", if_match=old)
    with pytest.raises(PreconditionFailedError):
        store.put("a", b"3", content_type="text/plain", if_match=old)
    assert store.get("a")[:2] == (b"2", new)


def test_if_match_fails_where_the_object_is_gone(store: S3Store) -> None:
    etag = store.put("a", b"1", content_type="text/plain")
    store.delete("a")
    with pytest.raises(PreconditionFailedError):
        store.put("a", b"2", content_type="text/plain", if_match=etag)


def test_an_empty_object_never_replaces_another(store: S3Store, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    store.put("new", empty, content_type="text/plain")
    assert store.get("new").data == b""
    etag = store.put("full", b"recording", content_type="text/plain")
    for if_match in (None, etag):
        with pytest.raises(EmptyWriteError, match="put full"):
            store.put("full", empty, content_type="text/plain", if_match=if_match)
    with pytest.raises(PreconditionFailedError):
        store.put("full", b"", content_type="text/plain", if_absent=True)
    assert store.get("full").data == b"recording"


def test_a_large_file_is_uploaded_in_parts_only_if_absent(cloud: Cloud, tmp_path: Path) -> None:
    large = large_file(tmp_path)  # in parts that are not too short for S3
    store = cloud.store()
    store.put("large", large, content_type="audio/wav", if_absent=True)
    store.download("large", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == large.read_bytes()
    assert len([request for request in cloud.proxy.seen if "partNumber=" in request.path]) == 3
    with pytest.raises(PreconditionFailedError):
        store.put("large", large, content_type="audio/wav", if_absent=True)
    assert len([request for request in cloud.proxy.seen if "partNumber=" in request.path]) == 3
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=cloud.embedded.bucket)


def test_a_large_upload_does_not_overwrite_an_object_written_meanwhile(cloud: Cloud, large: Path) -> None:
    store = cloud.store()
    cloud.proxy.fail(Fault.HANG, matches=lambda request: "partNumber=3" in request.path)
    raised: list[Exception] = []

    def put() -> None:
        try:
            store.put("large", large, content_type="audio/wav", if_absent=True)
        except PreconditionFailedError as error:
            raised.append(error)

    slow = threading.Thread(target=put)
    slow.start()
    cloud.proxy.wait_for_failures(1)
    store.put("large", b"from another", content_type="audio/wav", if_absent=True)
    cloud.proxy.recover()
    slow.join(30)
    assert len(raised) == 1
    assert store.get("large").data == b"from another"
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=cloud.embedded.bucket)


@pytest.mark.parametrize("fault", OUTAGES)
def test_a_write_survives_an_outage_and_happens_once(cloud: Cloud, fault: Fault) -> None:
    store = cloud.store()
    if fault is Fault.HANG:
        cloud.proxy.fail(fault)
        threading.Timer(0.2, cloud.proxy.recover).start()
    else:
        cloud.proxy.fail(fault, times=4)
    etag = store.put("a", b"data", content_type="text/plain", if_absent=True)
    assert cloud.proxy.failed >= 1
    assert store.get("a")[:2] == (b"data", etag)


@pytest.mark.parametrize("fault", [Fault.INTERNAL_ERROR, Fault.RESET, Fault.LOST_ANSWER])
@pytest.mark.parametrize("hit", ["uploads", "partNumber=2", "uploadId="])
def test_a_large_file_survives_an_outage_at_any_step(
    cloud: Cloud, large: Path, fault: Fault, hit: str
) -> None:
    store = cloud.store()
    cloud.proxy.fail(fault, times=3, matches=lambda request: hit in request.path)
    etag = store.put("large", large, content_type="audio/wav", if_absent=True)
    assert cloud.proxy.failed == 3
    assert store.get("large")[:2] == (large.read_bytes(), etag)


def test_a_request_is_retried_after_the_read_time_out(cloud: Cloud) -> None:
    aws = cloud.embedded.aws
    assert aws.credentials is not None
    config = cloud.s3.meta.config.merge(Config(read_timeout=0.2))
    with closing(
        boto3.session.Session(
            aws.credentials.access_key_id, aws.credentials.secret_access_key, region_name=aws.region
        ).client("s3", endpoint_url=cloud.proxy.url, config=config)
    ) as s3:
        store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
        cloud.proxy.fail(Fault.HANG, times=2)
        store.put("a", b"data", content_type="text/plain", if_absent=True)
    assert cloud.proxy.failed == 2


def test_a_write_with_if_match_succeeds_after_a_lost_answer(cloud: Cloud) -> None:
    store = cloud.store()
    old = store.put("a", b"1", content_type="text/plain")
    cloud.proxy.fail(Fault.LOST_ANSWER, times=1)
    new = store.put("a", b"2", content_type="text/plain", if_match=old)
    assert store.get("a")[:2] == (b"2", new)


def test_requests_raise_after_an_outage_longer_than_the_budget(
    cloud: Cloud, large: Path, tmp_path: Path
) -> None:
    cloud.proxy.fail(Fault.SLOW_DOWN)
    store = cloud.store(IMPATIENT)
    for do in (
        lambda: store.put("a", b"1", content_type="text/plain"),
        lambda: store.put("a", large, content_type="text/plain"),
        lambda: store.get("a"),
        lambda: store.download("a", tmp_path / "a"),
        lambda: store.list(""),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreUnavailableError, match=r"S3: .*SlowDown"):
            do()
    assert not (tmp_path / "a").exists()


def test_within_shortens_the_retries(cloud: Cloud) -> None:
    cloud.proxy.fail(Fault.RESET)
    with pytest.raises(StoreUnavailableError):
        cloud.store().within(0.1).get("a")


def test_a_failed_part_leaves_no_upload_behind(cloud: Cloud, large: Path) -> None:
    cloud.proxy.fail(Fault.INTERNAL_ERROR, matches=lambda request: "partNumber=2" in request.path)
    with pytest.raises(StoreUnavailableError, match="part 2 of large"):
        cloud.store(IMPATIENT).put("large", large, content_type="audio/wav")
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=cloud.embedded.bucket)
    with pytest.raises(NotFoundError):
        cloud.store().get("large")


def test_a_broken_download_is_retried_and_leaves_no_partial_file(
    cloud: Cloud, large: Path, tmp_path: Path
) -> None:
    store = cloud.store()
    store.put("large", large, content_type="audio/wav")
    cloud.proxy.fail(Fault.LOST_ANSWER, times=2, matches=lambda request: request.method == "GET")
    store.download("large", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == large.read_bytes()
    with pytest.raises(NotFoundError):
        store.download("missing", tmp_path / "missing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.wav", "out"]


def test_get_raises_for_a_missing_object_but_delete_does_not(store: S3Store) -> None:
    with pytest.raises(NotFoundError, match="get a"):
        store.get("a")
    store.delete("a")


def test_requests_raise_refused_error_for_a_missing_bucket(cloud: Cloud) -> None:
    store = S3Store(cloud.s3, "no-such-bucket")
    for do in (lambda: store.get("a"), lambda: store.put("a", b"1", content_type="text/plain")):
        with pytest.raises(RefusedError, match="NoSuchBucket"):
            do()


def test_get_returns_the_age_by_the_stores_clock(cloud: Cloud) -> None:
    store = cloud.store()
    store.put("a", b"1", content_type="text/plain")
    age = store.get("a").age
    assert age is not None
    assert 0 <= age < 30
    written = "Thu, 26 Nov 2026 07:00:00 GMT"
    for answered, expected in [
        ("Thu, 26 Nov 2026 07:00:45 GMT", 45.0),
        ("Thu, 26 Nov 2026 06:59:59 GMT", 0.0),
        ("Fri, 27 Nov 2026 07:00:00 -0000", 86_400.0),
        ("yesterday", None),
        (None, None),
    ]:
        cloud.proxy.reset()
        cloud.proxy.change_answers(with_headers(Date=answered, Last_Modified=written))
        assert store.get("a") == (b"1", store.get("a").etag, expected)
    for modified in (None, "yesterday", "0"):
        cloud.proxy.reset()
        cloud.proxy.change_answers(with_headers(Last_Modified=modified))
        assert store.get("a")[::2] == (b"1", None)


def test_list_returns_the_objects_under_a_prefix(store: S3Store) -> None:
    for key in ("b/2", "b/1", "c/1"):
        store.put(key, key.encode(), content_type="text/plain")
    assert [(item.key, item.size) for item in store.list("b/")] == [("b/1", 3), ("b/2", 3)]
    modified = store.list("b/")[0].modified
    assert modified is not None
    assert abs(modified - datetime.now(UTC).timestamp()) < 60


def test_list_reads_all_pages(cloud: Cloud) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    with Stubber(cloud.s3) as stub:
        for key, more in (
            ("a", {"IsTruncated": True, "NextContinuationToken": "t"}),
            ("b", {"IsTruncated": False}),
        ):
            after = {} if key == "a" else {"ContinuationToken": "t"}
            page = {"Contents": [{"Key": key, "Size": 1, "LastModified": when}], **more}
            stub.add_response(
                "list_objects_v2", page, {"Bucket": cloud.embedded.bucket, "Prefix": "p", **after}
            )
        assert [item.key for item in cloud.store().list("p")] == ["a", "b"]


def test_a_presigned_url_needs_no_credentials(cloud: Cloud) -> None:
    store = cloud.store()
    store.put("a", b"data", content_type="audio/webm")
    url = store.presign("a", 600, filename='Zoë "1" 50%.webm')
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"data"
        assert answer.headers["Content-Type"] == "audio/webm"
        plain, encoded = answer.headers["Content-Disposition"].split("; ")[1:]
        assert plain == 'filename="Zo_ _1_ 50_.webm"'
        assert unquote(encoded.removeprefix("filename*=UTF-8''")) == 'Zoë "1" 50%.webm'
    assert "X-Amz-Expires=600" in url
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(store.presign("b", 600)).close()


def test_put_raises_for_a_file_that_shrinks_during_the_upload(cloud: Cloud, large: Path) -> None:
    def shrinks(request: Request) -> bool:
        large.write_bytes(b"short")
        return False

    cloud.proxy.fail(Fault.RESET, matches=shrinks)
    with pytest.raises(multipart.SourceChangedError):
        cloud.store().put("large", large, content_type="audio/wav")


def test_put_raises_for_contradicting_conditions(store: S3Store) -> None:
    with pytest.raises(ValueError, match="exclude"):
        store.put("a", b"1", content_type="text/plain", if_absent=True, if_match="x")


CHECKSUM_HEADERS = ("x-amz-checksum-", "x-amz-sdk-checksum-algorithm", "x-amz-trailer")


def checksum_headers(cloud: Cloud) -> list[str]:
    """Fills with the headers of checksums in the requests that follow."""
    seen: list[str] = []

    def note(exchange: Exchange) -> Exchange:
        seen.extend(name for name in exchange.headers if name.lower().startswith(CHECKSUM_HEADERS))
        return exchange

    cloud.proxy.change_requests(note)
    return seen


def test_over_https_checksums_follow_the_body_as_in_production(
    cloud: Cloud, large: Path, scheme: str
) -> None:
    payloads: set[str | None] = set()

    def note(exchange: Exchange) -> Exchange:
        if exchange.request.method == "PUT":
            trailer = exchange.header("x-amz-trailer")
            payloads.add(trailer and f"{trailer} {exchange.header('x-amz-content-sha256')}")
        return exchange

    cloud.proxy.change_requests(note)
    store = cloud.store()
    store.put("small", b"x", content_type="text/plain")
    store.put("large", large, content_type="audio/wav")
    in_trailer = "x-amz-checksum-crc32 STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert payloads == {in_trailer if scheme == "https" else None}


def test_checksums_are_sent_only_where_botocores_settings_say_so(
    cloud: Cloud, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = checksum_headers(cloud)
    store = cloud.store()
    store.put("small", b"x", content_type="text/plain")
    store.put("large", large, content_type="audio/wav")
    assert seen
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    seen.clear()
    aws = msgspec.structs.replace(cloud.embedded.aws, endpoint_url=cloud.proxy.url)
    with closing(s3_client(aws)) as s3:
        store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
        etag = store.put("small", b"y", content_type="text/plain", if_match=store.get("small").etag)
        assert store.get("small")[:2] == (b"y", etag)
        store.put("larger", large, content_type="audio/wav", if_absent=True)
        assert store.get("larger").data == large.read_bytes()
        store.delete("larger")
    assert seen == []


def without(*texts: str) -> AnswerChange:
    """Answers without these headers and elements of XML."""

    def change(request: Request, answer: Answer) -> Answer:
        body = answer.body
        if (answer.header("Content-Type") or "").startswith(
            ("application/xml", "text/xml")
        ) or b"<?xml" in body:
            for text in texts:
                body = re.sub(f"<{text}>[^<]*</{text}>".encode(), b"", body)
        return answer.without(*texts)._replace(body=body)

    return change


def test_an_upload_in_parts_ends_with_the_checksums_of_its_parts(cloud: Cloud, large: Path) -> None:
    """S3 refuses the last request without them if the first named an algorithm."""
    last: list[bytes] = []

    def note(exchange: Exchange) -> Exchange:
        if exchange.request.method == "POST" and "uploadId=" in exchange.request.path:
            last.append(exchange.body)
        return exchange

    cloud.proxy.change_requests(note)
    cloud.store().put("large", large, content_type="audio/wav")
    assert last[0].count(b"<ChecksumCRC32>") == last[0].count(b"<ETag>") == 3


def replacing(pattern: bytes, replacement: bytes) -> AnswerChange:
    return lambda _, answer: answer._replace(body=re.sub(pattern, replacement, answer.body))


def test_answers_without_checksums_do_not_fail_an_upload_in_parts(cloud: Cloud, large: Path) -> None:
    cloud.proxy.change_answers(without("x-amz-checksum-crc32", "x-amz-checksum-type", "ChecksumCRC32"))
    store = cloud.store()
    store.put("large", large, content_type="audio/wav", if_absent=True)
    assert store.get("large").data == large.read_bytes()


def test_without_etags_objects_are_written_and_only_conditions_are_refused(
    cloud: Cloud, tmp_path: Path
) -> None:
    cloud.proxy.change_answers(without("ETag"))
    store = cloud.store()
    assert store.put("a", b"1", content_type="text/plain") == ""
    assert store.get("a")[:2] == (b"1", "")
    store.download("a", tmp_path / "a")
    with pytest.raises(IncompleteAnswerError, match="gave no ETag, which a write with If-Match needs"):
        store.put("a", b"2", content_type="text/plain", if_match=store.get("a").etag)
    assert store.get("a").data == b"1"


def test_an_etag_that_only_the_answer_of_a_write_lacks_is_read(cloud: Cloud, large: Path) -> None:
    def change(request: Request, answer: Answer) -> Answer:
        return (
            answer
            if request.method in {"GET", "HEAD"} or "partNumber" in request.path
            else without("ETag")(request, answer)
        )

    cloud.proxy.change_answers(change)
    store = cloud.store()
    for data in (b"1", large):
        assert store.put("a", data, content_type="text/plain") == store.get("a").etag != ""


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("UploadId", "begin large: the answer has no UploadId"),
        ("ETag", "part 1 of large: the answer has no ETag"),
    ],
)
def test_an_upload_in_parts_names_what_an_answer_lacks(
    cloud: Cloud, large: Path, missing: str, expected: str
) -> None:
    cloud.proxy.change_answers(without(missing))
    with pytest.raises(IncompleteAnswerError, match=expected):
        cloud.store().put("large", large, content_type="audio/wav")


def test_list_needs_only_the_keys(cloud: Cloud) -> None:
    store = cloud.store()
    store.put("a", b"12", content_type="text/plain")
    store.put("b", b"1", content_type="text/plain")
    cloud.proxy.change_answers(
        without("IsTruncated", "LastModified", "Size", "ETag", "StorageClass", "KeyCount")
    )
    assert store.list("") == [("a", 0, None), ("b", 0, None)]
    cloud.proxy.reset()
    cloud.proxy.change_answers(replacing(b"<LastModified>[^<]*<", b"<LastModified>yesterday<"))
    assert [(item.key, item.modified) for item in store.list("")] == [("a", None), ("b", None)]
    cloud.proxy.change_answers(without("Key", "EncodingType"))
    with pytest.raises(IncompleteAnswerError, match="list : the answer has no Key"):
        store.list("")


@pytest.mark.parametrize("page", [{"IsTruncated": True}, {"IsTruncated": True, "NextContinuationToken": "t"}])
def test_list_does_not_take_a_part_for_the_whole(cloud: Cloud, page: dict[str, Any]) -> None:
    with Stubber(cloud.s3) as stub:
        for _ in range(2):
            stub.add_response("list_objects_v2", {"Contents": [{"Key": "a"}], **page})
        with pytest.raises(IncompleteAnswerError, match="truncated and has no next page"):
            cloud.store().list("p")


def test_list_goes_on_with_a_token_alone(cloud: Cloud) -> None:
    with Stubber(cloud.s3) as stub:
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "a"}], "NextContinuationToken": "t"})
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "b"}]})
        assert [item.key for item in cloud.store().list("p")] == ["a", "b"]


def test_our_own_write_is_recognised_where_a_store_changes_the_case_of_metadata(cloud: Cloud) -> None:
    def change(request: Request, answer: Answer) -> Answer:
        headers = [
            ("X-Amz-Meta-Write-Id" if name == "x-amz-meta-write-id" else name, value)
            for name, value in answer.headers
        ]
        return answer._replace(headers=headers)

    store = cloud.store()
    old = store.put("a", b"1", content_type="text/plain")
    cloud.proxy.change_answers(change)
    cloud.proxy.fail(Fault.LOST_ANSWER, times=1)
    new = store.put("a", b"2", content_type="text/plain", if_match=old)
    assert store.get("a")[:2] == (b"2", new)


def test_blocks_are_the_part_that_is_asked_for(store: S3Store) -> None:
    data = bytes(range(256)) * 10_000
    store.put("a", data, content_type="audio/webm")
    store.put("empty", b"", content_type="audio/webm")
    for start, length in ((0, None), (5, None), (5, 10), (1_000_000, 1_200_000), (0, len(data)), (7, 0)):
        end = None if length is None else start + length
        assert b"".join(store.blocks("a", start, length)) == data[start:end]
    assert b"".join(store.blocks("empty")) == b""
    with pytest.raises(NotFoundError):
        next(store.blocks("missing"))


def test_pages_of_a_listing_begin_after_a_key(store: S3Store) -> None:
    for name in ("a/1", "a/2", "a/3", "b/1"):
        store.put(name, b"1", content_type="text/plain")
    assert [item.key for item in store.page("a/", "", 2)] == ["a/1", "a/2"]
    assert [item.key for item in store.page("a/", "a/2", 2)] == ["a/3"]
    assert store.page("a/", "a/3", 2) == []
