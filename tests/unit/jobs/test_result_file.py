from __future__ import annotations

import msgspec

from tests.support.job_parts import result_of
from worker.contracts.status import OutcomeKind
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.object_store import S3Store
from worker.jobs.result_file import keep_result, read_result

KEYS = bot_keys("team", "bot-1")


def test_the_first_result_is_kept(store: S3Store) -> None:
    first, second = result_of(OutcomeKind.RECORDED), result_of(OutcomeKind.FAILED)
    assert read_result(store, KEYS) is None
    assert keep_result(store, KEYS, first) == first
    assert keep_result(store, KEYS, second) == first
    assert read_result(store, KEYS) == first
    body = store.get(f"{KEYS.folder}result.json").data
    assert body.endswith(b"\n}\n")
    assert msgspec.json.decode(body)["outcome"] == "recorded"
