"""The HTTP API of one machine, with a real Chromium: what is killed goes on, and what is served is what was recorded."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx
import msgspec
import numpy as np
import psutil
import pytest
from meetstream import AsyncMeetStream, MeetStream
from meetstream import _errors as errors

from fixtures.replica.scenario import load_scenario
from fixtures.replica.server import Replica
from tests.support.audio_files import decoded, likeness
from tests.support.receivers import receiving
from tests.support.record_process import meeting
from tests.support.serve_process import Server, stems_in, until, until_tape
from worker.manifest.schema import Manifest
from worker.server.demo_link import DEMO_LINK

WEBHOOKS = {
    *("bot.joining_call", "bot.in_call_recording", "bot.call_ended", "bot.done"),
    *("recording.processing", "recording.done", "audio_separate.done", "audio_mixed.done"),
}

SCENARIO = """
title = "Two people"
duration = 12.0

[[participants]]
name = "Zoë Ray"
voice = "elif"
csrc = 7001
host = true
says = [[0.2, 6.0]]

[[participants]]
name = "Ben Oak"
voice = "nuno"
csrc = 7002
says = [[6.0, 11.5]]
"""


async def until_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.05)


async def test_a_bot_of_the_api_is_recorded_also_if_all_is_killed_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with Replica(meeting(30.0), tmp_path / "truth.jsonl") as replica, receiving() as receiver:
        local = {"MEETSTEMS_ALLOW_PRIVATE_URLS": "127.0.0.1"}
        async with Server.running(replica, folder, **local) as server, server.client() as client:
            body = {
                "meeting_url": replica.meeting_url,
                "recording_config": {"audio_separate_raw": {}},
                "webhook_url": receiver.url,
            }
            bot_id = (await client.post("/api/v1/bot", json=body)).json()["id"]
            assert (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).status_code == 202
            await until(
                client, f"/api/v1/bots/{bot_id}/status", lambda answer: answer.json()["status"] == "Recording"
            )
            await until_tape(folder / "objects" / "bots" / bot_id)
            await server.kill_all()
        async with Server.running(replica, folder, **local) as server, server.client() as client:
            await _check_recording(client, bot_id, folder / "objects" / "bots" / bot_id)
            await until_true(lambda: set(receiver.events) >= WEBHOOKS)
    bodies = {each.id: each.body for each in receiver.received}
    assert all(bodies[each.id] == each.body for each in receiver.received), "a repetition has the same id"
    assert receiver.events.index("bot.in_call_recording") < receiver.events.index("bot.done")
    (done,) = {each.id for each in receiver.received if each.event == "bot.done"}
    assert msgspec.json.decode(bodies[done])["data"]["bot"]["id"] == bot_id


async def test_the_printed_lines_give_the_files_of_the_demo_meeting(tmp_path: Path) -> None:
    """Beside them MeetStream's own client, unmodified, sends another bot there."""
    scenario, shell = tmp_path / "two.toml", tmp_path / "a shell"
    scenario.write_text(SCENARIO)
    shell.mkdir()
    folder = tmp_path / "some data"
    async with Server.with_demo(folder, scenario) as server:
        lines = [line for line in server.printed if line.startswith("  ")]
        assert len(lines) == 3
        key = (folder / "key").read_text().strip()
        api: dict[str, Any] = {"api_key": key, "base_url": f"{server.url}/api/v1", "max_retries": 0}
        async with AsyncMeetStream(**api) as client:
            body = {"meeting_link": DEMO_LINK, "bot_name": "Notes", "audio_separate_streams": True}
            bot_id = (await client.bots.create(body))["bot_id"]
            with pytest.raises(errors.NotReadyError):
                await client.bots.audio_streams(bot_id)
            await _run_in_shell(lines, shell)
            await client.bots.wait_for_audio(bot_id, timeout=60, interval=0.2)
            await _use_client(client, bot_id, folder)
        (downloads,) = shell.glob("recording-*")
        printed_bot = downloads.name.removeprefix("recording-")
        stored = stems_in(folder / "objects" / "bots" / printed_bot)
        names = sorted(path.name.split("_")[0] for path in downloads.iterdir())
        assert names == ["Ben", "Zoë"]
        assert {path.read_bytes() for path in downloads.iterdir()} == stored
        await asyncio.to_thread(_delete_with_client, api, printed_bot)
        assert not (folder / "objects" / "bots" / printed_bot).exists()
    assert not [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(scenario) in (process.info["cmdline"] or [])
    ], "the demo meeting ends with its bots"


