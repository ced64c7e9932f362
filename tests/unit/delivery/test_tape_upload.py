from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.fault_proxy import REFUSALS, Fault
from tests.support.tape_samples import a_meeting
from tests.support.uploaded_tapes import ATTEMPT_KEYS, some_parts
from tests.unit.delivery.conftest import IMPATIENT, Cloud
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy
from worker.delivery.tape_upload import TapeUpload
from worker.tape.writer import TapeWriter


def test_drain_waits_until_the_tape_is_in_the_store(store: S3Store, tmp_path: Path) -> None:
    with closing(TapeUpload(store, ATTEMPT_KEYS)) as upload:
        with TapeWriter(tmp_path, upload.part_closed) as tape:
            for at, event in a_meeting(12):
                tape.write(event, at)
        assert upload.drain(20)
        parts = sorted(tmp_path.iterdir())
        assert [item.key for item in store.list(ATTEMPT_KEYS.tape)] == [
            ATTEMPT_KEYS.tape_part(part.name) for part in parts
        ]
        assert [store.get(ATTEMPT_KEYS.tape_part(part.name)).data for part in parts] == [
            part.read_bytes() for part in parts
        ]
        assert upload.uploaded_parts == len(parts) == 3
        assert upload.uploaded_bytes == sum(part.stat().st_size for part in parts)


def test_a_long_outage_blocks_no_caller_and_loses_no_part(cloud: Cloud, tmp_path: Path) -> None:
    parts = some_parts(tmp_path, 60)
    cloud.proxy.fail(Fault.SLOW_DOWN)
    now = [1000.0]
    patient = RetryPolicy(budget=30.0, first_wait=0.01, longest_wait=0.05)
    with closing(TapeUpload(cloud.store(patient), ATTEMPT_KEYS, pause=0.05, clock=lambda: now[0])) as upload:
        for part in parts:
            began = time.monotonic()
            upload.part_closed(part)
            assert time.monotonic() - began < 10
            now[0] += 5
        cloud.proxy.wait_for_failures(8)
        assert upload.pending() == parts
        assert upload.lag(now[0]) == 300
        cloud.proxy.recover()
        assert upload.drain(30)
        assert upload.lag(now[0]) == 0
    assert len(cloud.store().list(ATTEMPT_KEYS.tape)) == 60
    written = [request.path for request in cloud.proxy.seen if request.method == "PUT"]
    assert list(dict.fromkeys(written)) == [
        f"/{cloud.embedded.bucket}/{ATTEMPT_KEYS.tape_part(part.name)}" for part in parts
    ]


def test_a_part_never_replaces_an_existing_object(store: S3Store, tmp_path: Path) -> None:
    parts = some_parts(tmp_path, 2)
    store.put(ATTEMPT_KEYS.tape_part(parts[0].name), b"of another worker", content_type="x/y")
    with closing(TapeUpload(store, ATTEMPT_KEYS)) as upload:
        for part in parts:
            upload.part_closed(part)
        assert not upload.drain(20)
        assert (upload.uploaded_parts, upload.given_up) == (1, 1)
    assert store.get(ATTEMPT_KEYS.tape_part(parts[0].name)).data == b"of another worker"


def test_a_missing_part_does_not_stop_the_others(store: S3Store, tmp_path: Path) -> None:
    parts = some_parts(tmp_path, 2)
    parts[0].unlink()
    with closing(TapeUpload(store, ATTEMPT_KEYS)) as upload:
        for part in parts:
            upload.part_closed(part)
        assert not upload.drain(20)
        assert (upload.uploaded_parts, upload.given_up) == (1, 1)


def test_a_refusal_leaves_the_parts_pending_until_it_is_lifted(cloud: Cloud, tmp_path: Path) -> None:
    parts = some_parts(tmp_path, 2)
    store = S3Store(cloud.s3, "bucket-to-come", retry=IMPATIENT)
    with closing(TapeUpload(store, ATTEMPT_KEYS, pause=0.05)) as upload:
        for part in parts:
            upload.part_closed(part)
        assert not upload.drain(0.2)
        assert upload.pending() == parts
        cloud.s3.create_bucket(Bucket="bucket-to-come")
        assert upload.drain(20)


def test_a_part_whose_answer_was_lost_counts_as_uploaded(cloud: Cloud, tmp_path: Path) -> None:
    """The store's own retries end before an answer comes, so the next try finds the key taken: by this worker."""
    parts = some_parts(tmp_path, 2)
    cloud.proxy.fail(Fault.LOST_ANSWER)
    with closing(TapeUpload(cloud.store(IMPATIENT), ATTEMPT_KEYS, pause=0.05)) as upload:
        for part in parts:
            upload.part_closed(part)
        cloud.proxy.wait_for_failures(6)
        assert upload.pending() == parts
        cloud.proxy.recover()
        assert upload.drain(20)
        assert (upload.uploaded_parts, upload.given_up) == (2, 0)
        assert upload.uploaded_bytes == sum(part.stat().st_size for part in parts)
    assert [cloud.store().get(ATTEMPT_KEYS.tape_part(part.name)).data for part in parts] == [
        part.read_bytes() for part in parts
    ]


@pytest.mark.parametrize("fault", [*REFUSALS, Fault.SLOW_DOWN])
def test_a_taken_key_that_cannot_be_read_is_looked_at_again(
    cloud: Cloud, tmp_path: Path, fault: Fault
) -> None:
    (part,) = some_parts(tmp_path, 1)
    cloud.store().put(ATTEMPT_KEYS.tape_part(part.name), part, content_type="x/y")
    cloud.proxy.fail(fault, matches=lambda request: request.method in ("GET", "HEAD"))
    with closing(TapeUpload(cloud.store(IMPATIENT), ATTEMPT_KEYS, pause=0.05)) as upload:
        upload.part_closed(part)
        cloud.proxy.wait_for_failures(3)
        assert (upload.pending(), upload.given_up) == ([part], 0)
        cloud.proxy.recover()
        assert upload.drain(20)


@pytest.mark.parametrize("other", [b"", b"x" * 99, b"x" * 100])
def test_a_part_that_differs_from_the_stored_one_is_not_uploaded(
    store: S3Store, tmp_path: Path, other: bytes
) -> None:
    (part,) = some_parts(tmp_path, 1)
    store.put(ATTEMPT_KEYS.tape_part(part.name), other, content_type="x/y")
    with closing(TapeUpload(store, ATTEMPT_KEYS)) as upload:
        upload.part_closed(part)
        assert not upload.drain(20)
        assert (upload.uploaded_parts, upload.uploaded_bytes, upload.given_up) == (0, 0, 1)
    assert part.is_file()
