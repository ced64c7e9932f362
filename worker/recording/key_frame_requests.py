"""When the senders of video are to be asked for key frames, without which frames cannot be decoded or told apart (pure).

A receiver waits for a key frame where it has had none, where batches of its frames are missing, where its track changed, where
the platform said that a slot shows another source shortly after a key frame, which may have been of either source, and where
none has come for long: a file that has become long goes on as another one only from a key frame on. Most key frames come by
themselves, and each costs its sender and all who see it; so they are asked for only where one is overdue, of those senders
alone, and seldom.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from math import inf
from typing import Final

from worker.tape.events import DocumentClosed, Event, TapeEvent, VideoBatch, VideoFrame, VideoTrackSeen

PATIENCE: Final = 1.0
"""Seconds that a key frame is waited for; frames come from the page up to half a second late."""
DOUBTFUL: Final = 3.0
"""Seconds before an answer of the platform in which a key frame may have been of either source."""
LONGEST_RUN: Final = 9_000
"""Frames of a receiver without a key frame, ten minutes of 15 a second, after which one is waited for, and again after as many:
a sixth of what makes a file long (worker.stems.video_track.LONG_FILE)."""
EVERY: Final = 5.0
"""Seconds from one request to the next."""
MOST_REQUESTS: Final = 3
"""Requests while one receiver waits for the same key frame; then its sender is taken for one that sends none. It is also the
most that one receiver causes in PERIOD, whatever the platform says of it and whatever comes."""
PERIOD: Final = 60.0
"""Seconds."""
MOST_RECEIVERS: Final = 1_024
"""Receivers that are followed, since the page is untrusted; the oldest are given up first."""


class _Receiver:
    """All times are in Unix seconds."""

    def __init__(self) -> None:
        self.track: VideoTrackSeen | None = None
        self.arrived = -inf
        """When its last frame arrived."""
        self.key_arrived = -inf
        self.waits_since: float | None = None
        """Key frames that arrived later end the wait; None: it waits for none."""
        self.requests = 0
        """Since it waits."""
        self.run = 0
        """Frames since its last key frame, or since a run of LONGEST_RUN ended."""
        self.requested: deque[float] = deque(maxlen=MOST_REQUESTS)
        """When it caused the last requests; what it waits for does not reset it."""

    def wait(self, since: float) -> None:
        """Waits for a key frame that arrived after ``since``, which may have come before the event that tells so."""
        if self.key_arrived <= since:
            if self.waits_since is None:
                self.requests = 0
            self.waits_since = since

    def take(self, frame: VideoFrame) -> None:
        if frame.key:
            self.key_arrived = frame.arrival
            self.run = 0
            if self.waits_since is not None and frame.arrival > self.waits_since:
                self.waits_since = None
        else:
            self.run += 1
            if self.key_arrived == self.arrived == -inf or self.run >= LONGEST_RUN:
                self.run = 0
                self.wait(frame.arrival)
        self.arrived = max(frame.arrival, self.arrived)

    def is_overdue(self, now: float) -> bool:
        """Whether it still gets frames, the key frame should have come, and it may cause another request."""
        since = self.waits_since
        if since is None or self.arrived <= since or now - since < PATIENCE:
            return False
        return len(self.requested) < MOST_REQUESTS or now - self.requested[0] >= PERIOD

    def request(self, now: float) -> None:
        self.requested.append(now)
        self.requests += 1
        if self.requests >= MOST_REQUESTS:
            self.waits_since = None


class KeyFrameRequests:
    """Follows the events of a recording with separate video. ``answered_slots`` takes each event and returns the slots of which
    it says that they show another source: document, connection and the slot's id. None: the platform says it by tracks alone.
    """

    def __init__(
        self, answered_slots: Callable[[TapeEvent], Collection[tuple[int, int, str]]] | None
    ) -> None:
        self._answered_slots = answered_slots
        self._receivers: dict[tuple[int, int], _Receiver] = {}
        self._batches: dict[int, int] = {}
        """By document, the number of the next batch."""
        self._requested = -inf

    def observe(self, event: TapeEvent, now: float) -> list[tuple[int, int]]:
        """Takes the next event at ``now`` (Unix seconds); returns document and number of the receivers of whose senders key
        frames are to be requested now.
        """
        match event:
            case VideoBatch():
                self._take(event)
            case VideoTrackSeen():
                receiver = self._receiver(event.document, event.receiver)
                before, receiver.track = receiver.track, event
                if before is not None and before.streams != event.streams:
                    receiver.wait(event.at)
            case DocumentClosed():
                self._batches.pop(event.document, None)
                for key in [each for each in self._receivers if each[0] == event.document]:
                    del self._receivers[key]
            case Event() if self._answered_slots is not None and (answered := self._answered_slots(event)):
                for (document, _), receiver in self._receivers.items():
                    track = receiver.track
                    if (
                        track is not None
                        and (document, track.connection, track.slot) in answered
                        and event.at - DOUBTFUL <= receiver.key_arrived <= event.at
                    ):
                        receiver.wait(event.at)
            case _:
                pass
        return self._due(now)

    def _take(self, batch: VideoBatch) -> None:
        missing = batch.sequence > self._batches.get(batch.document, batch.sequence)
        if batch.document in self._batches or len(self._batches) < MOST_RECEIVERS:
            self._batches[batch.document] = batch.sequence + 1
        if missing:
            for (document, _), receiver in self._receivers.items():
                if document == batch.document and receiver.arrived > -inf:
                    receiver.wait(receiver.arrived)
        for frame in batch.frames:
            self._receiver(batch.document, frame.receiver).take(frame)

    def _due(self, now: float) -> list[tuple[int, int]]:
        if now - self._requested < EVERY:
            return []
        overdue = [key for key, receiver in self._receivers.items() if receiver.is_overdue(now)]
        for key in overdue:
            self._receivers[key].request(now)
        if overdue:
            self._requested = now
        return overdue

    def _receiver(self, document: int, number: int) -> _Receiver:
        key = (document, number)
        receiver = self._receivers.get(key)
        if receiver is None:
            if len(self._receivers) >= MOST_RECEIVERS:
                del self._receivers[next(iter(self._receivers))]
            receiver = self._receivers[key] = _Receiver()
        return receiver
