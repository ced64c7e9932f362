"""When the senders of video are to be asked for key frames, without which frames cannot be decoded or told apart (pure).

A receiver waits for a key frame where it has had none, where batches of its frames are missing, where its track changed, and
where the platform said that a slot shows another source shortly after a key frame, which may have been of either source. Most
key frames come by themselves, and each costs every sender; so they are asked for only where one is overdue, and seldom.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from worker.tape.events import DocumentClosed, Event, TapeEvent, VideoBatch, VideoFrame, VideoTrackSeen

PATIENCE: Final = 1.0
"""Seconds that a key frame is waited for; frames come from the page up to half a second late."""
DOUBTFUL: Final = 3.0
"""Seconds before an answer of the platform in which a key frame may have been of either source."""
EVERY: Final = 5.0
"""Seconds from one request to the next."""
MOST_REQUESTS: Final = 3
"""Requests while one receiver waits for the same key frame; then its sender is taken for one that sends none."""
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

    def wait(self, since: float) -> None:
        """Waits for a key frame that arrived after ``since``, which may have come before the event that tells so."""
        if self.key_arrived <= since:
            self.waits_since, self.requests = since, 0

    def take(self, frame: VideoFrame) -> None:
        if frame.key:
            self.key_arrived = frame.arrival
            if self.waits_since is not None and frame.arrival > self.waits_since:
                self.waits_since = None
        elif self.key_arrived == self.arrived == -inf:
            self.wait(frame.arrival)
        self.arrived = max(frame.arrival, self.arrived)

    def is_overdue(self, now: float) -> bool:
        """Whether it still gets frames, and the key frame should have come."""
        since = self.waits_since
        return since is not None and self.arrived > since and now - since >= PATIENCE


class KeyFrameRequests:
    """Follows the events of a recording with separate video. ``is_video_answer`` tells the messages by which the platform says
    that slots show other sources; None: there are none.
    """

    def __init__(self, is_video_answer: Callable[[TapeEvent], bool] | None) -> None:
        self._is_video_answer = is_video_answer
        self._receivers: dict[tuple[int, int], _Receiver] = {}
        self._batches: dict[int, int] = {}
        """By document, the number of the next batch."""
        self._requested = -inf

    def observe(self, event: TapeEvent, now: float) -> bool:
        """Takes the next event at ``now`` (Unix seconds); returns whether key frames are to be requested now, of all."""
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
            case Event() if self._is_video_answer is not None and self._is_video_answer(event):
                for receiver in self._receivers.values():
                    if event.at - DOUBTFUL <= receiver.key_arrived <= event.at:
                        receiver.wait(event.at)
            case _:
                pass
        return self._is_due(now)

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

    def _is_due(self, now: float) -> bool:
        if now - self._requested < EVERY:
            return False
        overdue = [each for each in self._receivers.values() if each.is_overdue(now)]
        for receiver in overdue:
            receiver.requests += 1
            if receiver.requests >= MOST_REQUESTS:
                receiver.waits_since = None
        if overdue:
            self._requested = now
        return bool(overdue)

    def _receiver(self, document: int, number: int) -> _Receiver:
        key = (document, number)
        receiver = self._receivers.get(key)
        if receiver is None:
            if len(self._receivers) >= MOST_RECEIVERS:
                del self._receivers[next(iter(self._receivers))]
            receiver = self._receivers[key] = _Receiver()
        return receiver
