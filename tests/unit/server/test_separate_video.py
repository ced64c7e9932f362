"""Separate video for both vendors: from the create body to the file, and its deletion."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.support.api import FILM, MEETING, OTHER_KEY, Api
from tests.support.sample_manifests import video_segment
from worker.contracts.bot_facts import related_id
from worker.manifest.person_numbers import number_of_participant
from worker.reasons import Reason
from worker.states import State

RECALL = {
    "meeting_url": MEETING,
    "recording_config": {"video_mixed_layout": "gallery_view_v2", "video_separate_mp4": {}},
}
MEETSTREAM = {"meeting_link": MEETING, "bot_name": "Notes", "video_separate_streams": True}
NOBODY = "No per-participant video streams available for this bot."


async def create(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    path, name = ("bot", "id") if "meeting_url" in body else ("bots/create_bot", "bot_id")
    answer = await client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()[name])


async def artifact(client: httpx.AsyncClient, bot_id: str) -> dict[str, Any]:
    listed = await client.get(
        "/api/v1/video_separate", params={"recording_id": related_id("recording", bot_id)}
    )
    (found,) = listed.json()["results"]
    again = (await client.get(f"/api/v1/video_separate/{found['id']}/")).json()
    assert {**found, "data": None} == {**again, "data": None}
    document: dict[str, Any] = found
    return document


async def test_the_guides_way_leads_to_the_hosts_camera(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, RECALL)
        assert api.desk.jobs[0].separate_video
        manifest = api.record(bot_id, speakers=3)
        bot = (await client.get(f"/api/v1/bot/{bot_id}")).json()
        assert bot["ignored"] == []
        document = await artifact(client, bot_id)
    assert (document["status"]["code"], document["format"]) == ("done", "mp4")
    async with api.client(None) as client:
        parts = (await client.get(document["data"]["download_url"])).json()
        assert [(part["type"], part["participant"]["is_host"]) for part in parts] == [
            ("webcam", True),
            ("webcam", True),
            ("screenshare", False),
        ]
        assert len({part["id"] for part in parts}) == 3
        host = parts[0]
        ada = manifest.participants[0]
        assert host["participant"] == {
            "id": number_of_participant(ada.participant_id or ""),
            "name": ada.participant_name,
            "is_host": True,
            "platform": "unknown",
            "extra_data": {"google_meet": {"participant_id": ada.participant_id}},
            "email": None,
        }
        assert host["start_timestamp"] == {"absolute": "2026-11-21T09:30:02.250Z", "relative": 2.0}
        assert host["duration"] == 5.0
        for part, ending in zip(parts, ("mp4", "webm", "mp4"), strict=True):
            whole = await client.get(part["download_url"])
            assert whole.content.startswith(FILM)
            assert whole.headers["content-type"] == f"video/{ending}"
            assert f'.{ending}"' in whole.headers["content-disposition"]
            ranged = await client.get(part["download_url"], headers={"Range": "bytes=2-5"})
            assert (ranged.status_code, ranged.content) == (206, FILM[2:6])
            assert ranged.headers["content-range"] == f"bytes 2-5/{len(whole.content)}"


async def test_the_artifact_is_processing_until_the_videos_are_there(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, RECALL)
        api.record(bot_id)
        states = (State.JOINING, State.IN_CALL_RECORDING)
        api.enter(bot_id, *states, video_status="in_progress")
        assert (await artifact(client, bot_id))["status"]["code"] == "processing"
        # The audio is final, and the videos are being uploaded.
        api.enter(bot_id, *states, State.STOPPED, audio_status="Success", video_status="in_progress")
        document = await artifact(client, bot_id)
        assert (document["status"]["code"], document["data"]) == ("processing", {"download_url": None})
        (bot,) = (await client.get(f"/api/v1/bot/{bot_id}")).json()["recordings"]
        assert bot["status"]["code"] == "done"


async def test_videos_of_which_none_could_be_kept_have_failed(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, RECALL)
        api.record(bot_id)
        states = (State.JOINING, State.IN_CALL_RECORDING, State.DONE)
        api.enter(bot_id, *states, audio_status="Success", video_status="Failed")
        document = await artifact(client, bot_id)
        assert (document["status"]["code"], document["data"]) == ("failed", {"download_url": None})
        answer = (await client.get(f"/api/v1/bots/{bot_id}/get_recording_streams")).json()
        assert answer["video_status"] == "Failed"


@pytest.mark.parametrize("body", [{**RECALL, "recording_config": {"audio_separate_raw": {}}}, RECALL])
async def test_a_bot_that_showed_nothing_or_was_not_asked(api: Api, body: dict[str, Any]) -> None:
    async with api.client() as client:
        bot_id = await create(client, body)
        api.record(bot_id, speakers=1)
        listed = (await client.get("/api/v1/video_separate")).json()["results"]
        assert len(listed) == (body is RECALL)


@pytest.mark.parametrize("video_status", [None, "Success"])
async def test_a_finished_bot_whose_call_showed_no_video_is_done_with_an_empty_list(
    api: Api, video_status: str | None
) -> None:
    """None: the bot is from before video was served."""
    async with api.client() as client:
        bot_id = await create(client, {**RECALL, "recording_config": {"audio_separate_raw": {}}})
        api.record(bot_id)
        record = api.bots.known(bot_id)
        assert record is not None
        record.body["recording_config"] = RECALL["recording_config"]
        api.bots.write(record)
        states = (State.JOINING, State.IN_CALL_RECORDING, State.DONE)
        api.enter(bot_id, *states, audio_status="Success", video_status=video_status)
        document = await artifact(client, bot_id)
        assert document["status"]["code"] == "done"
        assert (await client.get(document["data"]["download_url"])).json() == []
        answer = await client.get(f"/api/v1/bots/{bot_id}/get_recording_streams")
    assert answer.json() == {
        "bot_id": bot_id,
        "video_status": "Success",
        "recording_streams_available": False,
        "participants": [],
        "screenshares": [],
        "summary": {"total_participants": 0, "total_screenshares": 0, "total_segments": 0},
        "message": NOBODY,
    }


async def test_a_bot_that_did_not_record_has_no_video(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, MEETSTREAM)
        states = (State.JOINING, State.LEAVING, State.FATAL)
        api.enter(
            bot_id, *states, reason=Reason.DENIED_BY_HOST, audio_status="Success", video_status="Success"
        )
        answer = (await client.get(f"/api/v1/bots/{bot_id}/get_recording_streams")).json()
    assert (answer["recording_streams_available"], answer["message"]) == (False, NOBODY)


async def test_metadata_of_an_artifact_can_be_changed(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, RECALL)
        api.record(bot_id)
        path = f"/api/v1/video_separate/{related_id('video_separate', bot_id)}/"
        changed = await client.patch(path, json={"metadata": {"a": "b"}})
        assert (changed.status_code, changed.json()["metadata"]) == (200, {"a": "b"})
        assert (await client.patch(path, json={})).json()["metadata"] == {"a": "b"}
        assert (await artifact(client, bot_id))["metadata"] == {"a": "b"}
        mixed = (await client.get("/api/v1/audio_mixed")).json()["results"][0]
        assert mixed["metadata"] == {}
        for body in (
            {"metadata": 1},
            {"metadata": {"a": 1}},
            {"metadata": {"a": None}},
            {"metadata": {"a": "x" * 70_000}},
        ):
            wrong = await client.patch(path, json=body)
            assert (wrong.status_code, list(wrong.json())) == (400, ["metadata"])
        assert (await client.patch(f"/api/v1/video_mixed/{bot_id}", json={})).status_code == 404
    async with api.client(OTHER_KEY) as client:
        assert (await client.patch(path, json={"metadata": {}})).status_code == 404


async def test_its_deletion_leaves_the_audio(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(
            client, {**RECALL, "recording_config": {"video_separate_mp4": {}, "audio_separate_raw": {}}}
        )
        manifest = api.record(bot_id)
        before = await artifact(client, bot_id)
        parts = (await client.get(before["data"]["download_url"])).json()
        path = f"/api/v1/video_separate/{before['id']}"
        assert (await client.patch(path, json={"metadata": {"a": "b"}})).status_code == 200
        assert (await client.delete(path)).status_code == 204
        (event,) = api.events.sent
        assert (event["event"], event["artifact_metadata"]) == ("video_separate.deleted", {"a": "b"})
        assert (await client.patch(path, json={"metadata": {}})).status_code == 400
        gone = (await client.get(path)).json()
        assert (gone["status"]["code"], gone["data"]) == ("deleted", {"download_url": None})
        for url in (before["data"]["download_url"], *(part["download_url"] for part in parts)):
            assert (await client.get(url)).status_code == 404
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_recording_streams")).json()
        assert streams["recording_streams_available"] is False
        detail = (await client.get(f"/api/v1/bots/{bot_id}/detail")).json()["bot_details"]
        assert detail["StatusTimeline"]["VideoProcessing"]["message"] == "Video streams are ready"
        audio = (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).json()
        assert len(audio["participants"]) == len(manifest.participants)
    left = {each.key for each in api.store.list(api.bots.keys_of(bot_id).folder)}
    assert not any("/video/" in key for key in left)
    assert sum("/streams/" in key for key in left) == len(manifest.participants)


async def test_deleting_all_media_deletes_the_videos(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, RECALL)
        api.record(bot_id)
        assert (await client.post(f"/api/v1/bot/{bot_id}/delete_media")).status_code == 200
        assert (await artifact(client, bot_id))["status"]["code"] == "deleted"
    assert not [each.key for each in api.store.list("") if "/video/" in each.key]
    assert "video_separate.deleted" in [event["event"] for event in api.events.sent]


async def test_meetstreams_streams_are_in_progress_then_there(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, MEETSTREAM)
        path = f"/api/v1/bots/{bot_id}/get_recording_streams"
        for states in ((), (State.JOINING,), (State.JOINING, State.IN_CALL_RECORDING)):
            if states:
                api.enter(bot_id, *states, video_status="in_progress")
            waiting = await client.get(path)
            assert (waiting.status_code, waiting.json()["video_status"]) == (202, "in_progress")
        manifest = api.record(bot_id, speakers=3)
        answer = (await client.get(path)).json()
        assert (answer["video_status"], answer["recording_streams_available"]) == ("Success", True)
        assert answer["summary"] == {"total_participants": 1, "total_screenshares": 1, "total_segments": 3}
        (camera,), (screen,) = answer["participants"], answer["screenshares"]
        assert camera["participant_name"] == manifest.participants[0].participant_name
        assert screen["participant_id"] == manifest.participants[2].participant_id
        (stream,) = camera["streams"]
        assert "segments" not in camera
        assert re.fullmatch("AdaLovelace_[a-z2-7]{8}", stream["stream_id"])
        assert [each["segments"] for each in screen["streams"]] == [screen["segments"]]
        segment = stream["segments"][1]
        assert {name: value for name, value in segment.items() if name != "url"} == {
            "segment_index": 1,
            "filename": video_segment("Ada Lovelace", index=1, ending="webm").filename,
            "duration_seconds": 5.0,
            "width": 640,
            "height": 360,
            "codec": "vp8",
            "start_seconds": 20.0,
        }
        assert (await client.get(segment["url"])).content.startswith(FILM)
        # The document of the audio has no URLs that nobody can open.
        audio = (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).json()
        assert "video_streams" not in audio
        detail = (await client.get(f"/api/v1/bots/{bot_id}/detail")).json()["bot_details"]
        assert detail["StatusTimeline"]["VideoProcessing"]["message"] == "Video streams are ready"


async def test_a_bot_without_video_has_no_video_processing(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, {**MEETSTREAM, "video_separate_streams": False})
        api.record(bot_id)
        detail = (await client.get(f"/api/v1/bots/{bot_id}/detail")).json()["bot_details"]
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_recording_streams")).json()
    assert "VideoProcessing" not in detail["StatusTimeline"]
    assert streams["message"] == NOBODY
