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
import msgspec
import psutil

from fixtures.replica.server import Replica
from tests.support.record_process import ROOT, meeting, settings_for
from worker.manifest.schema import Manifest


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


async def until_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.05)


async def test_a_bot_of_the_api_is_recorded_also_if_all_is_killed_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with Replica(meeting(24.0), tmp_path / "truth.jsonl") as replica:
        async with Server.running(replica, folder) as server, server.client() as client:
            body = {"meeting_link": replica.meeting_url, "bot_name": "Notes", "audio_separate_streams": True}
            bot_id = (await client.post("/api/v1/bots/create_bot", json=body)).json()["bot_id"]
            assert (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).status_code == 202
            await until(
                client, f"/api/v1/bots/{bot_id}/status", lambda answer: answer.json()["status"] == "Recording"
            )
            await _until_tape(folder / "objects" / "bots" / bot_id)
            await server.kill_all()
        async with Server.running(replica, folder) as server, server.client() as client:
            await _check_recording(client, bot_id, folder / "objects" / "bots" / bot_id)


async def test_a_bot_in_a_call_does_what_it_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with (
        Replica(meeting(60.0), tmp_path / "truth.jsonl") as replica,
        Server.running(replica, folder) as server,
        server.client() as client,
    ):
        body = {
            "meeting_url": replica.meeting_url,
            "recording_config": {"audio_separate_raw": {}, "start_recording_on": "manual"},
        }
        bot_id = (await client.post("/api/v1/bot/", json=body)).json()["id"]
        recall, meetstream = f"/api/v1/bot/{bot_id}", f"/api/v1/bots/{bot_id}"

        def has_code(code: str) -> Callable[[httpx.Response], bool]:
            return lambda answer: code in [each["code"] for each in answer.json()["status_changes"]]

        def is_recording(code: str) -> Callable[[httpx.Response], bool]:
            return lambda answer: [each["status"]["code"] for each in answer.json()["recordings"]] == [code]

        async def tell(path: str, body: dict[str, str] | None = None) -> None:
            answer = await client.post(path, json=body)
            assert answer.status_code == 200, answer.text

        early = await client.post(f"{recall}/pause_recording/")
        assert (early.status_code, early.json()["code"]) == (400, "cannot_command_unstarted_bot")
        bot = await until(client, recall, has_code("in_call_not_recording"))
        assert bot["recordings"] == []
        await tell(f"{recall}/start_recording/")
        await until(client, recall, is_recording("processing"))
        await tell(f"{recall}/send_chat_message/", {"message": "Hello all"})
        await until_true(lambda: "Hello all" in replica.chat)
        await tell(f"{meetstream}/pause_recording")
        await until(client, recall, is_recording("paused"))
        await tell(f"{meetstream}/take_screenshot")
        pictures = f"{meetstream}/get_screenshots"
        listed = await until(client, pictures, lambda answer: answer.json()["screenshots"] != [])
        (picture,) = listed["screenshots"]
        assert (await client.get(picture["url"])).content[:4] == b"\x89PNG"
        await tell(f"{recall}/resume_recording/")
        await until(client, recall, is_recording("processing"))
        await tell(f"{recall}/leave_call/")
        bot = await until(client, recall, has_code("done"))
        ends = [(each["code"], each["sub_code"]) for each in bot["status_changes"]][-2:]
        assert ends == [("call_ended", "bot_received_leave_call"), ("done", None)]
        again = await client.post(f"{recall}/leave_call/")
        assert (again.status_code, again.json()["code"]) == (400, "cannot_command_completed_bot")
    stored = folder / "objects" / "bots" / bot_id / "audio_streams.json"
    manifest = msgspec.json.decode(stored.read_bytes(), type=Manifest)
    ((start, end),) = list(manifest.recording.pauses or [])
    assert 0 < start < end < manifest.recording.duration_seconds
    assert (manifest.recording.ended_reason, manifest.recording.holes) == ("interrupted", msgspec.UNSET)
    assert manifest.audio_streams_available
    for _, segment in manifest.segments():
        assert segment.duration_seconds == manifest.recording.duration_seconds
        assert max(min(end, last) - max(start, first) for first, last in segment.intervals) < 0.3


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
        served = (await client.get(part["download_url"])).content
        assert served in stems
        assert served == (await client.get(segment["url"])).content
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
