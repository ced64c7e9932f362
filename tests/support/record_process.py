"""Runs ``meetstems record`` against a replica, and checks its files."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
import msgspec
import psutil

from fixtures.replica.entrance import Entrance
from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from worker.browser.processes import browser_processes
from worker.manifest.schema import Manifest
from worker.settings import BrowserSettings
from worker.tape.errors import TapeReadError
from worker.tape.events import FrameBatch, TapeEvent
from worker.tape.reader import TapeReader

ROOT = Path(__file__).parents[2]
EXTRA_ARGS = ("--disable-features=WebRtcHideLocalIpsWithMdns",)
"""Makes ICE use loopback."""


def meeting(duration: float, lobby: float = 0.8, **page: bool) -> Scenario:
    """Two people who talk one after the other, without a pause."""
    half = duration / 2
    return Scenario(
        title="a meeting of two",
        duration=duration,
        participants=[
            Participant(name="Ada Ray", voice="elif", csrc=7001, says=[(0.2, half)], host=True),
            Participant(name="Ben Oak", voice="nuno", csrc=7002, says=[(half, duration - 0.2)]),
        ],
        page=msgspec.convert({"lobby": lobby, **page}, Page),
    )


def settings_for(replica: Replica | Entrance) -> BrowserSettings:
    own = BrowserSettings.from_environment(os.environ)
    return BrowserSettings(
        chromium=own.chromium, chromium_args=(*own.chromium_args, *replica.chromium_args, *EXTRA_ARGS)
    )


def chromium_of(worker: int) -> int:
    """Chromium's main process: the others have a type, or handle crashes."""
    for pid in browser_processes(worker).chromium:
        command = " ".join(psutil.Process(pid).cmdline())
        if "--type=" not in command and "crashpad" not in command:
            return pid
    raise AssertionError("Chromium is not running")


class Finished(NamedTuple):
    """How the command ended."""

    exit_code: int
    out: str
    err: list[str]


class Command:
    """``meetstems record`` in another process."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self.output = output

    @classmethod
    async def record(cls, replica: Replica, output: Path, *arguments: str, url: str = "") -> Command:
        args = shlex.join([*settings_for(replica).chromium_args])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "worker.cli", "record", url or replica.meeting_url, "--output", str(output), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "MEETSTEMS_CHROMIUM_ARGS": args, "PYTHONWARNINGS": "error"},
        )
        return cls(process, output)

    async def finish(self) -> Finished:
        out, err = await self.process.communicate()
        assert self.process.returncode is not None
        lines = [line for line in err.decode().splitlines() if "without its sandbox" not in line]
        return Finished(self.process.returncode, out.decode(), lines)

    async def until_on_tape(self, wanted: Callable[[list[TapeEvent]], bool]) -> None:
        """Waits until ``wanted`` is true for the events on the tape."""
        async with asyncio.timeout(90):
            while not wanted(events_of(self.output)):
                if self.process.returncode is not None:
                    raise AssertionError(f"the command ended too early: {await self.finish()}")
                await asyncio.sleep(0.1)

    def chromium(self) -> int:
        """The process id of Chromium's main process."""
        return chromium_of(self.process.pid)


def events_of(output: Path) -> list[TapeEvent]:
    """The events on the tape so far."""
    try:
        return list(TapeReader(output / "tape"))
    except TapeReadError:
        return []


def frames_in(events: list[TapeEvent]) -> int:
    return sum(len(event.frames) for event in events if isinstance(event, FrameBatch))


def manifest_of(output: Path) -> Manifest:
    return msgspec.json.decode((output / "audio_streams.json").read_bytes(), type=Manifest)


def assert_complete(output: Path) -> Manifest:
    """Checks that every file exists, can be decoded completely and has the manifest's duration."""
    manifest = manifest_of(output)
    expected = manifest.recording.duration_seconds
    segments = [
        segment
        for person in manifest.participants
        for stream in person.streams
        for segment in stream.segments
    ]
    for path in [output / "audio.wav", *(output / segment.url for segment in segments)]:
        with av.open(str(path)) as container:
            assert container.duration is not None
            assert abs(container.duration / av.time_base - expected) < 0.02
            decoded = sum(frame.samples for frame in container.decode(audio=0))
        assert abs(decoded / 48_000 - expected) < 0.02
    assert sorted(path.name for path in (output / "streams").iterdir()) == sorted(
        s.filename for s in segments
    )
    assert (output / "timeline.html").stat().st_size > 0
    return manifest


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, except the tape's."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "tape"
    }
