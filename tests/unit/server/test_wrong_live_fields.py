"""What is wrong with live streams is refused in requests alone: a bot that was stored with it is sent, without them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.api import MEETING, Api
from worker.contracts.parse_job import parse_job

LATER = "2030-01-01T00:00:00Z"
DUE = 1_893_456_060.0
"""A minute after LATER."""

GOOD = {"type": "webhook", "url": "https://public.example/", "events": ["participant_events.join"]}
WRONG: list[Any] = [
    "x",
    {"url": "https://public.example/"},
    [GOOD] * 21,
    [7],
    [{**GOOD, "type": None}],
    [{**GOOD, "url": "public.example"}],
    [{**GOOD, "url": "https://user:key@public.example/"}],
    [{**GOOD, "events": "all"}],
    [{**GOOD, "metadata": {"order": 7}}],
    [{**GOOD, "headers": {"Host": "x"}}],
]
CONFIGS = [{"recording_config": {"realtime_endpoints": endpoints}} for endpoints in WRONG]
CASES: list[tuple[str, dict[str, Any]]] = [
    *(("/api/v1/bot", config) for config in CONFIGS),
    *(("/api/v1/bots/create_bot", config) for config in CONFIGS),
    *(("/api/v1/bots/create_bot", {"live_audio_required": audio}) for audio in (True, {}, "x", {"a": 1})),
]


def body_of(path: str) -> dict[str, Any]:
    if path == "/api/v1/bot":
        return {"meeting_url": MEETING, "join_at": LATER}
    return {"meeting_link": MEETING, "bot_name": "Notes", "join_at": LATER}


@pytest.mark.parametrize(("path", "wrong"), CASES)
async def test_a_request_is_refused_and_a_stored_bot_is_sent_without_what_is_wrong(
    api: Api, path: str, wrong: dict[str, Any]
) -> None:
    async with api.client() as client:
        refused = await client.post(path, json={**body_of(path), **wrong})
        assert (refused.status_code, next(iter(wrong)) in refused.text) == (400, True)
        made = (await client.post(path, json=body_of(path))).json()
        bot_id = str(made.get("id") or made["bot_id"])
        record = api.bots.known(bot_id)
        assert record is not None
        api.bots.write(msgspec.structs.replace(record, body={**record.body, **wrong}))
        if path == "/api/v1/bot":
            shown = (await client.get(f"{path}/{bot_id}")).json()
            assert shown["meeting_url"] is not None
            changed = await client.patch(f"{path}/{bot_id}", json={"bot_name": "Other"})
            assert changed.status_code == 200
            assert (await client.patch(f"{path}/{bot_id}", json=wrong)).status_code == 400
    api.now = DUE
    api.bots.dispatch_due()
    (job,) = api.desk.jobs
    assert (job.bot_id, job.live, len(job.live_faults)) == (bot_id, (), 1)
    assert job.ignored[0].startswith(next(iter(wrong)))
    queued = parse_job(msgspec.json.encode({**job.body, "bot_id": job.bot_id}), lambda: "other")
    assert (queued.bot_id, queued.live_faults) == (bot_id, job.live_faults)
