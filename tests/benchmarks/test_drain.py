"""SIGTERM after hours of recording, and a redelivered job with hours in the bucket: real Chromium, embedded S3 and SQS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support import tapes
from tests.support.conversation import conversation as long_conversation
from tests.support.kills import conversation
from tests.support.truth_check import TRANSIT_SECONDS, assert_matches_truth, parts_of
from tests.support.worker_process import BOT, Cloud, Worker, cloud
from worker.contracts.status import Result
from worker.manifest.schema import Manifest
from worker.recording.session import PART_SECONDS
from worker.states import State
from worker.tape.events import FrameBatch, RecordingEnded, VideoBatch
from worker.tape.writer import TapeWriter

pytestmark = pytest.mark.timeout(1800)

HOUR = 3600.0
HANDED_ON = 75
"""Exit code of a worker whose job another one goes on with."""
GRACE = 60.0
"""Maximum seconds from SIGTERM to the end."""

ENVIRONMENT = {"MEETSTEMS_VISIBILITY_SECONDS": "30", "MEETSTEMS_LEASE_SECONDS": "10"}


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as embedded:
        yield embedded


async def test_sigterm_after_four_hours_hands_the_job_on_within_the_grace_period(
    aws: Cloud, tmp_path: Path
) -> None:
    async with Replica(conversation(1200), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica, automatic_leave={"in_call_recording_timeout": 5 * HOUR})
        module = ("tests.benchmarks.long_worker", "4")
        worker = await Worker.start(replica, aws, tmp_path / "work", module=module, **ENVIRONMENT)
        await wait_for_line(worker, "caught up")
        written = len(list((tmp_path / "work").rglob("part-*.mcap")))
        await aws.until(lambda: aws.tape_parts() >= written, within=300)
        peak = tree_memory(worker)
        ended = await drain(worker)
        assert await replica.wait_ended() == "left"
    print(f"\nSIGTERM after 4 h: ended after {ended:.1f} s; {peak / 1e6:.0f} MB before")
    assert ended <= GRACE
    assert list((tmp_path / "work").iterdir()) == [], "the tape is not in the bucket"
    assert aws.tape_parts(1) >= written
    assert aws.results() == []
    assert aws.waiting_jobs() == 1


@pytest.mark.parametrize("hours", [1, 4])
async def test_a_redelivered_job_joins_at_once_and_hands_on_what_sigterm_leaves_undone(
    aws: Cloud, tmp_path: Path, hours: int
) -> None:
    async with Replica(conversation(1200), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica, automatic_leave={"in_call_recording_timeout": 5 * HOUR})
        await asyncio.to_thread(put_earlier_attempt, aws, hours * HOUR, tmp_path / "earlier")
        began = time.monotonic()
        worker = await Worker.start(replica, aws, tmp_path / "work", **ENVIRONMENT)
        await aws.until(lambda: aws.is_in(State.JOINING, 2))
        joining = time.monotonic() - began
        await aws.until(lambda: aws.is_recording(2))
        recording = time.monotonic() - began
        peak = 0
        while "attempts/0001/files/audio_streams.json" not in aws.objects() and time.monotonic() < began + 20:
            peak = max(peak, tree_memory(worker))
            await asyncio.sleep(0.2)
        sigterm_at = time.time()
        ended = await drain(worker)
        assert await replica.wait_ended() == "left"
        assert aws.results() == []
        last = await Worker.start(replica, aws, tmp_path / "last", **ENVIRONMENT)
        await aws.until(lambda: aws.is_recording(3))
        replica.end_meeting()
        over = time.monotonic()
        assert await last.finish(300) == 0
        reported = time.monotonic() - over
    print(
        f"\n{hours} h in the bucket: joining {joining:.1f} s after its start, recording after {recording:.1f} s, "
        f"at most {peak / 1e6:.0f} MB; SIGTERM: ended after {ended:.1f} s; the next worker reported {reported:.1f} s after the "
        "meeting's end"
    )
    assert joining < 5
    assert ended <= GRACE
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("recorded", "meeting_ended")
    assert aws.waiting_jobs() == 0
    bot = assert_all_there(aws, result, tmp_path / "bot")
    manifest = aws.manifest()
    first, second, _ = parts_of(manifest)
    assert first.end - first.start == pytest.approx(hours * HOUR, abs=20)
    truth = read_truth(tmp_path / "truth.jsonl")
    assert_matches_truth(bot, live_part(manifest, second.number), truth, [sigterm_at], TRANSIT_SECONDS)


async def wait_for_line(worker: Worker, line: str) -> None:
    assert worker.process.stdout is not None
    async with asyncio.timeout(600):
        while (await worker.process.stdout.readline()).decode().strip() != line:
            assert worker.process.returncode is None


async def drain(worker: Worker) -> float:
    """Sends SIGTERM, after which the job is to be handed on; returns the seconds until the process has ended."""
    began = time.monotonic()
    assert await worker.drain(180) == HANDED_ON
    return time.monotonic() - began


def put_earlier_attempt(aws: Cloud, seconds: float, folder: Path) -> None:
    """Stores what a worker leaves that was killed after this many seconds."""
    keys = aws.keys.attempt(1)
    aws.store.put(f"{keys.folder}attempt.json", b"{}", content_type="application/json")
    tapes.STARTED_AT = time.time() - seconds - 60
    now = 0.0
    with TapeWriter(folder, part_seconds=PART_SECONDS) as tape:
        for event in tapes.synthetic_tape(long_conversation(seconds), seconds, jitter=0.005):
            if isinstance(event, RecordingEnded):
                break
            now = (
                event.frames[-1].arrival if isinstance(event, FrameBatch | VideoBatch) else max(now, event.at)
            )
            tape.write(event, now)

    def put(part: Path) -> None:
        aws.store.put(keys.tape_part(part.name), part, content_type="application/octet-stream")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, sorted(folder.glob("*.mcap"))))


def tree_memory(worker: Worker) -> int:
    """Resident bytes of the worker and its recovery, without Chromium."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(worker.process.pid)
        total += process.memory_info().rss
        for child in process.children():
            if "worker.jobs.recovery_process" in child.cmdline():
                total += child.memory_info().rss
    return total


def assert_all_there(aws: Cloud, result: Result, folder: Path) -> Path:
    """Checks that every file of the result is in the bucket with its size; returns the folder of the copies."""
    assert result.bot_id == BOT
    bot = aws.save(folder)
    for file in result.files:
        assert (bot / file.key.removeprefix(aws.keys.folder)).stat().st_size == file.size
    names = {file.key.removeprefix(aws.keys.folder) for file in result.files}
    for person in aws.manifest().participants:
        for stream in person.streams:
            for segment in stream.segments:
                assert any(name.endswith(segment.url) for name in names), segment.url
    return bot


def live_part(manifest: Manifest, number: int) -> Manifest:
    """The manifest of one part alone: the replica did not send the other parts."""
    people = [
        msgspec.structs.replace(
            person,
            streams=[
                msgspec.structs.replace(
                    stream,
                    segments=[
                        msgspec.structs.replace(each, segment_index=0)
                        for each in stream.segments
                        if each.segment_index == number
                    ],
                )
                for stream in person.streams
            ],
        )
        for person in manifest.participants
    ]
    parts = manifest.recording.parts
    assert isinstance(parts, list)
    part = msgspec.structs.replace(parts[number], segment_index=0)
    recording = msgspec.structs.replace(manifest.recording, parts=[part])
    return msgspec.structs.replace(manifest, participants=people, recording=recording)