async def _run_in_shell(lines: list[str], folder: Path) -> None:
    """Runs what a user copies."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", "\n".join(lines), cwd=folder, stdin=asyncio.subprocess.DEVNULL, process_group=0
    )
    try:
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _use_client(client: AsyncMeetStream, bot_id: str, folder: Path) -> None:
    """Checks every call of MeetStream's client that is served against what was recorded."""
    streams = await client.bots.audio_streams(bot_id)
    assert [person["participant_name"] for person in streams["participants"]] == ["Zoë Ray", "Ben Oak"]
    async with httpx.AsyncClient() as web:
        served = {
            (await web.get(segment["url"])).content
            for person in streams["participants"]
            for stream in person["streams"]
            for segment in stream["segments"]
        }
        assert (await web.get((await client.bots.audio(bot_id))["audio_url"])).content[:4] == b"RIFF"
    assert served == stems_in(folder / "objects" / "bots" / bot_id)
    assert (await client.bots.status(bot_id))["status"] == "Done"
    details = (await client.bots.detail(bot_id))["bot_details"]
    assert details["Duration"] > 8
    assert {"Joining", "InMeeting", "Recording", "Leaving", "Done"} <= set(details["StatusTimeline"])
    assert len(await client.bots.participants(bot_id)) == 2
    spoken = {chunk["speakerName"] for chunk in (await client.bots.speaker_timeline(bot_id))["chunks"]}
    assert spoken == {"Zoë Ray", "Ben Oak"}
    assert (await client.bots.recording_streams(bot_id))["recording_streams_available"] is False
    assert (await client.transcripts.list_for_bot(bot_id))["transcriptions"] == []
    assert bot_id in [bot["bot_id"] for bot in (await client.bots.list())["bots"]]
    with pytest.raises(errors.NotFoundError):
        await client.bots.remove(bot_id)


def _delete_with_client(api: dict[str, Any], bot_id: str) -> None:
    with MeetStream(**api) as client:
        assert client.bots.status(bot_id)["status"] == "Done"
        assert client.bots.delete_data(bot_id)["deleted_objects"] > 5
        for call in (client.bots.status, client.bots.audio_streams, client.bots.delete_data):
            with pytest.raises(errors.NotFoundError):
                call(bot_id)


async def test_the_guide_of_separate_video_gives_the_hosts_camera(tmp_path: Path) -> None:
    """The steps of Recall.ai's guide, and MeetStream's document of the same bot."""
    scenario = load_scenario("standup-video")
    (host,) = (person.name for person in scenario.participants if person.host)
    async with (
        Replica(scenario, tmp_path / "truth.jsonl") as replica,
        Server.running(replica, tmp_path / "data") as server,
        server.client() as client,
        httpx.AsyncClient() as web,
    ):
        config = {"video_mixed_layout": "gallery_view_v2", "video_separate_mp4": {}}
        body = {"meeting_url": replica.meeting_url, "recording_config": config}
        bot_id = (await client.post("/api/v1/bot", json=body)).json()["id"]
        bot = await until(client, f"/api/v1/bot/{bot_id}", _has_code("done"), seconds=120)
        listed = await client.get(f"/api/v1/video_separate?recording_id={bot['recordings'][0]['id']}")
        (video,) = listed.json()["results"]
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_recording_streams")).json()
        parts = (await web.get(video["data"]["download_url"])).json()
        part = next(part for part in parts if part["participant"]["is_host"] is True)
        file = await web.get(part["download_url"])
    assert (part["participant"]["name"], part["type"]) == (host, "webcam")
    shown = {each["participant"]["name"] for each in parts}
    assert shown == {person.name for person in scenario.participants if person.cameras}
    assert file.headers["content-type"].startswith("video/")
    assert streams["summary"]["total_segments"] == len(parts)
    with av.open(io.BytesIO(file.content), "r") as container:
        frames = sum(1 for _ in container.decode(video=0))
    # The replica sends more than ten a second.
    assert frames > part["duration"] * 5


def _has_code(code: str) -> Callable[[httpx.Response], bool]:
    """Whether an answer is a bot of Recall.ai's whose last state is ``code``."""

    def has_code(answer: httpx.Response) -> bool:
        changes = answer.json()["status_changes"]
        return bool(changes) and changes[-1]["code"] == code

    return has_code


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
    assert artifact["format"] == "raw"
    parts = (await client.get(artifact["data"]["download_url"])).json()
    segments = [
        segment
        for person in streams["participants"]
        for stream in person["streams"]
        for segment in stream["segments"]
    ]
    assert {segment["segment_index"] for segment in segments} == {0, 1}
    stems = stems_in(stored)
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
