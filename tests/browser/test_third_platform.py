"""What a third platform takes: a dry run with a made-up one, in a copy of the worker."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import pytest
from aiohttp import web

from tests.support.record_process import events_of, frames_in
from worker.tape.events import RosterChanged, StateChanged, TapeStarted

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "tests" / "support" / "example_platform"

EDITS: Final = {
    "worker/platforms/registry.py": [
        (
            "from worker.platforms.meet import link as meet_link\n",
            "from worker.platforms.example import link as example_link\n"
            "from worker.platforms.example.roster import ExampleRosterDecoder\n"
            "from worker.platforms.example.signs import PRIVATE as EXAMPLE_PRIVATE\n"
            "from worker.platforms.meet import link as meet_link\n"
            "from worker.roster.chat import no_chat\n"
            "from worker.roster.video_sources import NoVideoSources\n",
        ),
        ('    GOOGLE_MEET = "google_meet"\n', '    EXAMPLE = "example"\n    GOOGLE_MEET = "google_meet"\n'),
        (
            "        Platform.GOOGLE_MEET: PlatformEntry(\n",
            "        Platform.EXAMPLE: PlatformEntry(\n"
            '            title="Example",\n'
            "            hosts=frozenset({example_link.HOST}),\n"
            "            example_link=example_link.EXAMPLE,\n"
            "            parse_link=example_link.parse_example_link,\n"
            "            short_form=no_short_form,\n"
            "            open_roster_decoder=ExampleRosterDecoder,\n"
            "            audio=AudioKind.SEPARATE,\n"
            "            hints_in=no_hints,\n"
            '            call="worker.platforms.example.call:ExampleCall",\n'
            "            page_scripts=(),\n"
            "            private_selectors=EXAMPLE_PRIVATE,\n"
            "            longest_wait=600.0,\n"
            "            chat_in=no_chat,\n"
            "            identify=None,\n"
            "            longest_alone=None,\n"
            "            is_roster_push=None,\n"
            "            open_video_sources=NoVideoSources,\n"
            "            open_answered_slots=None,\n"
            "        ),\n"
            "        Platform.GOOGLE_MEET: PlatformEntry(\n",
        ),
    ],
    "worker/contracts/vendor_words.py": [
        (
            "        Platform.GOOGLE_MEET: SubCodes(\n",
            "        Platform.EXAMPLE: SubCodes(\n"
            '            sign_in_failed="example_sign_in_failed",\n'
            '            blocked="example_bot_blocked",\n'
            '            captcha="example_captcha",\n'
            '            not_connected="example_internal_error",\n'
            "        ),\n"
            "        Platform.GOOGLE_MEET: SubCodes(\n",
        ),
    ],
    "pyproject.toml": [
        (
            'modules = ["worker.platforms.meet", "worker.platforms.teams"]\n',
            'modules = ["worker.platforms.example", "worker.platforms.meet", "worker.platforms.teams"]\n',
        ),
        (
            '    "worker.platforms.chat",\n    "worker.platforms.meet",\n',
            '    "worker.platforms.chat",\n    "worker.platforms.example",\n    "worker.platforms.meet",\n',
        ),
    ],
}
"""All that changes in files that exist: (text before, text after). The last is only for the rules of imports."""


def add_example_platform(copy: Path) -> None:
    """Copies the worker to ``copy`` and adds the platform, as a newcomer would in the real one."""
    for package in ("worker", "browser_scripts"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    shutil.copytree(
        EXAMPLE, copy / "worker" / "platforms" / "example", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, edits in EDITS.items():
        text = (copy / name).read_text("utf-8")
        for before, after in edits:
            assert text.count(before) == 1, f"{name}: {before!r}"
            text = text.replace(before, after)
        (copy / name).write_text(text, "utf-8")


@asynccontextmanager
async def room() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The address of the example's page, and what is set once the bot has left by its button."""
    left = asyncio.Event()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=(EXAMPLE / "room.html").read_text("utf-8"), content_type="text/html")

    async def leave(_: web.Request) -> web.Response:
        left.set()
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/room/abc", page), web.post("/left", leave)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", 0)
        await site.start()
        yield f"http://localhost:{runner.addresses[0][1]}/room/abc", left
    finally:
        await runner.cleanup()


async def meetstems(copy: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def test_a_third_platform_touches_at_most_three_files_that_exist() -> None:
    assert len(EDITS) <= 3


@pytest.mark.parametrize(
    ("fragment", "arguments", "reason", "by_button"),
    [("", ["--max-duration", "3"], "max_duration", True), ("#closes", [], "meeting_ended", False)],
)
async def test_the_example_platform_is_joined_recorded_and_left(
    fragment: str, arguments: list[str], reason: str, by_button: bool, tmp_path: Path
) -> None:
    copy, output = tmp_path / "copy", tmp_path / "out"
    add_example_platform(copy)
    async with room() as (address, left):
        exit_code, said = await meetstems(
            copy, "record", address + fragment, "--output", str(output), "--bot-name", "Notes", *arguments
        )
        assert exit_code == 0, said
        assert left.is_set() is by_button
    manifest = msgspec.json.decode((output / "audio_streams.json").read_bytes())
    assert manifest["recording"]["platform"] == "example"
    assert manifest["recording"]["ended_reason"] == reason
    assert manifest["summary"]["total_segments"] == 1
    assert "Example" in (output / "timeline.html").read_text("utf-8")
    events = events_of(output)
    assert isinstance(events[0], TapeStarted)
    assert [event.state for event in events if isinstance(event, StateChanged)] == [
        "joining",
        "waiting_room",
        "in_call_not_recording",
        "in_call_recording",
        "leaving",
        "done",
    ]
    assert [(event.change, event.name) for event in events if isinstance(event, RosterChanged)] == [
        ("join", "Ada Ray")
    ]
    assert frames_in(events) > 50
    # The same tape gives the same files without a browser.
    exit_code, said = await meetstems(
        copy, "replay", str(output / "tape"), "--output", str(tmp_path / "again")
    )
    assert exit_code == 0, said
    for name in ("audio_streams.json", "audio.wav", "timeline.html"):
        assert (tmp_path / "again" / name).read_bytes() == (output / name).read_bytes()


def test_the_example_platform_keeps_the_rules_of_imports(tmp_path: Path) -> None:
    add_example_platform(tmp_path)
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


async def test_a_link_to_the_example_platform_makes_a_job(tmp_path: Path) -> None:
    add_example_platform(tmp_path)
    program = (
        "from worker.contracts.parse_job import parse_job\n"
        'print(parse_job(\'{"meeting_url": "http://localhost:8000/room/abc"}\', lambda: "b").platform)'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    out, _ = await process.communicate()
    assert out.decode() == "example\n"
