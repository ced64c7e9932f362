"""Interrupts workers during a job, lets another one finish it, and checks the result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.truth import Truth, TruthPacket, read_truth
from fixtures.replica.video.scenario import Codec, VideoMedia
from tests.support.truth_check import assert_matches_truth, assert_playable, parts_of
from tests.support.video_truth_check import assert_video_matches_truth
from tests.support.worker_process import Cloud, Worker, cloud
from worker.contracts.status import Result
from worker.manifest.schema import Manifest

DURATION = 15.0
KILL_LOSS = 5.0
"""Seconds that SIGKILL may cost: a part of the tape closes after 4 s."""


def conversation(duration: float = DURATION, lobby: float = 0.8) -> Scenario:
    """Three people; at any time one of them talks, sometimes two. A busy machine may not see a ``lobby`` of less than 2 s."""
    return Scenario(
        title="three people who talk all the time",
        duration=duration,
        participants=[
            Participant(name="Ada Ray", voice="elif", csrc=7001, says=_turns(0.1, duration), host=True),
            Participant(name="Ben Oak", voice="nuno", csrc=7002, says=_turns(2.1, duration)),
            Participant(name="Cleo Fir", voice="greta", csrc=7003, says=_turns(4.1, duration)),
        ],
        page=Page(lobby=lobby),
    )


def _turns(first: float, duration: float) -> list[tuple[float, float]]:
    """2.4 s of every 6 s, from ``first`` on."""
    starts = [first + 6.0 * number for number in range(int(duration / 6) + 1)]
    return [(start, min(start + 2.4, duration)) for start in starts if start + 0.5 < duration]


def with_cameras(scenario: Scenario, codec: Codec) -> Scenario:
    """The same meeting with everybody's camera on; Teams sends H264 and nothing else, Meet the others."""
    people = [
        msgspec.structs.replace(person, cameras=[(0.0, scenario.duration)])
        for person in scenario.participants
    ]
    return msgspec.structs.replace(
        scenario,
        participants=people,
        platform="microsoft_teams" if codec == "h264" else "google_meet",
        video=VideoMedia(codec=codec),
    )


Moment: TypeAlias = Callable[[Cloud, int], Awaitable[None]]
"""Returns when it is time to interrupt the worker that runs the attempt with this number."""


def after(seconds: float) -> Moment:
    """This many seconds after the worker's start."""

    async def wait(aws: Cloud, attempt: int) -> None:
        del aws, attempt
        await asyncio.sleep(seconds)

    return wait


def recording_for(seconds: float) -> Moment:
    """This many seconds after the worker has reported that it records."""

    async def wait(aws: Cloud, attempt: int) -> None:
        await aws.until(lambda: aws.is_recording(attempt))
        await asyncio.sleep(seconds)

    return wait


async def recorded(aws: Cloud, attempt: int) -> None:
    """As soon as packets that the attempt recorded are in the bucket, so that a kill leaves something to recover."""
    await aws.until(lambda: aws.has_recorded(attempt))


class Interruption(NamedTuple):
    """``stop`` ends a worker, and waits for its end, once ``moment`` has come."""

    moment: Moment
    stop: Callable[[Worker], Awaitable[object]]


async def kill_and_finish(
    folder: Path, moments: Sequence[Moment], duration: float = DURATION, video: Codec | None = None
) -> Manifest | None:
    """Kills one worker after the other, each at its moment; then another worker finishes the job.

    The meeting takes ``duration`` seconds. With ``video`` everybody's camera is on, and the job asks for video. Returns the
    bot's manifest, None if nothing was recorded.
    """
    kills = [Interruption(moment, Worker.kill) for moment in moments]
    return (await interrupt_and_finish(folder, kills, duration, KILL_LOSS, video)).manifest


