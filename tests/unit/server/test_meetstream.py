from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from tests.support.api import MEETING, OTHER_KEY, STEM, Api
from worker.contracts.streams_document import mixed_only
from worker.manifest.schema import encode_manifest
from worker.reasons import Reason
from worker.states import State

BODY = {"meeting_link": MEETING, "bot_name": "Notes", "audio_separate_streams": True}


async def create(client: httpx.AsyncClient, **fields: object) -> str:
    answer = await client.post("/api/v1/bots/create_bot", json={**BODY, **fields})
    assert answer.status_code == 201, answer.text
    bot_id = answer.json()["bot_id"]
    assert isinstance(bot_id, str)
    return bot_id


async def test_create_bot_dispatches_a_job_and_says_so(api: Api) -> None:
    async with api.client() as client:
        answer = await client.post("/api/v1/bots/create_bot", json={**BODY, "custom_attributes": {"a": "1"}})
    assert answer.status_code == 201
    (job,) = api.desk.jobs
    assert answer.json() == {
        "bot_id": job.bot_id,
        "transcript_id": None,
        "meeting_url": MEETING,
        "status": "Active",
    }
    assert (job.vendor, job.separate_audio, job.custom_attributes) == ("meetstream", True, {"a": "1"})


async def test_the_bots_id_is_never_the_callers(api: Api) -> None:
    async with api.client() as client:
        first = await create(client)
        second = await create(client, bot_id=first)
    assert second != first


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"meeting_link": None}, "meeting_link is required."),
        ({"meeting_link": ""}, "meeting_link is required."),
        (
            {"meeting_link": "https://example.com"},
            "meeting_link: 'https://example.com'; expected a Google Meet",
        ),
        ({"bot_name": 7}, "bot_name: 7; expected 1 to 100 printable characters"),
        (
            {"automatic_leave": {"in_call_recording_timeout": 5}},
            "automatic_leave.in_call_recording_timeout: 5; expected a number of seconds from 600 to 18000",
        ),
        ({"join_at": "tomorrow"}, "join_at: 'tomorrow'; expected a time like"),
        ({"deduplication_key": ""}, "deduplication_key: ''; expected a text of 1 to 255 characters"),
    ],
)
async def test_a_wrong_body_is_named(api: Api, fields: dict[str, Any], message: str) -> None:
    async with api.client() as client:
        answer = await client.post("/api/v1/bots/create_bot", json={**BODY, **fields})
    assert answer.status_code == 400
    assert set(answer.json()) == {"message"}
    assert answer.json()["message"].startswith(message)
    assert api.desk.jobs == []


async def test_what_is_no_json_object_is_refused(api: Api) -> None:
    async with api.client() as client:
        for body in (b"", b"{", b"[]", b'"text"', b"\xff", b'{"a":1,"a":2}', b"[" * 5000):
            answer = await client.post("/api/v1/bots/create_bot", content=body)
            assert (answer.status_code, set(answer.json())) == (400, {"message"})


async def test_an_idempotency_key_makes_one_bot(api: Api) -> None:
    async with api.client() as client:

        async def post(key: str, **fields: object) -> httpx.Response:
            return await client.post(
                "/api/v1/bots/create_bot", json={**BODY, **fields}, headers={"Idempotency-Key": key}
            )

        first, again = await post("k1"), await post("k1")
        assert (first.status_code, again.status_code) == (201, 507)
        assert again.json()["bot_id"] == first.json()["bot_id"]
        assert set(again.json()) == {"bot_id", "transcript_id", "meeting_url", "status", "message"}
        assert (await post("k1", bot_name="Other")).status_code == 409
        assert (await post("k2")).status_code == 201
        assert (await post("k" * 256)).status_code == 400
        api.now += 86_401
        assert (await post("k1")).status_code == 201
    assert len(api.desk.jobs) == 3
    async with api.client(OTHER_KEY) as client:
        assert (await post("k2")).status_code == 201, "a key counts for its workspace only"


