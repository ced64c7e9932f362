"""Kills workers in the middle of a job, lets another one finish it, and checks what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support.truth_check import assert_playable, assert_true_to_the_meeting
from tests.support.worker_process import Cloud, Worker, cloud
from worker.manifest.schema import Manifest

LENGTH = 15.0


def conversation(duration: float = LENGTH) -> Scenario:
    """Three people of whom somebody always talks, and two of them sometimes at once."""
    return Scenario(
        title="three people who never stop",
        duration=duration,
        participants=[
            Participant(name="Ada Ray", voice="elif", csrc=7001, says=_turns(0.1, duration), host=True),
            Participant(name="Ben Oak", voice="nuno", csrc=7002, says=_turns(2.1, duration)),
            Participant(name="Cleo Fir", voice="greta", csrc=7003, says=_turns(4.1, duration)),
        ],
        page=Page(lobby=0.8),
    )


def _turns(first: float, duration: float) -> list[tuple[float, float]]:
    """2.4 s of every six, from ``first`` on."""
    starts = [first + 6.0 * number for number in range(int(duration / 6) + 1)]
    return [(start, min(start + 2.4, duration)) for start in starts if start + 0.5 < duration]


Moment: TypeAlias = Callable[[Cloud, int], Awaitable[None]]
"""Returns when it is time to kill the worker that makes the attempt of this number."""


def after(seconds: float) -> Moment:
    """So long after the worker's start."""

    async def wait(there: Cloud, attempt: int) -> None:
        del there, attempt
        await asyncio.sleep(seconds)

    return wait


def recording_for(seconds: float) -> Moment:
    """So long after the worker has said that it records."""

    async def wait(there: Cloud, attempt: int) -> None:
        def records() -> bool:
            status = there.status()
            return status is not None and (status.state, status.attempt) == ("in_call_recording", attempt)

        await there.until(records)
        await asyncio.sleep(seconds)

    return wait


async def kill_and_finish(folder: Path, moments: Sequence[Moment], length: float = LENGTH) -> Manifest | None:
    """Kills one worker after the other, each at its moment; then one more does what is left.

    The meeting takes ``length`` seconds. Returns the bot's document, None where nothing was recorded.
    """
    kills = []
    with cloud() as there:
        async with Replica(conversation(length), folder / "truth.jsonl") as replica:
            there.dispatch(replica)
            for number, moment in enumerate(moments, start=1):
                worker = await Worker.start(replica, there, folder / f"work-{number}")
                await moment(there, number)
                kills.append(time.time())
                await worker.kill()
            last = await Worker.start(replica, there, folder / "work-last")
            assert await last.finish() == 0
        return await asyncio.to_thread(_check, there, folder, kills)


def _check(there: Cloud, folder: Path, kills: list[float]) -> Manifest | None:
    (result,) = there.results()
    assert there.waiting_jobs() == 0
    assert there.dead_letters() == []
    status = there.status()
    assert status is not None
    assert status.reported
    bot = there.save(folder / "bot")
    sizes = {file.key.removeprefix(there.keys.folder): file.size for file in result.files}
    assert sizes == {key: (bot / key).stat().st_size for key in sizes}
    if result.audio_streams is None:
        return None
    manifest = there.manifest()
    assert_true_to_the_meeting(bot, manifest, read_truth(folder / "truth.jsonl"), kills)
    parts = manifest.recording.parts
    for part in parts if isinstance(parts, list) else []:
        if part.mixed_audio is not None:
            assert_playable(bot / part.mixed_audio, part.duration_seconds)
    return manifest
