"""The core of live streams: a tape's events in, what is sent to receivers out (pure)."""

from __future__ import annotations

from worker.contracts.live_items import LiveItem
from worker.platforms.registry import Platform
from worker.tape.events import TapeEvent


class LiveCall:
    """Makes live items of the events of one call, in order. Whatever the page sent, nothing raises.

    ``rate`` is that of PCM, in samples per second. ``opus``: the packets are wanted as they came, ``mixed``: everybody together.
    Packets wait at most ``deadline`` seconds for earlier ones. ``continuous``: silence is sent as well. ``attempt`` is the
    worker's attempt at the job; ``relative_zero`` is when its first attempt's recording began (Unix seconds), None: this one is
    the first. ``failures`` counts the events that an internal error cost.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        rate: int,
        opus: bool,
        mixed: bool,
        deadline: float,
        continuous: bool,
        attempt: int,
        relative_zero: float | None,
    ) -> None:
        self.failures = 0

    def event(self, event: TapeEvent, logged: float) -> list[LiveItem]:
        """Takes the tape's next event, with its log time in Unix seconds; returns what it gives, in order.

        LiveStart comes with RecordingStarted, LiveEnd with RecordingEnded; there is nothing before and after them.
        """
        raise NotImplementedError

    def advance(self, now: float) -> list[LiveItem]:
        """What is due at ``now`` (Unix seconds) without another event. To be called about every 20 ms."""
        raise NotImplementedError

    def end(self, at: float) -> list[LiveItem]:
        """The rest, with LiveEnd, where no RecordingEnded comes; ``at`` is in Unix seconds. Nothing, after either."""
        raise NotImplementedError