async def test_a_request_whose_server_was_killed_is_finished_by_its_repetition(api: Api) -> None:
    bot_id = "7d7cc336-d193-46a5-95a6-38c6908d23bd"
    content = b'{"meeting_link": "%s"}' % MEETING.encode()
    key = api.bots.keys.idempotency("anna", "/bots/create_bot", "k1")
    api.bots.remember(key, bot_id, hashlib.sha256(content).hexdigest())
    async with api.client(**{"Idempotency-Key": "k1"}) as client:

        async def post() -> httpx.Response:
            return await client.post("/api/v1/bots/create_bot", content=content)

        assert (await post()).status_code == 409
        api.now += 30
        late = await post()
        assert (late.status_code, late.json()["bot_id"]) == (201, bot_id)
        assert (await post()).status_code == 507
    assert len(api.desk.jobs) == 1


async def test_a_deduplication_key_makes_one_bot_for_a_meeting(api: Api) -> None:
    async with api.client() as client:

        async def post(link: str) -> httpx.Response:
            body = {**BODY, "meeting_link": link, "deduplication_key": "standup"}
            return await client.post("/api/v1/bots/create_bot", json=body)

        first = await post(MEETING)
        again = await post(MEETING + "?authuser=1")
        other = await post("https://meet.google.com/xyz-abcd-efg")
        assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
        assert again.json()["bot_id"] == first.json()["bot_id"]
        assert len(api.desk.jobs) == 1
        api.record(first.json()["bot_id"])
        await client.delete(f"/api/v1/bots/{first.json()['bot_id']}/delete")
        api.now += 30
        assert (await post("https://meet.google.com/xyz-abcd-efg")).status_code == 201


async def test_the_list_has_each_bot_once_the_newest_first(api: Api) -> None:
    async with api.client() as client:
        made = []
        for _ in range(7):
            made.append(await create(client))
            api.now += 2000
        listed: list[str] = []
        query: dict[str, str] = {"limit": "3"}
        pages = []
        while True:
            page = (await client.get("/api/v1/bots", params=query)).json()
            pages.append(len(page["bots"]))
            listed += [bot["bot_id"] for bot in page["bots"]]
            if not page["hasNextPage"]:
                break
            query["cursor"] = page["nextCursor"]
        assert page["nextCursor"] is None
        assert pages == [3, 3, 1]
        assert listed == made[::-1]
        for wrong in (
            {"cursor": "nonsense"},
            {"cursor": "é"},
            {"limit": "0"},
            {"limit": "201"},
            {"limit": "x"},
        ):
            answer = await client.get("/api/v1/bots", params=wrong)
            assert (answer.status_code, set(answer.json())) == (400, {"message"})


async def test_before_the_bot_has_left_files_are_not_ready(api: Api) -> None:
    paths = (
        "get_audio",
        "get_audio_streams",
        "get_recording_streams",
        "get_participants",
        "get_chats",
        "get_speaker_timeline",
    )
    async with api.client() as client:
        bot_id = await create(client)
        for states in ([], [State.JOINING], [State.JOINING, State.IN_CALL_RECORDING, State.LEAVING]):
            if states:
                api.enter(bot_id, *states)
            for path in paths:
                answer = await client.get(f"/api/v1/bots/{bot_id}/{path}")
                assert (answer.status_code, "message" in answer.json()) == (202, True), path
        answer = await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")
        assert answer.json()["audio_status"] == "in_progress"


