"""Records once for receivers of live streams, and watches what waits for them:
``python -m tests.benchmarks.live_away SECONDS OUTPUT URL...``.

Three people talk in turns and together for SECONDS. A WebSocket gets all sound and events, a webhook all events. Prints one
JSON object: ``samples``, twice a second ([Unix seconds, MiB of the worker's memory, bytes in the sockets' queues, events in the
webhook's queue]), ``dropped`` (seconds of sound), and packets ``received`` and ``lost``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import psutil

from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from tests.support.live_endpoints import WatchedQueues, endpoint
from tests.support.record_process import settings_for
from worker.browser.injected_scripts import limits_for
from worker.contracts.live_endpoints import LiveForm, Transport
from worker.contracts.live_forms import LiveBot
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.platforms.links import parse_link
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingRequest
from worker.recording.session import record
from worker.recording.steady_clock import SteadyClock
from worker.rendering.renderer import Renderer
from worker.settings import LiveOptions
from worker.states import State
from worker.streaming import webhook_sender, websocket_sender
from worker.streaming.live_streams import LiveStreams
from worker.tape.events import TapeEvent

SAMPLE_SECONDS: Final = 0.5


class Dropped:
    """Live metrics that add up what is dropped."""

    connected = message = lag = reconnected = staticmethod(lambda *_: None)

    def __init__(self) -> None:
        self.seconds = 0.0

    def dropped(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        self.seconds += seconds


class Watcher(RecordingObserver):
    """Passes the tape's events on to live streams, and samples what waits while the bot records."""

    def __init__(self, streams: LiveStreams, sockets: WatchedQueues, hooks: WatchedQueues) -> None:
        self.samples: list[tuple[float, float, int, int]] = []
        self._streams = streams
        self._sockets = sockets
        self._hooks = hooks
        self._sampling: asyncio.Task[None] | None = None

    def state(self, state: State, reason: Reason | None = None) -> None:
        if state is State.IN_CALL_RECORDING:
            self._sampling = asyncio.create_task(self._sample())

    def event(self, event: TapeEvent) -> None:
        self._streams.event(event)

    async def _sample(self) -> None:
        process = psutil.Process()
        while True:
            rss = process.memory_info().rss / 2**20
            self.samples.append((time.time(), rss, self._sockets.size, len(self._hooks)))
            await asyncio.sleep(SAMPLE_SECONDS)


def call(seconds: float) -> Scenario:
    """Somebody always speaks, sometimes all three."""

    def turns(first: float, length: float, every: float) -> list[tuple[float, float]]:
        return [(start, start + length) for start in np.arange(first, seconds - every, every).tolist()]

    return Scenario(
        title="three people who talk in turns and together",
        duration=seconds,
        participants=[
            Participant(name="Ada Ray", voice="aria", csrc=7001, host=True, says=turns(0.5, 4.0, 6.0)),
            Participant(name="Ben Oak", voice="bruno", csrc=7002, says=turns(2.5, 3.0, 6.0)),
            Participant(name="Cleo Fir", voice="chiara", csrc=7003, says=turns(4.0, 3.0, 6.0)),
        ],
        page=Page(lobby=0.2),
    )


async def record_for(seconds: float, output: Path, urls: Sequence[str]) -> dict[str, Any]:
    """Records into ``output``, which exists; returns what is printed."""
    dropped = Dropped()
    socket_queues, hook_queues = WatchedQueues(), WatchedQueues()
    streams = LiveStreams(
        [endpoint(number, url) for number, url in enumerate(urls)],
        LiveBot(bot_id="bot", platform=Platform.GOOGLE_MEET),
        LiveOptions(connections="endpoint", allow_plain=True),
        UrlGuard(read_allowed(("127.0.0.1",))),
        dropped,
        lambda *_: None,
        SteadyClock(),
    )
    watcher = Watcher(streams, socket_queues, hook_queues)
    with (
        patch.object(websocket_sender, "LiveQueue", socket_queues.Watched),
        patch.object(webhook_sender, "LiveQueue", hook_queues.Watched),
    ):
        async with Replica(call(seconds), output / "truth.jsonl") as replica:
            request = RecordingRequest(
                "bot", parse_link(replica.meeting_url), output / "out", "Notes", limits=limits_for(80)
            )
            streams.start()
            try:
                outcome = await record(
                    request,
                    settings_for(replica),
                    watcher,
                    lambda platform: Renderer(output / "out", platform),
                )
            finally:
                await streams.close(2.0)
    assert outcome.manifest is not None
    packets = [segment.packets for _, segment in outcome.manifest.segments()]
    return {
        "samples": watcher.samples,
        "dropped": dropped.seconds,
        "received": sum(each.received for each in packets),
        "lost": sum(each.lost for each in packets),
    }


def main(seconds: str, output: str, *urls: str) -> None:
    """Records into ``output``, which must not exist."""
    Path(output).mkdir(parents=True)
    print(json.dumps(asyncio.run(record_for(float(seconds), Path(output), urls))))


if __name__ == "__main__":
    main(*sys.argv[1:])
