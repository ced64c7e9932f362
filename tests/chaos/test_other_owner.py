"""Another worker has a bot's lease: the one that had it before uploads its tape, and says nothing more for the bot."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support.bot_watch import BotWatch
from tests.support.fault_proxy import Fault, fault_proxy, key_has
from tests.support.kills import check_finished_job, check_reported_job, conversation
from tests.support.truth_check import TRANSIT_SECONDS, assert_all_in_files, parts_of
from tests.support.worker_process import LEASE, VISIBILITY, Cloud, Worker, cloud
from worker.delivery.lease import LeaseRecord
from worker.jobs.earlier_attempts import download_parts
from worker.rendering.renderer import Renderer
from worker.rendering.replay import replay

_chance = random.Random(int(os.environ.get("MEETSTEMS_CHAOS_SEED", "1")))

TAKEN_OVER = 0
"""The exit code of a worker whose bot another one has."""
LEAVE_LOSS = 0.5
"""Seconds before the lost lease is noticed that may be missing."""


def take_lease(aws: Cloud, released: bool = False) -> None:
    record = LeaseRecord(
        owner="somebody else", attempt=7, expires_at=time.time() + 600, ttl=600, released=released
    )
    aws.store.put(aws.keys.lease, msgspec.json.encode(record), content_type="application/json")


def seconds_on_tape(aws: Cloud, attempt: int, folder: Path) -> float:
    """How long the recording is that the attempt's tape in the bucket gives."""
    parts = aws.store.list(aws.keys.attempt(attempt).tape)
    download_parts(aws.store, list(parts), folder / "tape")
    output = folder / "files"
    rendered = replay(folder / "tape", output, lambda platform: Renderer(output, platform))
    return rendered.manifest.recording.duration_seconds


@pytest.mark.timeout(120)
async def test_a_lease_of_another_in_mid_call_silences_the_bot_and_loses_nothing(tmp_path: Path) -> None:
    with cloud() as aws:
        async with Replica(conversation(30), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(replica, aws, tmp_path / "work")
            await aws.until(aws.has_recorded)
            before = aws.store.get(aws.keys.status).etag
            taken_at = time.time()
            await asyncio.to_thread(take_lease, aws)
            assert await worker.finish() == TAKEN_OVER
            assert await replica.wait_ended() == "left"
            assert list((tmp_path / "work").iterdir()) == [], "the tape is not in the bucket"
            assert aws.store.get(aws.keys.status).etag == before, "bot.json was written"
            assert "bot.leaving" not in aws.event_names()
            assert aws.results() == []
            # The other one goes away as well; the message is there again.
            await asyncio.to_thread(take_lease, aws, released=True)
            last = await Worker.start(replica, aws, tmp_path / "last")
            assert await last.finish() == 0
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [taken_at], LEAVE_LOSS)
    assert (finished.result.outcome, finished.result.attempt) == ("recorded", 2)
    finished.assert_complete_is_true()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("pause", [Worker.pause, Worker.pause_tree], ids=["worker", "whole tree"])
async def test_a_worker_that_was_paused_beyond_its_lease_changes_nothing(
    tmp_path: Path, pause: Callable[[Worker], None]
) -> None:
    with cloud() as aws:
        async with Replica(conversation(40), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            paused = await Worker.start(replica, aws, tmp_path / "paused")
            await aws.until(aws.has_recorded)
            await asyncio.sleep(_chance.uniform(0.0, 4.0))
            paused_at = time.time()
            pause(paused)
            async with BotWatch(aws) as watch:
                other = await Worker.start(replica, aws, tmp_path / "other")
                await aws.until(lambda: aws.is_recording(2))
                # Longer than both, and long enough for the recovery of attempt 1.
                await asyncio.sleep(max(LEASE, VISIBILITY) + 2.0)
                early = {key for key in aws.objects() if "attempts/0001/tape/" in key}
                paused.resume()
                assert await paused.finish() == TAKEN_OVER
                assert await other.finish() == 0
        watch.assert_attempts_never_go_back()
        assert list((tmp_path / "paused").iterdir()) == [], "the tape is not in the bucket"
        late = {key for key in aws.objects() if "attempts/0001/tape/" in key} - early
        on_tape = await asyncio.to_thread(seconds_on_tape, aws, 1, tmp_path / "again")
        parts = aws.manifest().recording.parts
        assert isinstance(parts, list)
        print(
            f"paused after {paused_at - parts_of(aws.manifest())[0].start:.2f} s; {len(late)} of {aws.tape_parts(1)} parts "
            f"came after the pause; attempt 1 has {parts[0].duration_seconds} s in files and {on_tape} s on tape"
        )
        result = await asyncio.to_thread(check_reported_job, aws, tmp_path / "bot")
        manifest = aws.manifest()
    assert (result.outcome, result.attempt) == ("recorded", 2)
    assert [part.attempt for part in parts] == [1, 2]
    assert parts[0].duration_seconds == pytest.approx(on_tape, abs=0.01)
    first, second = parts_of(manifest)
    spans = [(first.start, paused_at), (second.start, second.end - TRANSIT_SECONDS)]
    assert_all_in_files(tmp_path / "bot", manifest, read_truth(tmp_path / "truth.jsonl"), spans)


@pytest.mark.timeout(180)
async def test_a_worker_that_was_paused_while_finishing_changes_nothing(tmp_path: Path) -> None:
    with cloud() as aws, fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        async with Replica(conversation(8), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            paused = await Worker.start(replica, Cloud(aws.embedded, proxy.url), tmp_path / "paused")
            await aws.until(aws.is_recording)
            proxy.fail(Fault.LATENCY, seconds=1.0, matches=key_has("/files/"))
            await asyncio.to_thread(proxy.wait_for_failures, 1, 60.0)
            paused.pause_tree()
            proxy.recover()
            other = await Worker.start(replica, aws, tmp_path / "other")
            assert await other.finish() == 0
            first = aws.store.get(f"{aws.keys.folder}result.json").etag
            status = aws.store.get(aws.keys.status).etag
            paused.resume()
            assert await paused.finish() == TAKEN_OVER
            assert aws.store.get(f"{aws.keys.folder}result.json").etag == first
            assert aws.store.get(aws.keys.status).etag == status
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [], 0.0)
    assert (finished.result.outcome, finished.result.reason) == ("recorded", "meeting_ended")
    assert finished.manifest is not None
    assert finished.manifest.recording.complete
    assert finished.missed() == []