async def test_a_bot_of_which_nothing_was_recorded_has_no_files(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        api.enter(
            bot_id,
            State.JOINING,
            State.FATAL,
            reason=Reason.MEETING_NOT_FOUND,
            audio_status="Success",
            reported=True,
        )
        streams = await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")
        assert (streams.status_code, streams.json()["audio_streams_available"]) == (200, False)
        assert streams.json()["participants"] == []
        assert (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).status_code == 404
        assert (await client.get(f"/api/v1/bots/{bot_id}/get_speaker_timeline")).status_code == 404
        assert (await client.get(f"/api/v1/bots/{bot_id}/get_participants")).json() == []
        assert (await client.get(f"/api/v1/bots/{bot_id}/get_chats")).json()["chats"] == []
        assert (await client.get(f"/api/v1/bots/{bot_id}/status")).json()["status"] == "Error"


async def test_files_of_a_recorded_bot_are_downloaded_without_a_key(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        manifest = api.record(bot_id, speakers=3)
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).json()
        audio = (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).json()
        timeline = (await client.get(f"/api/v1/bots/{bot_id}/get_speaker_timeline")).json()
        people = (await client.get(f"/api/v1/bots/{bot_id}/get_participants")).json()
    assert streams["audio_streams_available"] is True
    assert streams["summary"] == {"total_participants": 3, "total_segments": 3}
    async with api.client(None) as client:
        for person in streams["participants"]:
            for stream in person["streams"]:
                for segment in stream["segments"]:
                    answer = await client.get(segment["url"])
                    assert answer.content == STEM + segment["filename"].encode()
                    assert answer.headers["content-type"] == "audio/webm"
                    assert segment["filename"] in answer.headers["content-disposition"]
        assert (await client.get(audio["audio_url"])).content == b"RIFF a mix"
    assert [person["displayName"] for person in people] == [
        person.participant_name for person in manifest.participants
    ]
    turns = [turn for _, segment in manifest.segments() for turn in segment.intervals]
    assert [chunk["timestamp"] for chunk in timeline["chunks"]] == sorted(start for start, _ in turns)
    assert all(chunk["startByte"] == round(chunk["timestamp"] * 48_000) * 2 for chunk in timeline["chunks"])
    assert timeline["totalFileSize"] == len(b"RIFF a mix")


async def test_those_who_never_spoke_and_the_chat_are_listed(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        heard, silent = api.attend(bot_id, api.record(bot_id, speakers=1))
        people = (await client.get(f"/api/v1/bots/{bot_id}/get_participants")).json()
        chats = (await client.get(f"/api/v1/bots/{bot_id}/get_chats")).json()
    assert [(each["displayName"], each["parentDeviceId"]) for each in people] == [
        (heard, None),
        (silent, None),
        ("", "cy"),
    ]
    fields = "deviceId displayName fullName profilePicture status humanized_status streamIds lastUpdated parentDeviceId"
    assert all(set(fields.split()) <= each.keys() for each in people)
    assert (people[1]["status"], people[1]["humanized_status"]) == (6, "not_in_meeting")
    assert [(each["sender_name"], each["is_bot"], each["message"]) for each in chats["chats"]] == [
        (silent, False, "<b>hi</b>"),
        ("Notes", True, "I record"),
    ]
    times = [each["timestamp"] for each in chats["chats"]]
    assert times == ["2026-11-21T09:30:03.250Z", "2026-09-21T14:13:20.000Z"]


async def test_speakers_of_a_bot_without_separate_files_are_on_its_timeline(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        manifest = api.record(bot_id, speakers=2)
        api.attend(bot_id, manifest)
        keys = api.bots.keys_of(bot_id)
        document = encode_manifest(mixed_only(manifest))
        api.store.put(keys.audio_streams, document, content_type="application/json")
        timeline = (await client.get(f"/api/v1/bots/{bot_id}/get_speaker_timeline")).json()
        people = (await client.get(f"/api/v1/bots/{bot_id}/get_participants")).json()
    names = {person.participant_name for person in manifest.participants}
    assert {chunk["speakerName"] for chunk in timeline["chunks"]} == names
    assert names < {person["displayName"] for person in people}


async def test_detail_has_the_states_in_meetstreams_names(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client, video_required=True)
        before = (await client.get(f"/api/v1/bots/{bot_id}/detail")).json()["bot_details"]
        api.record(bot_id)
        after = (await client.get(f"/api/v1/bots/{bot_id}/detail")).json()["bot_details"]
    assert (before["Status"], list(before["StatusTimeline"])) == ("Scheduled", ["Scheduled"])
    assert after["Status"] == "Done"
    assert list(after["StatusTimeline"]) == [
        "Scheduled",
        "Joining",
        "WaitingRoom",
        "InMeeting",
        "Recording",
        "Leaving",
        "Stopped",
        "Done",
        "AudioProcessing",
    ]
    assert all(set(each) == {"message", "status", "timestamp"} for each in after["StatusTimeline"].values())
    assert (after["BotID"], after["MeetingLink"], after["Platform"]) == (bot_id, MEETING, "Google Meet")
    assert after["RequestPayload"] == {**BODY, "video_required": True}
    assert after["ignored"] == ["video_required"]


async def test_remove_bot_before_it_joined_keeps_it_out(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        assert (await client.get(f"/api/v1/bots/{bot_id}/remove_bot")).status_code == 200
        assert (await client.get(f"/api/v1/bots/{bot_id}/status")).json()["status"] == "Done"
        again = await client.get(f"/api/v1/bots/{bot_id}/remove_bot")
        assert (again.status_code, set(again.json())) == (404, {"message"})
        joined = await create(client)
        api.enter(joined, State.JOINING)
        assert (await client.get(f"/api/v1/bots/{joined}/remove_bot")).status_code == 200


async def test_delete_removes_all_objects_and_then_knows_the_bot_no_more(api: Api) -> None:
    async with api.client() as client:
        kept, bot_id = await create(client), await create(client)
        api.record(kept)
        api.record(bot_id)
        expected = len([each for each in api.store.list("bots/") if bot_id in each.key])
        answer = await client.delete(f"/api/v1/bots/{bot_id}/delete")
        assert answer.status_code == 200
        assert answer.json()["deleted_objects"] == expected
        assert [each.key for each in api.store.list("") if bot_id in each.key] == []
        assert any(kept in each.key for each in api.store.list("bots/"))
        for path in ("status", "detail", "get_audio_streams"):
            assert (await client.get(f"/api/v1/bots/{bot_id}/{path}")).status_code == 404
        assert (await client.delete(f"/api/v1/bots/{bot_id}/delete")).status_code == 404
        bots = (await client.get("/api/v1/bots")).json()["bots"]
        assert [bot["bot_id"] for bot in bots] == [kept]


async def test_a_bot_at_work_is_not_deleted(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        api.enter(bot_id, State.JOINING, State.IN_CALL_RECORDING)
        assert (await client.delete(f"/api/v1/bots/{bot_id}/delete")).status_code == 409
        assert (await client.get(f"/api/v1/bots/{bot_id}/status")).json()["status"] == "Recording"


async def test_what_is_not_served_says_so(api: Api) -> None:
    gets = ("get_video", "summary")
    posts = ("send_image", "transcribe")
    asked = [("GET", name, 404) for name in gets] + [("POST", name, 501) for name in posts]
    async with api.client() as client:
        bot_id = await create(client)
        for method, name, status in asked:
            answer = await client.request(method, f"/api/v1/bots/{bot_id}/{name}")
            assert answer.status_code == status, name
            assert "not served yet" in answer.json()["message"]
            unknown = await client.request(method, f"/api/v1/bots/unknown/{name}")
            assert (unknown.status_code, unknown.json()) == (404, {"message": "Bot not found."})
        transcripts = await client.get(f"/api/v1/bots/{bot_id}/transcriptions")
        assert transcripts.json() == {"bot_id": bot_id, "transcriptions": []}


async def test_there_is_no_transcript(api: Api) -> None:
    async with api.client() as client:
        answer = await client.get("/api/v1/transcript/some-id/get_transcript", params={"raw": "false"})
    assert (answer.status_code, set(answer.json())) == (404, {"message"})
