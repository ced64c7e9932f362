"""``meetstems run`` in a real Chromium against the replica, with an embedded S3 and SQS."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support.fault_proxy import Fault, fault_proxy
from tests.support.kills import check_finished_job, conversation, kill_and_finish, recorded, with_cameras
from tests.support.record_process import chromium_of, meeting
from tests.support.transcoding_processes import suspended_encoder
from tests.support.truth_check import TRANSIT_SECONDS, assert_matches_truth
from tests.support.worker_process import Cloud, Worker, cloud
from worker.jobs.streams import streams_of
from worker.manifest.schema import Announcement, Manifest
from worker.states import State

pytestmark = pytest.mark.timeout(180)

MOST_SECONDS_AFTER_SIGTERM = 20.0
"""Until the worker has uploaded what is left and ended; the grace period is 60 s, and transcoding may take ten minutes."""


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as embedded:
        yield embedded


async def test_a_job_is_recorded_and_reported_and_a_redelivery_changes_nothing(
    aws: Cloud, tmp_path: Path
) -> None:
    scenario = conversation(7, lobby=2.0)
    async with Replica(scenario, tmp_path / "truth.jsonl") as replica:
        more = {
            "custom_attributes": {"order": "7"},
            "bot_message": "hello",
            "bot_image_url": "https://x.example",
        }
        aws.dispatch(replica, **more)
        worker = await Worker.start(replica, aws, tmp_path / "work")
        await aws.until(aws.is_recording)
        in_progress = msgspec.json.decode(await asyncio.to_thread(streams_of, aws.store, aws.keys))
        assert in_progress["audio_status"] == "in_progress"
        await aws.until(aws.has_recorded)
        assert await worker.finish() == 0
        assert aws.event_names() == [
            "bot.joining",
            "bot.in_waiting_room",
            "bot.inmeeting",
            "bot.recording",
            "bot.leaving",
            "bot.stopped",
            "audio.processed",
            "bot.done",
            "bot.result",
        ]
        (result,) = aws.results()
        assert (result.outcome, result.reason, result.ignored) == (
            "recorded",
            "meeting_ended",
            ["bot_image_url"],
        )
        assert replica.chat == ["hello"]
        status = aws.status()
        assert status is not None
        assert result.announcement is not None
        assert status.announced_at == result.announcement.written_at
        assert result.started_at is not None
        assert str(status.announced_at) > result.started_at
        assert aws.manifest().recording.announcement == result.announcement
        assert result.custom_attributes == {"order": "7"}
        assert [speaker.participant_name for speaker in result.speakers] == ["Ada Ray", "Ben Oak", "Cleo Fir"]
        assert result.counters["packets_received"] > 300
        assert aws.waiting_jobs() == 0

        before = aws.objects()
        aws.dispatch(replica, **more)
        again = await Worker.start(replica, aws, tmp_path / "again")
        assert await again.finish() == 0
        assert aws.objects() == before
        # The same id with another body is a mistake of the sender, who has to learn of it.
        aws.dispatch(replica)
        other = await Worker.start(replica, aws, tmp_path / "other")
        assert await other.finish() == 1
    assert aws.objects() == before
    (refused,) = (event for event in aws.events() if event["event"] == "bot.failed")
    assert refused["message"].startswith("job: bot_id: 'bot-1' belongs to a job with another body")
    assert len(aws.dead_letters()) == 1
    assert len(aws.results()) == 1
    assert aws.waiting_jobs() == 0
    bot = aws.save(tmp_path / "bot")
    assert_matches_truth(bot, aws.manifest(), read_truth(tmp_path / "truth.jsonl"), [])
    assert list((tmp_path / "work").iterdir()) == []

    ready = msgspec.json.decode(streams_of(aws.store, aws.keys))
    assert ready["audio_status"] == "Success"
    segment = ready["participants"][0]["streams"][0]["segments"][0]
    assert "X-Amz-Expires=600" in segment["url"]
    for path in ("bot.json", "audio_streams.json", "result.json"):
        assert "X-Amz" not in (bot / path).read_text()
    assert "X-Amz" not in worker.log


async def test_two_kills_lose_only_seconds_and_give_one_result(tmp_path: Path) -> None:
    manifest = await kill_and_finish(tmp_path, [recorded, recorded], duration=32.0)
    assert manifest is not None
    assert isinstance(manifest.recording.parts, list)
    assert [part.ended_reason for part in manifest.recording.parts][:2] == ["cut_off", "cut_off"]


async def test_a_job_that_kills_its_workers_ends_with_its_partial_recording(
    aws: Cloud, tmp_path: Path
) -> None:
    async with Replica(conversation(30), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        for number in range(2):
            worker = await Worker.start(
                replica, aws, tmp_path / f"work-{number}", MEETSTEMS_MOST_ATTEMPTS="2"
            )
            await aws.until(partial(aws.has_recorded, number + 1))
            await worker.kill()
        last = await Worker.start(replica, aws, tmp_path / "last", MEETSTEMS_MOST_ATTEMPTS="2")
        assert await last.finish() == 1
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("failed", "too_many_attempts")
    # It was reported first, as recovery may be what kills the workers.
    assert aws.event_names()[-1] == "audio.processed"
    assert aws.manifest().participants
    assert aws.waiting_jobs() == 0
    assert len(aws.dead_letters()) == 1


async def test_only_one_of_three_workers_with_the_same_job_joins(aws: Cloud, tmp_path: Path) -> None:
    async with Replica(conversation(8), tmp_path / "truth.jsonl") as replica:
        for _ in range(3):
            aws.dispatch(replica)
        workers = [await Worker.start(replica, aws, tmp_path / f"work-{number}") for number in range(3)]
        assert [await worker.finish() for worker in workers] == [0, 0, 0]
    assert aws.event_names().count("bot.joining") == 1
    assert len(aws.results()) == 1
    assert aws.waiting_jobs() == 2
    assert sum(key.endswith("attempt.json") for key in aws.objects()) == 1


async def test_sigint_ends_the_recording_in_order(aws: Cloud, tmp_path: Path) -> None:
    """The job asks for no separate files."""
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica, audio_separate_streams=False)
        worker = await Worker.start(replica, aws, tmp_path / "work")
        await aws.until(aws.is_recording)
        worker.process.send_signal(signal.SIGINT)
        assert await worker.finish() == 0
        assert await replica.wait_ended() == "left"
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("recorded", "interrupted")
    assert aws.manifest().recording.complete
    assert aws.waiting_jobs() == 0
    files = "attempts/0001/files/"
    made = {key for key in aws.objects() if files in key}
    names = {"audio_streams.json", "meeting.json", "audio.wav"}
    assert {key.rpartition(files)[2] for key in made} == names
    assert {file.key for file in result.files} == {aws.keys.attempt(1).files + name for name in names}
    document = msgspec.json.decode(streams_of(aws.store, aws.keys))
    assert (document["audio_streams_available"], document["participants"]) == (False, [])
    assert document["recording"]["mixed_audio"] == f"{files}audio.wav"


async def test_sigterm_hands_the_job_on_and_the_next_worker_goes_on(tmp_path: Path) -> None:
    """The signal comes twice, as process managers repeat it."""
    with cloud() as aws:
        async with Replica(conversation(20), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(replica, aws, tmp_path / "work")
            await aws.until(aws.is_recording)
            await asyncio.sleep(2.0)
            drained = time.time()
            worker.process.send_signal(signal.SIGTERM)
            await replica.wait_ended()
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.finish() == 75
            assert aws.results() == []
            assert aws.waiting_jobs() == 1
            assert list((tmp_path / "work").iterdir()) == []
            attempt = msgspec.json.decode(
                aws.store.get(aws.keys.attempt(1).file("audio_streams.json")).data, type=Manifest
            )
            assert (attempt.recording.complete, attempt.recording.ended_reason) == (False, "drained")
            last = await Worker.start(replica, aws, tmp_path / "next")
            assert await last.finish() == 0
        (result,) = aws.results()
        assert (result.outcome, result.reason, result.attempt) == ("recorded", "meeting_ended", 2)
        assert aws.event_names().count("bot.leaving") == 1
        manifest = aws.manifest()
        assert not manifest.recording.complete
        assert isinstance(manifest.recording.parts, list)
        assert [part.ended_reason for part in manifest.recording.parts] == ["drained", "meeting_ended"]
        bot = aws.save(tmp_path / "bot")
        assert_matches_truth(bot, manifest, read_truth(tmp_path / "truth.jsonl"), [drained], max_lost=0.5)


async def test_sigterm_while_a_video_is_transcoded_ends_the_worker_with_all_of_the_recording(
    aws: Cloud, tmp_path: Path
) -> None:
    """The encoder is stuck: what ends is not its work."""
    async with Replica(with_cameras(conversation(7), "vp8"), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica, video_separate_streams=True)
        worker = await Worker.start(replica, aws, tmp_path / "work", MEETSTEMS_VIDEO="mp4")
        await aws.until(lambda: "attempts/0001/files/audio.wav" in aws.objects())
        async with suspended_encoder() as encoder:
            assert await worker.drain(MOST_SECONDS_AFTER_SIGTERM) == 0
            assert not encoder.is_running()
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("recorded", "meeting_ended")
    assert "could not be transcoded to MP4: as sent." in result.warnings[-1]
    finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [], 0.0)
    assert finished.manifest is not None
    assert [segment.codec for _, segment in finished.manifest.video_segments()] == ["vp8"] * 3
    assert list((tmp_path / "work").iterdir()) == []


async def test_sigterm_before_the_call_returns_the_job_to_the_queue(aws: Cloud, tmp_path: Path) -> None:
    async with Replica(meeting(4, lobby=60), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        worker = await Worker.start(replica, aws, tmp_path / "work")
        await aws.until(partial(aws.is_in, State.WAITING_ROOM))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.finish() == 75
        assert aws.results() == []
        assert aws.waiting_jobs() == 1
        next_worker = await Worker.start(replica, aws, tmp_path / "next")
        await aws.until(partial(aws.is_in, State.WAITING_ROOM, attempt=2))
        replica.admit_now()
        assert await next_worker.finish() == 0
    assert aws.results()[0].outcome == "recorded"


async def test_a_dead_chromium_is_restarted_once(aws: Cloud, tmp_path: Path) -> None:
    async with Replica(conversation(), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        worker = await Worker.start(replica, aws, tmp_path / "work")
        await aws.until(aws.has_recorded)
        killed = time.time()
        os.kill(chromium_of(worker.process.pid), signal.SIGKILL)
        assert await worker.finish() == 0
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("recorded", "meeting_ended")
    manifest = aws.manifest()
    assert isinstance(manifest.recording.parts, list)
    assert [part.ended_reason for part in manifest.recording.parts] == ["browser_died", "meeting_ended"]
    bot = aws.save(tmp_path / "bot")
    assert_matches_truth(bot, manifest, read_truth(tmp_path / "truth.jsonl"), [killed], TRANSIT_SECONDS)
    assert (bot / "attempts/0001/failure/log.txt").read_text().count("browser_died") >= 1


async def test_the_next_worker_does_not_repeat_the_announcement(aws: Cloud, tmp_path: Path) -> None:
    def announced(attempt: int) -> str | None:
        status = aws.status()
        in_call = status is not None and (status.attempt, status.state) == (attempt, "in_call_recording")
        return status.announced_at if status is not None and in_call else None

    async with Replica(conversation(60), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica, bot_message="I record this.")
        first = await Worker.start(replica, aws, tmp_path / "first")
        await aws.until(lambda: announced(1))
        told_at = announced(1)
        assert replica.chat == ["I record this."]
        await first.kill()
        second = await Worker.start(replica, aws, tmp_path / "second")
        await aws.until(lambda: announced(2), within=90)
        await aws.until(lambda: aws.is_recording(2))
        second.process.send_signal(signal.SIGINT)
        assert await second.finish() == 0
        # The chat of the second visit.
        assert replica.chat == []
    (result,) = aws.results()
    assert result.announcement == Announcement(written_at=told_at)
    assert not any("announcement" in warning for warning in result.warnings)


async def test_a_bot_that_is_not_admitted_gives_a_result(aws: Cloud, tmp_path: Path) -> None:
    async with Replica(meeting(60, lobby=60), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        worker = await Worker.start(replica, aws, tmp_path / "work")
        await aws.until(partial(aws.is_in, State.WAITING_ROOM))
        replica.deny()
        assert await worker.finish() == 0
    (result,) = aws.results()
    assert (result.outcome, result.reason, result.bot_status) == ("not_admitted", "denied_by_host", "Denied")
    assert aws.waiting_jobs() == 0
    nothing = msgspec.json.decode(streams_of(aws.store, aws.keys))
    assert (nothing["audio_status"], nothing["audio_streams_available"]) == ("Success", False)
    failure = aws.save(tmp_path / "bot") / "attempts/0001/failure"
    assert sorted(path.name for path in failure.iterdir()) == ["log.txt", "page.html", "screenshot.png"]
    assert "denied the bot's request to join." in (failure / "log.txt").read_text()
    assert "denied" in (failure / "page.html").read_text()
    assert "<script" not in (failure / "page.html").read_text()


async def test_the_memory_limit_ends_the_recording_in_order(aws: Cloud, tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        # More than the worker alone uses, less than the worker and Chromium together.
        worker = await Worker.start(replica, aws, tmp_path / "work", MEETSTEMS_MEMORY_LIMIT="250000000")
        assert await worker.finish() == 1
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("failed", "oom_soft_limit")


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.RESET])
async def test_an_outage_of_s3_and_sqs_during_a_recording_loses_nothing(
    aws: Cloud, tmp_path: Path, fault: Fault
) -> None:
    with fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        through_proxy = Cloud(aws.embedded, proxy.url)
        async with Replica(conversation(9), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(replica, through_proxy, tmp_path / "work")
            await aws.until(aws.is_recording)
            proxy.fail(fault)
            await asyncio.sleep(6)
            proxy.recover()
            assert await worker.finish() == 0
    (result,) = aws.results()
    assert result.outcome == "recorded"
    bot = aws.save(tmp_path / "bot")
    assert_matches_truth(bot, aws.manifest(), read_truth(tmp_path / "truth.jsonl"), [])
    assert aws.manifest().recording.parts is msgspec.UNSET


async def test_an_invalid_job_is_reported_and_sent_to_the_dead_letters(aws: Cloud, tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        aws.jobs.send('{"bot_id": "bot-1", "meeting_link": "https://zoom.us/j/1"}')
        worker = await Worker.start(replica, aws, tmp_path / "work")
        assert await worker.finish() == 1
    (event,) = aws.events()
    assert (event["event"], event["reason"], event["bot_id"]) == ("bot.failed", "invalid_job", "bot-1")
    assert event["message"].startswith("job: meeting_link: ")
    assert aws.waiting_jobs() == 0
    assert len(aws.dead_letters()) == 1


async def test_an_empty_queue_exits_with_0_and_a_wrong_configuration_with_2(
    aws: Cloud, tmp_path: Path
) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        lingering = {"MEETSTEMS_METRICS_PORT": "0", "MEETSTEMS_LINGER_SECONDS": "3600"}
        idle = await Worker.start(replica, aws, tmp_path / "idle", MEETSTEMS_RECEIVE_SECONDS="0", **lingering)
        assert await idle.finish(within=60) == 0
        wrong = await Worker.start(replica, aws, tmp_path / "wrong", MEETSTEMS_BUCKET="")
        assert await wrong.finish() == 2
        assert "MEETSTEMS_BUCKET: is not set" in wrong.log


@pytest.mark.parametrize(
    "wrong",
    [
        {"MEETSTEMS_BUCKET": "no-such-bucket"},
        {"MEETSTEMS_CHROMIUM": "/nowhere"},
        {"MEETSTEMS_CHROMIUM": "/bin/false"},
    ],
)
async def test_a_worker_that_cannot_work_touches_no_message(
    aws: Cloud, tmp_path: Path, wrong: dict[str, str]
) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        aws.dispatch(replica)
        worker = await Worker.start(replica, aws, tmp_path / "work", **wrong)
        assert await worker.finish() == 2
    assert "this worker cannot run jobs" in worker.log
    delivery = aws.jobs.receive(1)
    assert delivery is not None
    assert delivery.receive_count == 1
    assert aws.events() == []
