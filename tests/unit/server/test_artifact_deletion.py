"""An artifact that is deleted by itself: its files and the tape are gone, and everything else is as it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import MEETING, OTHER_KEY, Api
from worker.delivery.object_store import PreconditionFailedError
from worker.states import State

BODY = {"meeting_url": MEETING, "recording_config": {"audio_separate_raw": {}, "audio_mixed_mp3": {}}}
KINDS = ("audio_separate", "audio_mixed", "participant_events", "meeting_metadata")
FILES = {
    "audio_separate": {"files/streams/a.webm"},
    "audio_mixed": {"files/audio.wav"},
    "participant_events": {"files/timeline.html", "files/meeting.json"},
    "meeting_metadata": set[str](),
}
"""Of one attempt."""


async def recorded(api: Api) -> str:
    """A bot of two attempts, with all that workers leave."""
    async with api.client() as client:
        bot_id = str((await client.post("/api/v1/bot", json=BODY)).json()["id"])
    manifest = api.record(bot_id)
    api.attend(bot_id, manifest)
    names = {"tape/part-000000.mcap", "failure/page.png", *(name for of in FILES.values() for name in of)}
    for attempt in (1, 2):
        for name in names:
            key = f"{api.bots.keys_of(bot_id).attempt(attempt).folder}{name}"
            api.store.put(key, b"content", content_type="application/octet-stream")
    return bot_id


def listed(api: Api, bot_id: str) -> set[str]:
    folder = api.bots.keys_of(bot_id).folder
    return {each.key.removeprefix(folder) for each in api.store.list(folder)}


async def artifacts(api: Api) -> dict[str, dict[str, Any]]:
    async with api.client() as client:
        return {kind: (await client.get(f"/api/v1/{kind}/")).json()["results"][0] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
async def test_its_files_and_the_tape_are_gone_and_the_others_stay(api: Api, kind: str) -> None:
    bot_id = await recorded(api)
    files, before = listed(api, bot_id), await artifacts(api)
    path = f"/api/v1/{kind}/{before[kind]['id']}"
    async with api.client() as client:
        for _ in range(2):
            answer = await client.delete(path)
            assert (answer.status_code, answer.content) == (204, b""), "also if it is sent again"
        after = await artifacts(api)
        gone = (await client.get(path)).json()
        assert gone == after[kind]
        assert [event["event"] for event in api.events.sent] == [f"{kind}.deleted"]
        assert gone["status"]["code"] == "deleted"
        assert not any(gone["data"].values())
        old = [url for url in before[kind]["data"].values() if url]
        assert {(await client.get(url)).status_code for url in old} <= {404}
        for other in set(KINDS) - {kind}:
            assert after[other] == before[other]
            for url in filter(None, after[other]["data"].values()):
                assert (await client.get(url)).status_code == 200
    removed = files - listed(api, bot_id)
    expected = {f"attempts/000{attempt}/{name}" for attempt in (1, 2) for name in FILES[kind]}
    expected |= {f"attempts/000{attempt}/tape/part-000000.mcap" for attempt in (1, 2)}
    if kind == "participant_events":
        expected |= {"meeting.json"}
    if kind == "audio_separate":
        expected |= {name for name in files if "/streams/" in name}
    assert removed == expected


async def test_once_all_are_deleted_no_audio_is_left_for_either_vendor(api: Api) -> None:
    bot_id = await recorded(api)
    async with api.client() as client:
        for kind, document in (await artifacts(api)).items():
            assert (await client.delete(f"/api/v1/{kind}/{document['id']}/")).status_code == 204
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).json()
        assert (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).status_code == 404
        (recording,) = (await client.get(f"/api/v1/bot/{bot_id}")).json()["recordings"]
    assert streams["audio_streams_available"] is False
    assert streams["message"] == "The speakers' files were deleted."
    shortcuts = [document for document in recording["media_shortcuts"].values() if document]
    assert {document["status"]["code"] for document in shortcuts} == {"deleted"}
    left = {name.rpartition("/")[2] for name in listed(api, bot_id)}
    assert left <= {"record.json", "bot.json", "audio_streams.json", "page.png"}


async def test_nothing_is_deleted_of_a_bot_at_work_of_others_or_of_none(api: Api) -> None:
    bot_id = await recorded(api)
    files, found = listed(api, bot_id), await artifacts(api)
    async with api.client(OTHER_KEY) as client:
        for kind, document in found.items():
            assert (await client.delete(f"/api/v1/{kind}/{document['id']}")).status_code == 404
    api.enter(bot_id, State.IN_CALL_RECORDING)
    async with api.client() as client:
        for kind, document in found.items():
            answer = await client.delete(f"/api/v1/{kind}/{document['id']}")
            assert (answer.status_code, answer.json()["code"]) == (400, "cannot_command_unfinished_bot")
            others = "audio_mixed" if kind == "audio_separate" else "audio_separate"
            assert (await client.delete(f"/api/v1/{others}/{document['id']}")).status_code == 404
        for kind in ("transcript", "video_mixed"):
            assert (await client.delete(f"/api/v1/{kind}/{found['audio_mixed']['id']}")).status_code == 404
    assert listed(api, bot_id) == files


async def test_another_change_of_the_bot_at_the_same_moment_is_kept(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot_id = await recorded(api)
    record = api.bots.known(bot_id)
    assert record is not None
    real = api.bots.write
    refused: list[int] = []

    def write(*arguments: Any, **conditions: Any) -> str:
        if not refused:
            refused.append(1)
            api.deletions.delete_artifact(record, "audio_mixed")
            raise PreconditionFailedError("another version")
        return real(*arguments, **conditions)

    monkeypatch.setattr(api.bots, "write", write)
    api.deletions.delete_artifact(record, "audio_separate")
    after = api.bots.known(bot_id)
    assert after is not None
    assert set(after.deleted_kinds) == {"audio_separate", "audio_mixed"}
