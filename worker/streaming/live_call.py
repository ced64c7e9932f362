"""The core of live streams: a tape's events in, what is sent to receivers out (pure)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from worker.contracts.live_items import LiveEnd, LiveItem, LiveOpus, LiveStart
from worker.platforms.registry import PLATFORMS, Platform
from worker.rendering.meeting_clock import TOLERANCE, MeetingClock
from worker.roster.roster import Roster
from worker.streaming.live_people import LivePeople
from worker.streaming.live_sound import Delivery, LiveSound, LostSound, SoundItem
from worker.tape.events import FrameBatch, RecordingEnded, RecordingStarted, TapeEvent, VideoBatch

logger = logging.getLogger(__name__)

Made = TypeVar("Made")


class LiveCall:
    """Makes live items of the events of one call, in order. Whatever the page sent, nothing raises.

    ``rate`` is that of PCM, in samples per second; None: none is wanted. ``opus``: packets are wanted as they came, ``mixed``:
    everybody together. Packets wait at most ``deadline`` seconds for earlier ones. ``continuous``: silence is sent as well.
    ``attempt`` is the worker's attempt at the job; ``relative_zero`` is when its first attempt's recording began (Unix
    seconds), None: this one is the first. ``failures`` counts the events that an internal error cost.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        rate: int | None,
        opus: bool,
        mixed: bool,
        deadline: float,
        continuous: bool,
        attempt: int,
        relative_zero: float | None,
    ) -> None:
        self.failures = 0
        self._decoder = PLATFORMS[platform].open_roster_decoder()
        self._people = LivePeople(platform, self._decoder, self._known)
        # The packets tell who speaks, whether or not they are sent.
        self._sound = LiveSound(
            platform,
            rate,
            self._decoder,
            self._people.person_of,
            opus=True,
            mixed=mixed,
            deadline=deadline,
            continuous=continuous,
        )
        self._opus = opus
        self._attempt = attempt
        self._relative_zero = relative_zero
        self._clock: MeetingClock | None = None
        self._ended = False

    @property
    def lost(self) -> LostSound:
        """What arrived and is not live."""
        return self._sound.lost

    def event(self, event: TapeEvent, logged: float) -> list[LiveItem]:
        """Takes the tape's next event, with its log time in Unix seconds; returns what it gives, in order.

        LiveStart comes with RecordingStarted, LiveEnd with RecordingEnded; there is nothing before and after them.
        """
        if self._ended or isinstance(event, VideoBatch):
            return []
        if isinstance(event, FrameBatch):
            return self.frames(Delivery(event, logged))
        out: list[LiveItem] = []
        if isinstance(event, RecordingStarted) and self._clock is None:
            out += self._begin(event, logged)
        at = self._at(event.at, logged)
        self._try(partial(self._decoder.observe, event), None)
        self._try(partial(self._people.observe, event, at, logged), None)
        self._try(partial(self._sound.observe, event), None)
        out += self._drained()
        if isinstance(event, RecordingEnded) and self._clock is not None:
            out += self._end(at)
        return out

    def frames(self, *deliveries: Delivery) -> list[LiveItem]:
        """Takes the tape's next batches; returns what they give together."""
        if self._ended:
            return []
        return self._with_events(partial(self._sound.take, *deliveries))

    def advance(self, now: float) -> list[LiveItem]:
        """What is due at ``now`` (Unix seconds) without another event. To be called some times per second."""
        if self._clock is None or self._ended:
            return []
        out = self._with_events(partial(self._sound.advance, now))
        self._try(partial(self._people.advance, now), None)
        return out + self._drained()

    def end(self, at: float) -> list[LiveItem]:
        """The rest, with LiveEnd, where no RecordingEnded comes; ``at`` is in Unix seconds. Nothing, after either."""
        if self._clock is None or self._ended:
            return []
        return self._end(max(0.0, at - self._clock.zero))

    def _begin(self, event: RecordingStarted, logged: float) -> list[LiveItem]:
        self._clock = MeetingClock(min(event.at, logged + TOLERANCE))
        zero = self._clock.zero
        relative_zero = zero if self._relative_zero is None else self._relative_zero
        out: list[LiveItem] = [LiveStart(zero=zero, relative_zero=relative_zero, attempt=self._attempt)]
        self._try(partial(self._sound.begin, zero), None)
        self._try(partial(self._people.begin, zero), None)
        return [*out, *self._drained()]

    def _with_events(self, make: Callable[[], list[SoundItem]]) -> list[LiveItem]:
        """The sound that ``make`` returns, and before it what it tells of the people."""
        nothing: list[SoundItem] = []
        sound = self._try(make, nothing)
        for item in sound:
            if isinstance(item, LiveOpus):
                self._try(partial(self._people.hear, item), None)
        return [*self._drained(), *self._wanted(sound)]

    def _wanted(self, sound: Iterable[SoundItem]) -> Iterable[LiveItem]:
        return sound if self._opus else (item for item in sound if not isinstance(item, LiveOpus))

    def _drained(self) -> list[LiveItem]:
        return [*self._people.drain()]

    def _end(self, at: float) -> list[LiveItem]:
        out = self._with_events(self._sound.end)
        self._try(self._people.end, None)
        self._ended = True
        self._try(self._log_lost, None)
        return [*out, *self._drained(), LiveEnd(at=at)]

    def _log_lost(self) -> None:
        if any(lost := self.lost):
            logger.info(
                "live sound: %.2f s of speakers and %.2f s of the mix came too late or were no sound", *lost
            )

    def _known(self, roster: Roster) -> Roster:
        return self._sound.known(roster)

    def _at(self, at: float, logged: float) -> float:
        """The meeting time of an event that claims ``at`` (Unix seconds); 0 before the recording."""
        return 0.0 if self._clock is None else max(0.0, self._clock.event_time(at, logged))

    def _try(self, act: Callable[[], Made], otherwise: Made) -> Made:
        """What ``act`` returns; ``otherwise`` after an internal error, which costs this event alone."""
        try:
            return act()
        except Exception as error:
            if not self.failures:
                logger.warning(
                    "internal error in the live streams; it costs an event: %r", error, exc_info=error
                )
            self.failures += 1
            return otherwise
