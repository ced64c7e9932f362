from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.api import MEETING, OTHER_KEY, STEM, Api
from worker.contracts.bot_facts import endpoint_id, related_id
from worker.contracts.status import EndpointChange
from worker.iso_time import iso_utc
from worker.manifest.person_numbers import BOT_NUMBER, number_of_participant
from worker.reasons import Reason
from worker.states import State

BODY = {"meeting_url": MEETING, "recording_config": {"audio_separate_raw": {}}}
TEAMS = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0?context=%7b%7d"


async def create(client: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    answer = await client.post("/api/v1/bot/", json={**BODY, **fields})
    assert answer.status_code == 201, answer.text
    bot: dict[str, Any] = answer.json()
    return bot


async def test_create_gives_the_bot_without_a_recording(api: Api) -> None:
    async with api.client() as client:
        bot = await create(client, metadata={"team": "a"}, bot_name="Notes")
        assert (await client.get(f"/api/v1/bot/{bot['id']}")).json() == bot
    (job,) = api.desk.jobs
    assert (job.vendor, job.bot_id, job.separate_audio) == ("recall", bot["id"], True)
    assert bot["meeting_url"] == {"meeting_id": "abc-defg-hij", "platform": "google_meet"}
    assert (bot["status_changes"], bot["recordings"], bot["metadata"]) == ([], [], {"team": "a"})
    assert (bot["join_at"], bot["calendar_meetings"], bot["slack_team"]) == (None, [], None)


async def test_a_teams_link_comes_back_as_an_object(api: Api) -> None:
    async with api.client() as client:
        bot = await create(client, meeting_url=TEAMS)
    assert (bot["meeting_url"]["platform"], bot["meeting_url"]["thread_id"]) == (
        "microsoft_teams",
        "19:meeting_abc@thread.v2",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "meeting_url"),
        ({"meeting_link": MEETING}, "meeting_url"),
        ({"meeting_url": "nonsense"}, "meeting_url"),
        ({"meeting_url": MEETING, "bot_name": ""}, "bot_name"),
        ({"meeting_url": MEETING, "automatic_leave": {"silence_detection": 5}}, "automatic_leave"),
        ({"meeting_url": MEETING, "metadata": {"a": "x" * 70_000}}, "metadata"),
    ],
)
async def test_a_wrong_field_is_a_list_of_texts(api: Api, body: dict[str, Any], field: str) -> None:
    async with api.client() as client:
        answer = await client.post("/api/v1/bot/", json=body)
    assert answer.status_code == 400
    ((named, texts),) = answer.json().items()
    assert named == field
    assert all(isinstance(text, str) and text for text in texts)


async def test_an_idempotency_key_gives_the_first_answer_for_an_hour(api: Api) -> None:
    async with api.client(**{"Idempotency-Key": "k"}) as client:
        first = await create(client)
        assert await create(client) == first
        assert (await create(client, bot_name="Other"))["id"] == first["id"]
        api.now += 3601
        assert (await create(client))["id"] != first["id"]


