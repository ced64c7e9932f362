from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from fixtures.replica.meet.site import MeetSite
from tests.support.record_process import ROOT
from worker.jobs.demo_call import DemoError, settings_for
from worker.platforms.links import parse_link
from worker.settings import BrowserSettings, DemoMeeting, SettingsError, WorkerSettings

LINK = "https://meet.google.com/abc-defg-hij"
OTHER = "https://meet.google.com/xyz-defg-hij"
SETTINGS = BrowserSettings(chromium_args=("--own",))

PLAY = """
import json, os, sys
print(json.dumps({"meeting_url": "x", "chromium_args": ["--there=" + sys.argv[1]]}), flush=True)
open(sys.argv[1], "w").write(str(os.getpid()))
sys.stdin.read()
os.unlink(sys.argv[1])
"""


def demo(*command: str) -> DemoMeeting:
    return DemoMeeting(link=LINK, command=(sys.executable, *command))


async def test_the_demo_meeting_is_played_for_each_bot_as_long_as_it_attends(tmp_path: Path) -> None:
    async def attend(name: str) -> None:
        played = tmp_path / name
        meeting = demo("-c", PLAY, str(played))
        async with settings_for(parse_link(f"{LINK}?hl=de"), SETTINGS, meeting) as settings:
            assert settings.chromium_args == ("--own", f"--there={played}")
            attending.append(name)
            if len(attending) == 2:
                both.set()
            await asyncio.wait_for(both.wait(), 30)
        assert not played.exists(), "it ends with the bot"

    attending: list[str] = []
    both = asyncio.Event()
    await asyncio.gather(attend("first"), attend("second"))


@pytest.mark.parametrize(("link", "has_demo"), [(OTHER, True), (LINK, False)])
async def test_any_other_call_is_joined_as_it_is(link: str, has_demo: bool) -> None:
    meeting = demo("-c", "raise SystemExit('played')") if has_demo else None
    async with settings_for(parse_link(link), SETTINGS, meeting) as settings:
        assert settings is SETTINGS


@pytest.mark.parametrize(
    "program",
    [
        "",
        "print('no word')",
        "print('{}')",
        "raise SystemExit(2)",
        "print('x' * 70_000)",
        "print('[' * 60_000)",
        "import os; os.write(1, bytes([0xFF, 10]))",
    ],
)
async def test_a_meeting_that_does_not_begin_is_an_error(program: str) -> None:
    with pytest.raises(DemoError, match="the demo meeting did not begin"):
        async with settings_for(parse_link(LINK), SETTINGS, demo("-c", program)):
            raise AssertionError("there is no meeting")


@pytest.mark.parametrize("command", ["/nowhere/program", "/", "a\0b"])
async def test_a_program_that_cannot_be_started_is_an_error(command: str) -> None:
    meeting = DemoMeeting(link=LINK, command=(command,))
    with pytest.raises(DemoError, match="the demo meeting did not begin"):
        async with settings_for(parse_link(LINK), SETTINGS, meeting):
            raise AssertionError("there is no meeting")


async def test_the_replica_ends_when_the_process_that_started_it_is_killed() -> None:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "fixtures.replica.attached", "silent"),
        stdin=reading,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    os.close(reading)
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert ready["meeting_url"] == MeetSite.meeting_url
        assert ready["chromium_args"]
        os.close(writing)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_the_demo_meeting_is_for_one_machine_only(tmp_path: Path) -> None:
    environ = {"MEETSTEMS_DEMO": shlex.join([LINK, "python", "-m", "x y"])}
    settings = WorkerSettings.from_environment({**environ, "MEETSTEMS_DATA_DIR": str(tmp_path)})
    assert settings.local_demo == DemoMeeting(link=LINK, command=("python", "-m", "x y"))
    with pytest.raises(SettingsError, match="MEETSTEMS_DEMO: is set, expected only with MEETSTEMS_DATA_DIR"):
        _ = WorkerSettings.from_environment(environ).local_demo
    with pytest.raises(SettingsError, match="expected a link and a command"):
        WorkerSettings.from_environment({"MEETSTEMS_DEMO": LINK})
    assert WorkerSettings.from_environment({}).local_demo is None


def test_the_script_names_the_link_of_the_replica() -> None:
    assert f'MEETSTEMS_DEMO="{MeetSite.meeting_url} ' in (ROOT / "scripts" / "serve").read_text()
