"""Tells the metrics of one endpoint's connections and messages."""

from __future__ import annotations

from worker.contracts.live_endpoints import AUDIO_MIXED, AUDIO_OPUS, AUDIO_SEPARATE, LiveEndpoint, LiveForm
from worker.streaming.endpoint_state import LiveMetrics
from worker.streaming.live_queue import Loss, Sound
from worker.streaming.live_sound import LostSound


class EndpointFigures:
    """What is counted of ``endpoint``; ``lost_seconds`` and ``lost_events`` are its sums."""

    def __init__(self, endpoint: LiveEndpoint, metrics: LiveMetrics) -> None:
        self._kind = (endpoint.transport, endpoint.form)
        self._metrics = metrics
        self._has_separate = endpoint.form is LiveForm.MEETSTREAM_AUDIO
        self._has_separate |= not {AUDIO_SEPARATE, AUDIO_OPUS}.isdisjoint(endpoint.events)
        self._has_mix = AUDIO_MIXED in endpoint.events
        self._missed = 0.0
        """Seconds of the sound that it wants of which no items came."""
        self.lost_seconds = 0.0
        self.lost_events = 0
        self.doubted_seconds = 0.0
        """Of ``lost_seconds``, those that may have arrived."""

    def connected(self, change: int) -> None:
        """See LiveMetrics."""
        self._metrics.connected(*self._kind, change)

    def reconnected(self) -> None:
        """See LiveMetrics."""
        self._metrics.reconnected(*self._kind)

    def sent(self, payload: str | bytes, sound: Sound | None, now: float) -> None:
        """A message was sent at ``now`` (Unix seconds)."""
        self._metrics.message(*self._kind, len(payload))
        if sound is not None:
            self._metrics.lag(*self._kind, max(0.0, now - sound.arrived))

    def missed(self, lost: LostSound) -> None:
        """In all, so much sound of the call did not become items."""
        seconds = self._has_separate * lost.separate + self._has_mix * lost.mixed
        if seconds > self._missed:
            more, self._missed = seconds - self._missed, seconds
            self.lost(Loss(more))

    def lost(self, loss: Loss) -> None:
        """A queue lost something, or nothing."""
        self.lost_events += loss.events
        if loss.seconds:
            self.lost_seconds += loss.seconds
            self._metrics.dropped(*self._kind, loss.seconds)

    def doubted(self, seconds: float) -> None:
        """A connection ended, and so much sound that was sent there is not known to have arrived."""
        self.doubted_seconds += seconds
        self.lost(Loss(seconds))
