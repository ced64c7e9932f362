"""The HTTP API of one machine, with a real Chromium: what is killed goes on, and what is served is what was recorded."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from fixtures.replica.server import Replica
from tests.support.audio_files import decoded, likeness
from tests.support.record_process import ROOT, meeting, settings_for


class Server:
    """``meetstems serve --local``, whose bots find the replica."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder

    @classmethod
    @asynccontextmanager
    async def running(cls, replica: Replica, folder: Path) -> AsyncIterator[Server]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "worker.cli", "serve", "--local", "--data", str(folder), "--port", "0"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={
                **os.environ,
                "MEETSTEMS_CHROMIUM_ARGS": shlex.join(settings_for(replica).chromium_args),
                "MEETSTEMS_LEASE_SECONDS": "2",
                "MEETSTEMS_VISIBILITY_SECONDS": "3",
            },
        )
        assert process.stdout is not None
        line = await process.stdout.readline()
        server = cls(process, line.decode().removeprefix("serving on ").strip(), folder)
        try:
            yield server
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    def client(self) -> httpx.AsyncClient:
        key = (self.folder / "key").read_text().strip()
        return httpx.AsyncClient(base_url=self.url, headers={"authorization": key}, timeout=30)

    async def kill_all(self) -> None:
        """SIGKILL of the server and of all that it started."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            process.kill()
        self.process.kill()
        await self.process.wait()


async def until(client: httpx.AsyncClient, path: str, wanted: Callable[[httpx.Response], bool]) -> Any:
    async with asyncio.timeout(90):
        while not wanted(answer := await client.get(path)):  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.2)
    return answer.json()


async def test_a_bot_of_the_api_is_recorded_also_if_all_is_killed_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with Replica(meeting(30.0), tmp_path / "truth.jsonl") as replica:
        async with Server.running(replica, folder) as server, server.client() as client:
            body = {"meeting_url": replica.meeting_url, "recording_config": {"audio_separate_raw": {}}}
            bot_id = (await client.post("/api/v1/bot", json=body)).json()["id"]
            assert (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).status_code == 202
            await until(
                client, f"/api/v1/bots/{bot_id}/status", lambda answer: answer.json()["status"] == "Recording"
            )
            await _until_tape(folder / "objects" / "bots" / bot_id)
            await server.kill_all()
        async with Server.running(replica, folder) as server, server.client() as client:
            await _check_recording(client, bot_id, folder / "objects" / "bots" / bot_id)


async def _check_recording(client: httpx.AsyncClient, bot_id: str, stored: Path) -> None:
    """Checks that both vendors' answers lead to the files that are stored, of both attempts."""
    streams = await until(
        client, f"/api/v1/bots/{bot_id}/get_audio_streams", lambda answer: answer.status_code == 200
    )
    assert [person["participant_name"] for person in streams["participants"]] == ["Ada Ray", "Ben Oak"]
    bot = await until(
        client,
        f"/api/v1/bot/{bot_id}",
        lambda answer: answer.json()["status_changes"][-1]["code"] == "done",
    )
    assert [change["code"] for change in bot["status_changes"]].count("in_call_recording") == 2
    query = {"recording_id": bot["recordings"][0]["id"]}
    (artifact,) = (await client.get("/api/v1/audio_separate", params=query)).json()["results"]
    assert artifact["format"] == "raw"
    parts = (await client.get(artifact["data"]["download_url"])).json()
    segments = [
        segment
        for person in streams["participants"]
        for stream in person["streams"]
        for segment in stream["segments"]
    ]
    assert {segment["segment_index"] for segment in segments} == {0, 1}
    stems = _stems(stored)
    assert len(stems) == len(segments)
    for part, segment in zip(parts, segments, strict=True):
        stem = (await client.get(segment["url"])).content
        assert stem in stems
        part_of_it = await client.get(segment["url"], headers={"range": "bytes=100-199"})
        assert (part_of_it.status_code, part_of_it.content) == (206, stem[100:200])
        raw = (await client.get(part["download_url"])).content
        expected = decoded(stem, 16_000)
        assert len(raw) == 2 * len(expected) == part["duration"] * 16_000 * 2
        assert likeness(np.frombuffer(raw, "<i2").astype(np.float64), expected) > 0.9
    people = (await client.get(f"/api/v1/bots/{bot_id}/get_participants")).json()
    assert [person["fullName"] for person in people] == ["Ada Ray", "Ben Oak"]
    (artifact,) = (await client.get("/api/v1/participant_events", params=query)).json()["results"]
    events = (await client.get(artifact["data"]["participant_events_download_url"])).json()
    actions = {(event["participant"]["name"], event["action"]) for event in events}
    assert {(name, action) for name in ("Ada Ray", "Ben Oak") for action in ("join", "speech_on")} <= actions
    mix = (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).json()["audio_url"]
    assert (await client.get(mix)).content[:4] == b"RIFF"


def _stems(folder: Path) -> set[bytes]:
    """The speakers' files of all attempts."""
    return {path.read_bytes() for path in folder.rglob("*.webm")}


async def _until_tape(folder: Path) -> None:
    """Waits until a part of the tape is in the store."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(lambda: list(folder.rglob("part-*.mcap"))):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
