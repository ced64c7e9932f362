"""Records three talkers once for receivers of live streams, and measures it:
``python -m tests.benchmarks.live_once BATCH_MS OUTPUT [URL...]``.

The page's batches are of BATCH_MS milliseconds; each URL is a WebSocket that gets every speaker's sound. Prints one JSON
object: see tests.benchmarks.record_once. OUTPUT gets the recording and ``truth.jsonl``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

from fixtures.replica.demo import running_replica
from tests.benchmarks.record_once import Meter
from worker.browser.injected_scripts import limits_for
from worker.contracts.live_endpoints import AUDIO_SEPARATE, LiveEndpoint, LiveForm, Transport
from worker.contracts.live_forms import LiveBot
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.platforms.links import parse_link
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.recording.outcome import RecordingRequest
from worker.recording.session import record
from worker.recording.steady_clock import SteadyClock
from worker.rendering.renderer import Renderer
from worker.settings import BrowserSettings, LiveOptions
from worker.states import State
from worker.streaming.live_streams import LiveStreams
from worker.tape.events import TapeEvent

SECONDS: Final = 30.0
"""How long the three talk."""

MEASURED_SECONDS: Final = 18.0
"""From when the window rests; the three talk a little longer."""

_SCENARIO: Final = Path(__file__).parent / "three_talkers.toml"


class NoMetrics:
    """Counts nothing."""

    connected = message = lag = dropped = reconnected = staticmethod(lambda *_: None)


class LiveMeter(Meter):
    """Passes the tape's events on to live streams."""

    def __init__(self, batch: int, urls: list[str]) -> None:
        super().__init__(MEASURED_SECONDS)
        endpoints = [
            LiveEndpoint(
                number=number,
                form=LiveForm.RECALL,
                transport=Transport.WEBSOCKET,
                url=url,
                events=(AUDIO_SEPARATE,),
            )
            for number, url in enumerate(urls)
        ]
        self.streams = LiveStreams(
            endpoints,
            LiveBot(bot_id="bot", platform=Platform.GOOGLE_MEET),
            LiveOptions(connections="endpoint", batch_seconds=batch / 1000, allow_plain=True),
            UrlGuard(read_allowed(("127.0.0.1",))),
            NoMetrics(),
            lambda *_: None,
            SteadyClock(),
        )

    def state(self, state: State, reason: Reason | None = None) -> None:
        super().state(state, reason)
        if state is State.STARTING:
            self.streams.start()

    def event(self, event: TapeEvent) -> None:
        self.streams.event(event)


def main(batch_milliseconds: str, output: str, *urls: str) -> None:
    """Records into ``output``, which must not exist or be empty."""
    folder = Path(output)
    folder.mkdir(parents=True)
    scenario = folder / "scenario.toml"
    text = _SCENARIO.read_text().replace("60.0", str(SECONDS)).replace("59.5", str(SECONDS - 0.5))
    scenario.write_text(text)
    with running_replica(str(scenario), folder / "truth.jsonl") as url:
        print(json.dumps(asyncio.run(_record(int(batch_milliseconds), folder / "out", url, list(urls)))))


async def _record(batch: int, output: Path, url: str, urls: list[str]) -> dict[str, object]:
    meter: Meter = LiveMeter(batch, urls) if urls else Meter(MEASURED_SECONDS)
    request = RecordingRequest(
        bot_id="bot",
        link=parse_link(url),
        output=output,
        bot_name="Notes",
        limits=limits_for(batch),
    )
    settings = BrowserSettings.from_environment(os.environ)
    try:
        outcome = await record(request, settings, meter, lambda platform: Renderer(output, platform))
    finally:
        if isinstance(meter, LiveMeter):
            await meter.streams.close(2.0)
    assert outcome.manifest is not None
    meter.count_packets(outcome.manifest)
    return meter.result


if __name__ == "__main__":
    main(*sys.argv[1:])
