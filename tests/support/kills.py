"""Kills workers during a job, lets another one finish it, and checks the result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support.truth_check import assert_matches_truth, assert_playable
from tests.support.worker_process import Cloud, Worker, cloud
from worker.manifest.schema import Manifest

DURATION = 15.0


def conversation(duration: float = DURATION) -> Scenario:
    """Three people; at any time one of them talks, sometimes two."""
    return Scenario(
        title="three people who talk all the time",
        duration=duration,
        participants=[
            Participant(name="Ada Ray", voice="elif", csrc=7001, says=_turns(0.1, duration), host=True),
            Participant(name="Ben Oak", voice="nuno", csrc=7002, says=_turns(2.1, duration)),
            Participant(name="Cleo Fir", voice="greta", csrc=7003, says=_turns(4.1, duration)),
        ],
        page=Page(lobby=0.8),
    )


def _turns(first: float, duration: float) -> list[tuple[float, float]]:
    """2.4 s of every 6 s, from ``first`` on."""
    starts = [first + 6.0 * number for number in range(int(duration / 6) + 1)]
    return [(start, min(start + 2.4, duration)) for start in starts if start + 0.5 < duration]


Moment: TypeAlias = Callable[[Cloud, int], Awaitable[None]]
"""Returns when it is time to kill the worker that runs the attempt with this number."""


def after(seconds: float) -> Moment:
    """This many seconds after the worker's start."""

    async def wait(aws: Cloud, attempt: int) -> None:
        del aws, attempt
        await asyncio.sleep(seconds)

    return wait


def recording_for(seconds: float) -> Moment:
    """This many seconds after the worker has reported that it records."""

    async def wait(aws: Cloud, attempt: int) -> None:
        def records() -> bool:
            status = aws.status()
            return status is not None and (status.state, status.attempt) == ("in_call_recording", attempt)

        await aws.until(records)
        await asyncio.sleep(seconds)

    return wait


async def kill_and_finish(
    folder: Path, moments: Sequence[Moment], duration: float = DURATION
) -> Manifest | None:
    """Kills one worker after the other, each at its moment; then another worker finishes the job.

    The meeting takes ``duration`` seconds. Returns the bot's manifest, None if nothing was recorded.
    """
    kills = []
    with cloud() as aws:
        async with Replica(conversation(duration), folder / "truth.jsonl") as replica:
            aws.dispatch(replica)
            for number, moment in enumerate(moments, start=1):
                worker = await Worker.start(replica, aws, folder / f"work-{number}")
                await moment(aws, number)
                kills.append(time.time())
                await worker.kill()
            last = await Worker.start(replica, aws, folder / "work-last")
            assert await last.finish() == 0
        return await asyncio.to_thread(_check, aws, folder, kills)


def _check(aws: Cloud, folder: Path, kills: list[float]) -> Manifest | None:
    (result,) = aws.results()
    assert aws.waiting_jobs() == 0
    assert aws.dead_letters() == []
    status = aws.status()
    assert status is not None
    assert status.reported
    bot = aws.save(folder / "bot")
    sizes = {file.key.removeprefix(aws.keys.folder): file.size for file in result.files}
    assert sizes == {key: (bot / key).stat().st_size for key in sizes}
    if result.audio_streams is None:
        return None
    manifest = aws.manifest()
    assert_matches_truth(bot, manifest, read_truth(folder / "truth.jsonl"), kills)
    parts = manifest.recording.parts
    for part in parts if isinstance(parts, list) else []:
        if part.mixed_audio is not None:
            assert_playable(bot / part.mixed_audio, part.duration_seconds)
    return manifest