async def interrupt_and_finish(
    folder: Path,
    interruptions: Sequence[Interruption],
    duration: float,
    max_lost: float,
    video: Codec | None = None,
) -> FinishedJob:
    """Stops one worker after the other; then another one finishes the job, unless it is done already.

    Each interruption may cost ``max_lost`` seconds of what came before it, and of the ``video`` that the job may ask for.
    """
    stopped_at = []
    scenario = conversation(duration)
    wanted: dict[str, object] = {}
    if video is not None:
        scenario = with_cameras(scenario, video)
        wanted["video_separate_streams"] = True
    with cloud() as aws:
        async with Replica(scenario, folder / "truth.jsonl") as replica:
            aws.dispatch(replica, **wanted)
            for number, (moment, stop) in enumerate(interruptions, start=1):
                worker = await Worker.start(replica, aws, folder / f"work-{number}")
                await moment(aws, number)
                stopped_at.append(time.time())
                await stop(worker)
            if aws.waiting_jobs():
                last = await Worker.start(replica, aws, folder / "work-last")
                assert await last.finish(duration + 90) == 0
        return await asyncio.to_thread(check_finished_job, aws, folder, stopped_at, max_lost)


class FinishedJob(NamedTuple):
    """A job that ended as it must. ``stopped_at`` is when its workers were interrupted, in Unix seconds.

    ``recorded`` are the packets of ``truth`` that are in files, by index; ``manifest`` is None if nothing was recorded.
    """

    result: Result
    manifest: Manifest | None
    truth: Truth
    recorded: set[int]
    stopped_at: list[float]

    def missed(self) -> list[TruthPacket]:
        """What was spoken since the recording began and is in no file, whether or not a bot was there to hear it."""
        if self.manifest is None:
            return []
        start = parts_of(self.manifest)[0].start
        return [
            packet
            for index, packet in enumerate(self.truth.packets)
            if packet.kind == "speech" and packet.meant_at >= start and index not in self.recorded
        ]

    def assert_complete_is_true(self) -> None:
        """Checks that ``complete`` is True without a gap and False with one; between the two, that there was a reason."""
        if self.manifest is None:
            return
        started = self.truth.header.started_at
        assert started is not None
        start, end = parts_of(self.manifest)[0].start, started + self.truth.header.duration
        missed, complete = self.missed(), self.manifest.recording.complete
        if missed:
            assert not complete, f"complete, but {len(missed)} packets are missing"
        else:
            assert complete or any(start < at < end for at in self.stopped_at), "nothing is missing"


def check_reported_job(aws: Cloud, bot: Path) -> Result:
    """Checks that the bot's job is reported once and is gone from the queue, and saves its objects in the folder ``bot``."""
    (result,) = aws.results()
    assert aws.waiting_jobs() == 0
    assert aws.dead_letters() == []
    status = aws.status()
    assert status is not None
    assert status.reported
    assert status.attempt == result.attempt
    aws.save(bot)
    sizes = {file.key.removeprefix(aws.keys.folder): file.size for file in result.files}
    assert sizes == {key: (bot / key).stat().st_size for key in sizes}
    return result


def check_finished_job(
    aws: Cloud,
    folder: Path,
    stopped_at: list[float],
    max_lost: float = KILL_LOSS,
    away: Sequence[tuple[float, float]] = (),
) -> FinishedJob:
    """Checks that the bot's job is reported once and is gone from the queue, and its files against ``folder``'s truth.jsonl.

    Up to ``max_lost`` seconds before each time in ``stopped_at`` (Unix seconds) may be missing, and what was sent in the spans
    ``away``.
    """
    bot = folder / "bot"
    result = check_reported_job(aws, bot)
    truth = read_truth(folder / "truth.jsonl")
    if result.audio_streams is None:
        return FinishedJob(result, None, truth, set(), stopped_at)
    manifest = aws.manifest()
    # A mixer sends packets of its own, which no file has to hold one by one.
    mixed = any(packet.mixed is not None for packet in truth.packets)
    recorded = set() if mixed else assert_matches_truth(bot, manifest, truth, stopped_at, max_lost, away)
    if manifest.video_streams is not msgspec.UNSET:
        assert_video_matches_truth(bot, manifest, truth, stopped_at, max_lost)
    parts = manifest.recording.parts
    for part in parts if isinstance(parts, list) else []:
        if part.mixed_audio is not None:
            assert_playable(bot / part.mixed_audio, part.duration_seconds)
    return FinishedJob(result, manifest, truth, recorded, stopped_at)
