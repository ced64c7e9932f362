"""Commands to a bot by both vendors' APIs, with a bot that is only two objects in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from tests.support.api import KEY, MEETING, OTHER_KEY, Api
from worker.contracts.commands import (
    MOST_WAITING,
    Acknowledgement,
    Command,
    Commands,
    CommandState,
    Outcome,
)
from worker.delivery.object_store import NotFoundError
from worker.reasons import Reason
from worker.server import command_box
from worker.states import State

IN_CALL = (State.JOINING, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING)
KINDS = {
    "bots/{}/send_message": "send_message",
    "bots/{}/pause_recording": "pause",
    "bots/{}/resume_recording": "resume",
    "bots/{}/take_screenshot": "screenshot",
    "bot/{}/send_chat_message": "send_message",
    "bot/{}/pause_recording": "pause",
    "bot/{}/resume_recording": "resume",
    "bot/{}/start_recording": "start",
}
NOT_UTF8 = (
    b'{"commands":[{"id":"\xff","kind":"leave","at":1}],'
    b'"acknowledged":[{"id":"\xff","kind":"leave","outcome":"done","at":1}]}'
)
LEAVES = {"bots/{}/remove_bot": "GET", "bot/{}/leave_call": "POST"}


async def create(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/v1/bot/", json={"meeting_url": MEETING})
    bot_id: str = answer.json()["id"]
    return bot_id


async def tell(client: httpx.AsyncClient, path: str, bot_id: str) -> httpx.Response:
    method = LEAVES.get(path, "POST")
    body = {"message": "Hello\r\n\u202eall"} if "message" in path else None
    return await client.request(method, f"/api/v1/{path.format(bot_id)}", json=body)


def commands(api: Api, bot_id: str) -> list[Command]:
    try:
        stored = api.store.get(api.bots.keys_of(bot_id).commands)
    except NotFoundError:
        return []
    return msgspec.json.decode(stored.data, type=Commands).commands


def acknowledge(api: Api, bot_id: str, outcome: Outcome, detail: str = "") -> None:
    """As a worker does that has carried out all commands."""
    done = [
        Acknowledgement(id=each.id, kind=each.kind, outcome=outcome, at=api.now, detail=detail)
        for each in commands(api, bot_id)
    ]
    body = msgspec.json.encode(CommandState(acknowledged=done))
    api.store.put(api.bots.keys_of(bot_id).command_state, body, content_type="application/json")


@asynccontextmanager
async def obeying(
    api: Api, bot_id: str, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, detail: str = ""
) -> AsyncIterator[None]:
    """A bot that acknowledges each command that it finds."""

    async def obey() -> None:
        seen: list[Command] = []
        while True:
            if (found := commands(api, bot_id)) != seen:
                seen = found
                acknowledge(api, bot_id, outcome, detail)
            await asyncio.sleep(0.005)

    monkeypatch.setattr(command_box, "ACKNOWLEDGED_WITHIN", 20.0)
    task = asyncio.create_task(obey())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_command_is_stored_and_then_answered(api: Api) -> None:
    async with api.client() as client:
        for path, kind in KINDS.items():
            bot_id = await create(client)
            api.enter(bot_id, *IN_CALL)
            answer = await tell(client, path, bot_id)
            (command,) = commands(api, bot_id)
            assert (answer.status_code, command.kind, command.at) == (200, kind, api.now)
            assert command.message == ("Hello\n\ufffdall" if "message" in path else "")
            if path.startswith("bots/"):
                assert " will " in answer.json()["message"]
            else:
                assert answer.json()["id"] == bot_id


@pytest.mark.parametrize("outcome", Outcome)
async def test_what_became_of_a_command_is_answered(
    outcome: Outcome, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "The bot did not do it: no_chat."
    async with api.client() as client:
        bot_id = await create(client)
        api.enter(bot_id, *IN_CALL)
        async with obeying(api, bot_id, monkeypatch, outcome, "no_chat"):
            answers = {path: await tell(client, path, bot_id) for path in KINDS}
    for path, answer in answers.items():
        if outcome is Outcome.DONE:
            assert answer.status_code == 200
            assert " will " not in answer.text
            continue
        recall = {"code": f"command_{outcome}", "detail": message}
        expected = {"message": message} if path.startswith("bots/") else recall
        assert (answer.status_code, answer.json()) == (400, expected)


async def test_a_bot_that_is_not_in_a_call_takes_no_commands(api: Api) -> None:
    for states, code in (
        ((), "cannot_command_unstarted_bot"),
        ((State.JOINING, State.WAITING_ROOM), "cannot_command_unstarted_bot"),
        ((State.JOINING, State.IN_CALL_RECORDING, State.LEAVING), "cannot_command_completed_bot"),
        ((State.JOINING, State.IN_CALL_RECORDING, State.DONE), "cannot_command_completed_bot"),
    ):
        async with api.client() as client:
            bot_id = await create(client)
            if states:
                api.enter(bot_id, *states, reason=Reason.MEETING_ENDED)
            for path in KINDS:
                answer = await tell(client, path, bot_id)
                assert answer.status_code == 400
                assert (
                    "message" in answer.json() if path.startswith("bots/") else answer.json()["code"] == code
                )
        assert commands(api, bot_id) == []


async def test_a_bot_is_told_to_leave_once_from_its_first_state_on(api: Api) -> None:
    async with api.client() as client:
        for path in LEAVES:
            bot_id = await create(client)
            api.enter(bot_id, State.JOINING)
            assert [(await tell(client, path, bot_id)).status_code for _ in range(2)] == [200, 200]
            assert [each.kind for each in commands(api, bot_id)] == ["leave"]
            left = (State.JOINING, State.IN_CALL_RECORDING, State.LEAVING)
            api.enter(bot_id, *left, reason=Reason.INTERRUPTED)
            answer = await tell(client, path, bot_id)
            assert answer.status_code == (404 if path.startswith("bots/") else 400)
            assert path.startswith("bots/") or answer.json()["code"] == "cannot_command_completed_bot"


async def test_a_bot_of_another_key_takes_no_commands(api: Api) -> None:
    async with api.client(KEY) as client, api.client(OTHER_KEY) as other:
        bot_id = await create(client)
        api.enter(bot_id, *IN_CALL)
        for path in (*KINDS, *LEAVES):
            assert (await tell(other, path, bot_id)).status_code == 404
            assert (await tell(other, path, "unknown")).status_code == 404
    assert commands(api, bot_id) == []


async def test_a_wrong_message_is_not_sent(api: Api) -> None:
    bodies: list[dict[str, object]] = [{}]
    for text in ("", " \n", 7, "x" * 4097):
        bodies.append({"message": text})
    async with api.client() as client:
        bot_id = await create(client)
        api.enter(bot_id, *IN_CALL)
        for path in ("bots/{}/send_message", "bot/{}/send_chat_message"):
            for body in bodies:
                answer = await client.post(f"/api/v1/{path.format(bot_id)}", json=body)
                assert (answer.status_code, set(answer.json())) == (400, {"message"}), body
    assert commands(api, bot_id) == []


async def test_waiting_commands_are_bounded_and_done_ones_make_room(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        api.enter(bot_id, *IN_CALL)
        path = "bots/{}/pause_recording"
        answers = [await tell(client, path, bot_id) for _ in range(MOST_WAITING + 1)]
        assert [each.status_code for each in answers] == [200] * MOST_WAITING + [429]
        assert answers[-1].headers["retry-after"] == "3"
        acknowledge(api, bot_id, Outcome.DONE)
        assert (await tell(client, path, bot_id)).status_code == 200
    assert len(commands(api, bot_id)) == 1


async def test_a_bot_is_told_to_leave_before_all_that_waits(api: Api) -> None:
    async with api.client() as client:
        for path in LEAVES:
            bot_id = await create(client)
            api.enter(bot_id, *IN_CALL)
            for _ in range(MOST_WAITING):
                assert (await tell(client, "bots/{}/send_message", bot_id)).status_code == 200
            assert (await tell(client, path, bot_id)).status_code == 200
            kinds = [each.kind for each in commands(api, bot_id)]
            assert kinds == ["leave", *["send_message"] * MOST_WAITING]


@pytest.mark.parametrize("garbage", [b"{", NOT_UTF8, b'{"x":' + b"[" * 100_000])
async def test_a_document_that_cannot_be_read_is_replaced(garbage: bytes, api: Api) -> None:
    async with api.client() as client:
        for path in LEAVES:
            bot_id = await create(client)
            api.enter(bot_id, *IN_CALL)
            keys = api.bots.keys_of(bot_id)
            for key in (keys.commands, keys.command_state):
                api.store.put(key, garbage, content_type="application/json")
            assert (await tell(client, path, bot_id)).status_code == 200
            assert [each.kind for each in commands(api, bot_id)] == ["leave"]


async def test_commands_given_at_once_are_all_kept(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        api.enter(bot_id, *IN_CALL)
        answers = await asyncio.gather(*(tell(client, "bot/{}/pause_recording", bot_id) for _ in range(6)))
    assert [each.status_code for each in answers] == [200] * 6
    assert len({each.id for each in commands(api, bot_id)}) == 6


async def test_a_recording_is_paused_as_long_as_it_records(api: Api) -> None:
    async with api.client() as client:
        bot_id = await create(client)
        codes = []
        for states, paused in ((IN_CALL, False), (IN_CALL, True), ((*IN_CALL, State.LEAVING), True)):
            api.enter(bot_id, *states, paused=paused)
            (recording,) = (await client.get(f"/api/v1/bot/{bot_id}")).json()["recordings"]
            codes.append(recording["status"]["code"])
    assert codes == ["processing", "paused", "processing"]


async def test_pictures_are_listed_with_links_that_open(api: Api) -> None:
    async with api.client() as client, api.client(None) as anybody:
        bot_id = await create(client)
        path = f"/api/v1/bots/{bot_id}/get_screenshots"
        assert (await client.get(path)).json() == {"bot_id": bot_id, "screenshots": []}
        key = api.bots.keys_of(bot_id).screenshot(1_790_000_000_250, "4c1e")
        api.store.put(key, b"a picture", content_type="image/png")
        (picture,) = (await client.get(path)).json()["screenshots"]
        opened = await anybody.get(picture.pop("url"))
        assert (opened.content, opened.headers["content-type"]) == (b"a picture", "image/png")
    assert picture == {
        "filename": "1790000000250-4c1e.png",
        "timestamp": "2026-09-21T14:13:20.250Z",
        "size": 9,
    }
