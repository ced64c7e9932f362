"""The slots of which Teams' service says that they show another source from now on (pure)."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from worker.platforms.teams.main_channel import (
    LABEL,
    NO_SOURCE,
    VideoAnswer,
    VideoRequest,
    video_answers,
    video_requests,
)
from worker.roster.video_keys import Bounded
from worker.tape.events import ChannelMessage, TapeEvent

MOST_SLOTS: Final = 256
"""Slots of all connections that are followed, since the page is untrusted; the oldest are given up first."""
MOST_OPEN: Final = 512
"""Requests that wait for an answer; the oldest are given up first."""


class _Change:
    """A slot's change to ``source``, which all requests that repeat it ask for."""

    __slots__ = ("answered", "source")

    def __init__(self, source: int) -> None:
        self.source = source
        self.answered = False


class _Open(NamedTuple):
    """A request without an answer. ``sent``: when, in Unix seconds; requests of one message share number and time."""

    document: int
    connection: int
    sequence: int | None
    sent: float
    slot: str
    change: _Change


class AnsweredSlots:
    """Follows the page's requests for video. One that repeats the slot's last source changes nothing, and one that frees the
    slot brings no other source.
    """

    def __init__(self) -> None:
        self._last: Bounded[tuple[int, int, str], _Change] = Bounded(MOST_SLOTS)
        self._open: deque[_Open] = deque(maxlen=MOST_OPEN)

    def __call__(self, event: TapeEvent) -> frozenset[tuple[int, int, str]]:
        """Takes the next event; returns document, connection and slot of the changes that it is the first to answer."""
        if not isinstance(event, ChannelMessage) or event.label != LABEL:
            return frozenset()
        if event.sent:
            for request in video_requests(event.payload):
                self._request(request, event)
            return frozenset()
        found = [each for answer in video_answers(event.payload) for each in self._answer(answer, event)]
        return frozenset((each.document, each.connection, each.slot) for each in found)

    def _request(self, request: VideoRequest, event: ChannelMessage) -> None:
        key = (event.document, event.connection, request.slot)
        last = self._last.get(key)
        if request.source == NO_SOURCE:
            change = _Change(NO_SOURCE)
        elif last is not None and last.source == request.source:
            change = last
        else:
            change = self._last.put(key, _Change(request.source))
        self._open.append(
            _Open(event.document, event.connection, request.sequence, event.at, request.slot, change)
        )

    def _answer(self, answer: VideoAnswer, event: ChannelMessage) -> list[_Open]:
        """An answer is to the oldest request with its number; to the oldest of all where it has none."""
        waiting = [each for each in self._open if each[:2] == (event.document, event.connection)]
        sequence = answer.sequence
        first = next((each for each in waiting if sequence is None or each.sequence == sequence), None)
        if first is None:
            return []
        changed = []
        for each in waiting:
            if each is first or (sequence is not None and each[2:4] == first[2:4]):
                self._open.remove(each)
                if not each.change.answered and each.change.source != NO_SOURCE:
                    changed.append(each)
                each.change.answered = True
        return changed
