"""What was sent on a WebSocket and is not known to have arrived (pure).

A WebSocket keeps the order of its frames: a receiver that answers a ping has received all that was sent before it. That a
message was handed to the system says nothing: megabytes may wait on the way to a receiver that reads no more.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from worker.streaming.live_queue import Gap, Message, Queued, Sound

MOST_TIMES: Final = 3
"""Connections on which an event is sent: a receiver that one of them breaks would get nothing else."""


class Doubt(NamedTuple):
    """What may not have arrived. ``again`` is to be sent on the next connection, in this order: events, and a Gap for each
    message of sound, which is not sent again. ``seconds`` are of sound, ``events`` their number; ``given_up`` of them were sent
    MOST_TIMES.
    """

    again: list[Queued]
    seconds: float
    events: int
    given_up: int


class Unconfirmed:
    """What was sent on one connection, in order, until it is confirmed."""

    def __init__(self) -> None:
        self._sent: deque[Queued | Sound] = deque()
        self._confirmed = 0

    def __bool__(self) -> bool:
        return bool(self._sent)

    @property
    def mark(self) -> int:
        """The number of what was sent until now."""
        return self._confirmed + len(self._sent)

    def add(self, queued: Queued) -> None:
        """``queued`` is sent next. The payload of sound is not kept."""
        self._sent.append(queued if isinstance(queued, Gap) else queued.sound or queued)

    def confirm(self, mark: int) -> None:
        """What was sent until ``mark`` has arrived."""
        while self._confirmed < mark:
            self._sent.popleft()
            self._confirmed += 1

    def doubt(self) -> Doubt:
        """All that is not confirmed."""
        again: list[Queued] = []
        seconds, events, given_up = 0.0, 0, 0
        for each in self._sent:
            match each:
                case Sound():
                    seconds += each.seconds
                    again.append(Gap(each.seconds, each.person))
                case Message():
                    events += 1
                    if each.times + 1 < MOST_TIMES:
                        again.append(each._replace(times=each.times + 1))
                    else:
                        given_up += 1
                case Gap():
                    again.append(each)
        return Doubt(again, seconds, events, given_up)
