from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from worker.delivery.bucket_layout import bot_keys
from worker.delivery.object_store import S3Store
from worker.jobs.attempt_numbers import attempts_of, claim_attempt

KEYS = bot_keys("team", "bot-1")


def test_claim_attempt_gives_each_number_once(store: S3Store) -> None:
    assert attempts_of(store, KEYS) == []
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda number: claim_attempt(store, KEYS, f"owner-{number}", 1.0), range(6)))
    assert sorted(claims) == [1, 2, 3, 4, 5, 6]
    assert attempts_of(store, KEYS) == [1, 2, 3, 4, 5, 6]


def test_claim_attempt_skips_a_number_that_has_only_a_tape(store: S3Store) -> None:
    store.put(KEYS.attempt(4).tape_part("part-000000.mcap"), b"x", content_type="text/plain")
    assert claim_attempt(store, KEYS, "me", 1.0) == 5
