"""``meetstems serve --local`` is killed in the middle of four recordings: alone, and with all that it started."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.serve_process import Server, stems_in, until, until_tape
from worker.server.demo_link import DEMO_LINK

BOTS = 4

SCENARIO = """
title = "Two people"
duration = 40.0

[[participants]]
name = "Ada Ray"
voice = "elif"
csrc = 7001
host = true
says = [[0.2, 20.0]]

[[participants]]
name = "Ben Oak"
voice = "nuno"
csrc = 7002
says = [[20.0, 39.5]]
"""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("killed", ["server", "all"])
async def test_four_recordings_go_on(tmp_path: Path, killed: str) -> None:
    scenario, folder = tmp_path / "two.toml", tmp_path / "data"
    scenario.write_text(SCENARIO)
    bots: list[psutil.Process] = []
    try:
        async with Server.with_demo(folder, scenario) as server, server.client() as client:
            body = {"meeting_link": DEMO_LINK, "audio_separate_streams": True}
            made = [await client.post("/api/v1/bots/create_bot", json=body) for _ in range(BOTS)]
            ids = [answer.json()["bot_id"] for answer in made]
            await asyncio.gather(*(_until_recording(client, bot_id, folder) for bot_id in ids))
            bots = psutil.Process(server.process.pid).children(recursive=True)
            if killed == "all":
                await server.kill_all()
            else:
                server.process.kill()
                await server.process.wait()
        left = await asyncio.to_thread(_parts, folder / "work") if killed == "all" else {}
        async with Server.with_demo(folder, scenario) as server, server.client() as client:
            done = await asyncio.gather(*(_done(client, bot_id) for bot_id in ids))
            for bot_id, (bot, streams) in zip(ids, done, strict=True):
                await _check(client, folder / "objects" / "bots" / bot_id, bot, streams, killed)
        stored = await asyncio.to_thread(_parts, folder / "objects")
        assert left.items() <= stored.items(), "all that was on the disk is in the tape"
        assert not list((folder / "work").iterdir())
    finally:
        for process in bots:
            if process.is_running():
                process.kill()


def _parts(folder: Path) -> dict[str, str]:
    """The parts of tapes in ``folder``: the hash of each, with where one is."""
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in folder.rglob("part-*.mcap")}


async def _until_recording(client: httpx.AsyncClient, bot_id: str, folder: Path) -> None:
    await until(
        client, f"/api/v1/bots/{bot_id}/status", lambda answer: answer.json()["status"] == "Recording"
    )
    await until_tape(folder / "objects" / "bots" / bot_id, parts=2)


async def _done(client: httpx.AsyncClient, bot_id: str) -> tuple[Any, Any]:
    bot = await until(
        client,
        f"/api/v1/bot/{bot_id}",
        lambda answer: (
            answer.json()["status_changes"][-1:] != []
            and answer.json()["status_changes"][-1]["code"] in ("done", "fatal")
        ),
        seconds=240,
    )
    return bot, (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).json()


async def _check(client: httpx.AsyncClient, stored: Path, bot: Any, streams: Any, killed: str) -> None:
    codes = [change["code"] for change in bot["status_changes"]]
    segments = [
        segment
        for person in streams["participants"]
        for stream in person["streams"]
        for segment in stream["segments"]
    ]
    assert [person["participant_name"] for person in streams["participants"]] == ["Ada Ray", "Ben Oak"]
    assert codes[-1] == "done"
    if killed == "server":
        assert codes.count("in_call_recording") == 1, "the bots did not notice"
        assert {segment["segment_index"] for segment in segments} == {0}
    else:
        assert codes.count("in_call_recording") == 2
        assert {segment["segment_index"] for segment in segments} == {0, 1}
    served = {(await client.get(segment["url"])).content for segment in segments}
    assert served == stems_in(stored)
