"""An API whose webhooks are taken and sent, over one store, by any number of servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from tests.support.api import MEETING, Api
from tests.support.receivers import Receiver, receiving
from worker.contracts.job import Job
from worker.contracts.status import audio_event, bot_status, state_event, with_change
from worker.contracts.vendor_words import status_code, words
from worker.delivery.folder_queue import FolderQueue
from worker.delivery.queue_text import ascii_json
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.reasons import Reason
from worker.server.endpoints import Endpoints
from worker.server.url_checks import UrlChecks
from worker.server.webhook_metrics import WebhookMetrics
from worker.server.webhooks import Webhooks
from worker.states import State

GUARD = UrlGuard(read_allowed(["127.0.0.1"]))

BEFORE_CALL = (State.JOINING, State.WAITING_ROOM, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING)


class WebhookRoom:
    """``queue`` has the events. Servers are made by ``server``; their clock is the API's."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.api = Api(folder)
        object.__setattr__(self.api.services, "url_checks", UrlChecks(GUARD))
        self.queue = FolderQueue(folder / "data" / "events", clock=lambda: self.api.now)
        self.file = folder / "webhooks.json"
        self.write_file()

    async def receiver(self) -> Receiver:
        return await self.stack.enter_async_context(receiving())

    def write_file(self, **content: Any) -> None:
        self.file.write_text(json.dumps(content))

    def server(self) -> Webhooks:
        return Webhooks(
            self.api.bots,
            self.queue,
            Endpoints(self.file),
            GUARD,
            WebhookMetrics(CollectorRegistry()),
            lambda: self.api.now,
        )

    async def create(self, form: str = "recall", **body: Any) -> str:
        async with self.api.client() as client:
            if form == "recall":
                answer = await client.post("/api/v1/bot", json={"meeting_url": MEETING, **body})
                return str(answer.json()["id"])
            document = {"meeting_link": MEETING, "bot_name": "Notes", **body}
            answer = await client.post("/api/v1/bots/create_bot", json=document)
            return str(answer.json()["bot_id"])

    def job(self, bot_id: str) -> Job:
        record = self.api.bots.known(bot_id)
        assert record is not None
        return record.job()

    def visit(self, bot_id: str) -> list[dict[str, Any]]:
        """The events of a bot that recorded, whose files are in the store."""
        job, reason = self.job(bot_id), Reason.MEETING_ENDED
        self.api.record(bot_id)
        events: list[dict[str, Any]] = []
        status = None
        steps = (*BEFORE_CALL, State.LEAVING, State.STOPPED, State.DONE)
        for number, state in enumerate(steps, start=1):
            names = words(state, reason, job.platform)
            entered = bot_status(job, state, reason, names, 1, 1000 + number, self.api.now + number)
            status = with_change(entered, status.history if status is not None else [])
            events.append(state_event(status, names.event, job.custom_attributes))
            if state is State.STOPPED:
                status = msgspec.structs.replace(status, sequence=1050)
                events.append(audio_event(status, job.custom_attributes))
        names = words(State.DONE, reason, job.platform)
        result = {
            **events[-1],
            "event": "bot.result",
            "sequence": 1099,
            "audio_streams": "audio_streams.json",
            "status_code": status_code(names.bot_status),
            "idempotency_key": f"{bot_id}-result",
        }
        return [*events, result]

    def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.queue.send(ascii_json(event))
            # The folder's order is that of the clock.
            self.api.now += 0.001


async def take_all(*servers: Webhooks) -> int:
    """Takes what is on the queue, by servers in turn; returns how many events that were."""
    taken = 0
    while any([await asyncio.to_thread(server.take_one, 0) for server in servers]):
        taken += 1
    return taken


@asynccontextmanager
async def webhook_room(folder: Path) -> AsyncIterator[WebhookRoom]:
    async with AsyncExitStack() as stack:
        yield WebhookRoom(folder, stack)