async def test_a_recorded_bot_has_its_recording_and_artifacts(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        manifest = api.record(bot_id, speakers=3)
        bot = (await client.get(f"/api/v1/bot/{bot_id}/")).json()
        codes = [change["code"] for change in bot["status_changes"]]
        assert codes == [
            "joining_call",
            "in_waiting_room",
            "in_call_not_recording",
            "in_call_recording",
            "call_ended",
            "done",
        ]
        assert bot["status_changes"][4]["sub_code"] == "call_ended_by_host"
        times = [change["created_at"] for change in bot["status_changes"]]
        assert times == sorted(times)
        (recording,) = bot["recordings"]
        assert recording["status"]["code"] == "done"
        assert isinstance(recording["completed_at"], str)
        assert set(recording["media_shortcuts"]) == {
            "video_mixed",
            "transcript",
            "participant_events",
            "meeting_metadata",
            "audio_mixed",
        }
        full = (await client.get(f"/api/v1/recording/{recording['id']}/")).json()
        assert {**full, **recording} == full
        assert full["bot"] == {"id": bot_id, "metadata": {}}
        for kind in ("audio_separate", "audio_mixed", "participant_events", "meeting_metadata"):
            page = (await client.get(f"/api/v1/{kind}/", params={"recording_id": recording["id"]})).json()
            assert (page["next"], page["previous"]) == (None, None)
            (artifact,) = page["results"]
            assert artifact["recording"]["id"] == recording["id"]
            assert artifact["status"]["code"] == "done"
            again = (await client.get(f"/api/v1/{kind}/{artifact['id']}/")).json()
            assert again == artifact
        for kind in ("video_separate", "video_mixed", "transcript"):
            assert (await client.get(f"/api/v1/{kind}/")).json()["results"] == []
    assert len(manifest.participants) == 3


async def test_documents_and_files_are_behind_links_that_need_no_key(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        manifest = api.record(bot_id, speakers=3)
        separate = (await client.get("/api/v1/audio_separate")).json()["results"][0]
        mixed = (await client.get("/api/v1/audio_mixed")).json()["results"][0]
        events = (await client.get("/api/v1/participant_events")).json()["results"][0]["data"]
    async with api.client(None) as client:
        parts = (await client.get(separate["data"]["download_url"])).json()
        assert [part["participant"]["id"] for part in parts] == [
            number_of_participant(person.participant_id or "") for person in manifest.participants
        ]
        assert [part["participant"]["is_host"] for part in parts] == [True, False, False]
        assert [part["duration"] for part in parts] == [60.0, 60.0, 60.0]
        assert parts[0]["start_timestamp"] == {"absolute": "2026-11-21T09:30:00.250Z", "relative": 0.0}
        for part, (_, segment) in zip(parts, manifest.segments(), strict=True):
            head = await client.head(part["download_url"])
            assert head.headers["content-length"] == str(60 * 16_000 * 2)
            assert segment.filename.replace(".webm", ".raw") in head.headers["content-disposition"]
        assert (await client.get(mixed["data"]["download_url"])).content == b"RIFF a mix"
        people = (await client.get(events["participants_download_url"])).json()
        assert [person["name"] for person in people] == ["Ada Lovelace", "Grace Hopper", "Alan Turing"]
        timeline = (await client.get(events["speaker_timeline_download_url"])).json()
        turns = sorted(turn for _, segment in manifest.segments() for turn in segment.intervals)
        assert [
            (turn["start_timestamp"]["relative"], turn["end_timestamp"]["relative"]) for turn in timeline
        ] == turns
        happened = (await client.get(events["participant_events_download_url"])).json()
        moments = [event["timestamp"]["relative"] for event in happened]
        assert moments == sorted(moments)
        assert {event["action"] for event in happened} == {"speech_on", "speech_off"}
        assert len(happened) == 2 * len(turns)


async def test_speakers_files_of_a_bot_that_was_made_otherwise_are_what_they_are(api: Api) -> None:
    body = {"meeting_link": MEETING, "bot_name": "Notes", "audio_separate_streams": True}
    async with api.client() as client:
        bot_id = (await client.post("/api/v1/bots/create_bot", json=body)).json()["bot_id"]
        manifest = api.record(bot_id)
        (separate,) = (await client.get("/api/v1/audio_separate")).json()["results"]
        (mixed,) = (await client.get("/api/v1/audio_mixed")).json()["results"]
        assert (separate["format"], mixed["format"]) == ("webm", "wav")
        parts = (await client.get(separate["data"]["download_url"])).json()
        for part, (_, segment) in zip(parts, manifest.segments(), strict=True):
            answer = await client.get(part["download_url"])
            assert answer.content == STEM + segment.filename.encode()
            assert segment.filename in answer.headers["content-disposition"]


async def test_documents_tell_of_those_who_never_spoke_and_of_the_chat(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        heard, silent = api.attend(bot_id, api.record(bot_id, speakers=1))
        data = (await client.get("/api/v1/participant_events")).json()["results"][0]["data"]
        people = (await client.get(data["participants_download_url"])).json()
        events = (await client.get(data["participant_events_download_url"])).json()
    assert [(person["name"], person["is_host"]) for person in people] == [(heard, True), (silent, False)]
    assert len({person["id"] for person in people}) == 2
    cy = people[1]["id"]
    told = [event for event in events if not event["action"].startswith("speech_")]
    assert [
        (event["action"], event["participant"]["id"], event["timestamp"]["relative"], event["data"])
        for event in told
    ] == [
        ("join", cy, 1.0, None),
        ("screenshare_on", cy, 2.0, None),
        ("chat_message", cy, 3.0, {"text": "<b>hi</b>", "to": "everyone"}),
        ("chat_message", BOT_NUMBER, 4.0, {"text": "I record", "to": "everyone"}),
        ("leave", cy, 5.0, None),
    ]
    moments = [event["timestamp"]["relative"] for event in events]
    assert moments == sorted(moments)
    assert told[0]["timestamp"]["absolute"] == "2026-11-21T09:30:01.250Z"


async def test_what_was_not_asked_for_is_not_there(api: Api) -> None:
    config = {"audio_separate_raw": None, "participant_events": None, "meeting_metadata": None}
    async with api.client() as client:
        bot_id = (await create(client, recording_config=config))["id"]
        api.record(bot_id)
        (recording,) = (await client.get(f"/api/v1/bot/{bot_id}")).json()["recordings"]
        assert recording["media_shortcuts"]["participant_events"] is None
        for kind in ("audio_separate", "participant_events", "meeting_metadata"):
            assert (await client.get(f"/api/v1/{kind}")).json()["results"] == []


async def test_an_artifact_is_processing_until_it_is_done(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        api.enter(bot_id, State.JOINING, State.IN_CALL_RECORDING, State.LEAVING)
        (artifact,) = (await client.get("/api/v1/audio_separate")).json()["results"]
        assert (artifact["status"]["code"], artifact["data"]) == ("processing", {"download_url": None})
        (recording,) = (await client.get("/api/v1/recording/")).json()["results"]
        assert recording["status"]["code"] == "processing"
        assert (await client.get("/api/v1/recording", params={"status_code": "done"})).json()["results"] == []


async def test_ids_of_other_kinds_are_unknown(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        api.record(bot_id)
        for path in (
            f"recording/{bot_id}",
            f"audio_separate/{bot_id}",
            "bot/nonsense",
            "bot/..",
            "recording/x",
        ):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 404
            assert answer.json() == {"code": "not_found", "detail": "Not found."}
        assert (await client.get("/api/v1/audio_separate", params={"recording_id": bot_id})).json()[
            "results"
        ] == []


async def test_the_list_has_page_numbers_and_absolute_links(api: Api) -> None:
    async with api.client() as client:
        made = []
        for _ in range(120):
            made.append((await create(client))["id"])
            api.now += 1
        listed: list[str] = []
        url: str | None = "/api/v1/bot/"
        while url is not None:
            page = (await client.get(url)).json()
            assert page["count"] == 120
            listed += [bot["id"] for bot in page["results"]]
            url = page["next"]
            assert url is None or url.startswith("http://api.example/api/v1/bot")
        assert page["previous"] == "http://api.example/api/v1/bot?page=2"
        assert listed == made[::-1]
        assert (await client.get("/api/v1/bot/", params={"page": 4})).status_code == 404
        assert (await client.get("/api/v1/bot/", params={"page": 0})).json() == {
            "page": ["expected 1 or more"]
        }
        assert (await client.get("/api/v1/bot/", params={"page": "x"})).status_code == 400


async def test_filters_choose_bots(api: Api) -> None:
    async with api.client() as client:
        first = (await create(client, metadata={"team": "a"}))["id"]
        second = (await create(client, metadata={"team": "b"}, meeting_url=TEAMS))["id"]
        third = (await create(client, join_at="2027-01-31T09:30:00Z"))["id"]
        api.record(first)
        api.enter(second, State.JOINING)

        async def listed(**query: Any) -> list[str]:
            page = (await client.get("/api/v1/bot/", params=query)).json()
            return sorted(bot["id"] for bot in page["results"])

        assert await listed(metadata__team="a") == [first]
        assert await listed(platform="microsoft_teams") == [second]
        assert await listed(platform=["microsoft_teams", "google_meet"]) == sorted([first, second, third])
        assert await listed(status="done") == [first]
        assert await listed(status=["done", "joining_call"]) == sorted([first, second])
        assert await listed(meeting_url=MEETING, metadata__team="a") == [first]
        assert await listed(join_at_after="2027-01-31T09:00:00+01:00") == [third]
        assert await listed(join_at_before="2027-01-31T09:00:00Z") == []
        answer = await client.get("/api/v1/bot/", params={"join_at_after": "soon"})
        assert (answer.status_code, answer.json()) == (400, {"join_at_after": ["Enter a valid date/time."]})


async def test_artifacts_of_many_bots_are_listed_by_cursor(api: Api) -> None:
    async with api.client() as client:
        for _ in range(51):
            api.record((await create(client))["id"], speakers=1)
            api.now += 1
        page = (await client.get("/api/v1/recording/")).json()
        assert len(page["results"]) == 50
        last = (await client.get(page["next"])).json()
        assert (len(last["results"]), last["next"]) == (1, None)
        assert (await client.get("/api/v1/recording/", params={"cursor": "x"})).json() == {
            "cursor": ["Invalid cursor"]
        }


async def test_a_scheduled_bot_can_be_changed_and_deleted_until_it_is_due(api: Api) -> None:
    async with api.client() as client:
        later = iso_utc(api.now + 7200)
        bot_id = (await create(client, join_at=later))["id"]
        gone = (await create(client, join_at=later))["id"]
        assert api.desk.jobs == []
        changed = await client.patch(
            f"/api/v1/bot/{bot_id}/", json={"bot_name": "New", "join_at": iso_utc(api.now + 3600)}
        )
        assert (changed.status_code, changed.json()["bot_name"]) == (200, "New")
        assert changed.json()["recording_config"] == BODY["recording_config"]
        assert (await client.patch(f"/api/v1/bot/{bot_id}/", json={"bot_name": 5})).status_code == 400
        assert (await client.delete(f"/api/v1/bot/{gone}/")).status_code == 204
        assert (await client.get(f"/api/v1/bot/{gone}/")).status_code == 404
        api.now += 3600 - 241
        assert api.bots.dispatch_due() == 0
        api.now += 2
        assert api.bots.dispatch_due() == 1
        assert [(job.bot_id, job.bot_name) for job in api.desk.jobs] == [(bot_id, "New")]
        refused = await client.patch(f"/api/v1/bot/{bot_id}/", json={"bot_name": "Late"})
        assert (refused.status_code, refused.json()["code"]) == (400, "update_bot_failed")
        refused = await client.delete(f"/api/v1/bot/{bot_id}/")
        assert (refused.status_code, refused.json()["code"]) == (405, "cannot_delete_bot")
        api.now += 7200
        assert api.bots.dispatch_due() == 0
    assert [each.key for each in api.store.list("due/")] == []


async def test_leave_call_before_the_call_keeps_the_bot_out(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        left = await client.post(f"/api/v1/bot/{bot_id}/leave_call/")
        assert left.status_code == 200
        assert [(each["code"], each["sub_code"]) for each in left.json()["status_changes"]] == [
            ("call_ended", "bot_received_leave_call"),
            ("done", None),
        ]
        again = await client.post(f"/api/v1/bot/{bot_id}/leave_call/")
        assert (again.status_code, again.json()["code"]) == (400, "cannot_command_completed_bot")


async def test_a_second_attempt_ends_the_call_once(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await create(client))["id"]
        api.enter(
            bot_id,
            State.JOINING,
            State.FATAL,
            State.JOINING,
            State.IN_CALL_RECORDING,
            State.LEAVING,
            State.STOPPED,
            State.DONE,
            reason=Reason.EVERYONE_LEFT,
        )
        bot = (await client.get(f"/api/v1/bot/{bot_id}")).json()
    codes = [change["code"] for change in bot["status_changes"]]
    assert codes.count("call_ended") == codes.count("done") == 1
    assert codes[-1] == "done"


LIVE: dict[str, Any] = {
    "realtime_endpoints": [
        {
            "type": "websocket",
            "url": "wss://public.example/s3cret-path-of-16?key=s3cret",
            "events": ["audio_separate_raw.data", "transcript.data"],
            "metadata": {"shard": "7"},
        },
        {"type": "rtmp", "url": "rtmp://public.example/"},
        {"type": "webhook", "url": "https://public.example/", "events": ["participant_events.join"]},
    ]
}


async def test_receivers_of_live_streams_are_listed_with_their_states(api: Api) -> None:
    async with api.client() as client, api.client(OTHER_KEY) as stranger:
        made = await client.post("/api/v1/bot", json={"meeting_url": MEETING, "recording_config": LIVE})
        bot_id = made.json()["id"]
        ignored = ["realtime_endpoints.0.events.transcript.data", "realtime_endpoints.1"]
        assert made.json()["ignored"] == [f"recording_config.{each}" for each in ignored]
        assert (await client.get("/api/v1/realtime_endpoint/")).json()["results"] == []
        changes = [
            EndpointChange(number=0, code="running", sub_code=None, message="", attempt=1, at=at)
            for at in ("2026-09-21T14:13:25.000Z", "2026-09-21T14:13:26.000Z")
        ]
        api.enter(bot_id, State.IN_CALL_RECORDING, realtime_endpoints=changes)
        listed = (await client.get("/api/v1/realtime_endpoint/")).json()
        first, second = listed["results"]
        assert (listed["next"], listed["previous"]) == (None, None)
        assert first == {
            "id": endpoint_id(0, bot_id),
            "recording": {"id": related_id("recording", bot_id), "metadata": {}},
            "created_at": first["created_at"],
            "status": {"code": "running", "sub_code": None, "updated_at": "2026-09-21T14:13:26.000Z"},
            "metadata": {"shard": "7"},
            "type": "websocket",
            "events": ["audio_separate_raw.data"],
        }
        assert (second["type"], second["status"]["code"]) == ("webhook", "processing")
        assert "s3cret" not in str(listed)
        for document in (first, second):
            assert (await client.get(f"/api/v1/realtime_endpoint/{document['id']}/")).json() == document
            assert (await stranger.get(f"/api/v1/realtime_endpoint/{document['id']}")).status_code == 404
        recording = (await client.get(f"/api/v1/recording/{first['recording']['id']}/")).json()
        assert recording["realtime_endpoints"] == [first, second]
        path = f"/api/v1/realtime_endpoint/?recording_id={first['recording']['id']}"
        assert len((await client.get(path)).json()["results"]) == 2
        running = (await client.get(f"{path}&status_code=running")).json()["results"]
        assert running == [first]
        assert (await stranger.get(path)).json()["results"] == []


async def test_other_ids_are_no_receivers_of_live_streams(api: Api) -> None:
    async with api.client() as client:
        made = await client.post("/api/v1/bot", json={"meeting_url": MEETING})
        bot_id = made.json()["id"]
        api.enter(bot_id, State.IN_CALL_RECORDING)
        for other in (bot_id, endpoint_id(0, bot_id), related_id("recording", bot_id), "7", "x" * 500):
            assert (await client.get(f"/api/v1/realtime_endpoint/{other}/")).status_code == 404
