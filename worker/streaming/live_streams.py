"""Live streams of one recording: the door for jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from worker.contracts.live_endpoints import LiveEndpoint
from worker.contracts.live_forms import LiveBot
from worker.delivery.url_guard import UrlGuard
from worker.settings import LiveOptions
from worker.streaming.endpoint_state import LiveMetrics, Report
from worker.tape.events import TapeEvent


class LiveStreams:
    """Sends what happens in a recording to ``endpoints`` while it happens.

    Used in one event loop. ``event`` takes the tape's events in order; it never raises, and only puts the event aside. A fault
    costs the endpoint where it happens, or the live streams; never the recording. ``report`` learns of states. ``clock``
    returns Unix seconds, as the frames have them. ``relative_zero``: see worker.streaming.live_call.LiveCall.
    """

    def __init__(
        self,
        endpoints: Sequence[LiveEndpoint],
        bot: LiveBot,
        options: LiveOptions,
        guard: UrlGuard,
        metrics: LiveMetrics,
        report: Report,
        clock: Callable[[], float],
        *,
        relative_zero: float | None = None,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Begins to work in the running event loop."""

    def event(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""

    async def close(self, within: float) -> None:
        """Sends what waits, closes all connections and reports the last states; returns within ``within`` seconds."""
