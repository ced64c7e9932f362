"""What waits to be sent on one connection, bounded (pure).

A receiver that is slow or away loses the oldest sound; what people did is kept longer. What was lost is told before the next
message: the queue gives a Gap there.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, TypeAlias

from worker.contracts.live_items import LivePerson

CLOCK_RATE: Final = 48_000
"""Positions per second."""

MOST_SOUND_BYTES: Final = 8 << 20
"""Sound of a queue: 16 people who talk at once for 5 s at 48 kHz are 7.7 MB."""

MOST_EVENTS: Final = 1_000
MOST_EVENT_BYTES: Final = 1 << 20
"""Events of a queue; the oldest are lost beyond."""

_FIRST: Final = -1
"""The number of an entry before all others, which count from 0."""

MOST_GAPS: Final = 64
"""People whose losses are told apart; those of all others are added up."""


class Sound(NamedTuple):
    """What a message has of sound: ``seconds`` from ``position`` on (samples at 48 kHz) of ``person``, None: of the mix, or of
    nobody known. ``arrived`` is when its newest packet arrived, in Unix seconds."""

    position: int
    seconds: float
    person: LivePerson | None
    arrived: float


class Message(NamedTuple):
    """What is sent; ``sound`` None: an event."""

    payload: str | bytes
    sound: Sound | None = None


class Gap(NamedTuple):
    """``seconds`` of sound of ``person`` were lost here."""

    seconds: float
    person: LivePerson | None


class Loss(NamedTuple):
    """What a queue lost at once."""

    seconds: float = 0.0
    events: int = 0


Queued: TypeAlias = Message | Gap

_Entries: TypeAlias = deque[tuple[int, Message]]


class LiveQueue:
    """Messages in order. Sound that is more than ``buffer_seconds`` of meeting time older than the newest is lost."""

    def __init__(
        self,
        buffer_seconds: float,
        most_sound_bytes: int = MOST_SOUND_BYTES,
        most_events: int = MOST_EVENTS,
        most_event_bytes: int = MOST_EVENT_BYTES,
    ) -> None:
        self._window = round(buffer_seconds * CLOCK_RATE)
        self._most_sound_bytes = most_sound_bytes
        self._most_events = most_events
        self._most_event_bytes = most_event_bytes
        self._sounds: _Entries = deque()
        self._events: _Entries = deque()
        self._sound_bytes = 0
        self._event_bytes = 0
        self._next = 0
        self._newest = 0
        """Where the sound that came last ends."""
        self._gaps: dict[int | None, Gap] = {}

    def __len__(self) -> int:
        return len(self._sounds) + len(self._events)

    @property
    def size(self) -> int:
        """The bytes of all payloads; a character of a text counts as one."""
        return self._sound_bytes + self._event_bytes

    def put(self, message: Message) -> Loss:
        """Adds ``message`` at the end; returns what was lost for it."""
        if message.sound is not None:
            self._newest = message.sound.position + round(message.sound.seconds * CLOCK_RATE)
        self._entries_of(message).append((self._next, message))
        self._next += 1
        self._count(message, 1)
        return self._trim()

    def put_back(self, queued: Queued) -> Loss:
        """Puts what ``take`` gave last to the front again; returns what was lost for it, which may be the very message."""
        if isinstance(queued, Gap):
            self._add_gap(queued.seconds, queued.person)
            return Loss()
        self._entries_of(queued).appendleft((_FIRST, queued))
        self._count(queued, 1)
        return self._trim()

    def take(self) -> Queued | None:
        """Removes and returns what is next; None: nothing waits."""
        if not self:
            return None
        if self._gaps:
            return self._gaps.pop(next(iter(self._gaps)))
        entries = self._sounds
        if not self._sounds or (self._events and self._events[0][0] < self._sounds[0][0]):
            entries = self._events
        _, message = entries.popleft()
        self._count(message, -1)
        return message

    def clear(self) -> Loss:
        """Drops all; returns how much that was."""
        seconds = sum(message.sound.seconds for _, message in self._sounds if message.sound is not None)
        loss = Loss(seconds, len(self._events))
        self._sounds.clear()
        self._events.clear()
        self._gaps.clear()
        self._sound_bytes = self._event_bytes = 0
        return loss

    def _entries_of(self, message: Message) -> _Entries:
        return self._events if message.sound is None else self._sounds

    def _count(self, message: Message, sign: int) -> None:
        if message.sound is None:
            self._event_bytes += sign * len(message.payload)
        else:
            self._sound_bytes += sign * len(message.payload)

    def _trim(self) -> Loss:
        seconds, events = 0.0, 0
        while self._sounds and self._has_too_much_sound():
            _, message = self._sounds.popleft()
            self._count(message, -1)
            if message.sound is not None:
                seconds += message.sound.seconds
                self._add_gap(message.sound.seconds, message.sound.person)
        while len(self._events) > self._most_events or self._event_bytes > self._most_event_bytes:
            _, message = self._events.popleft()
            self._count(message, -1)
            events += 1
        return Loss(seconds, events)

    def _has_too_much_sound(self) -> bool:
        oldest = self._sounds[0][1].sound
        is_old = oldest is not None and self._newest - oldest.position > self._window
        return is_old or self._sound_bytes > self._most_sound_bytes

    def _add_gap(self, seconds: float, person: LivePerson | None) -> None:
        key = None if person is None else person.number
        if key not in self._gaps and len(self._gaps) >= MOST_GAPS:
            key, person = None, None
        before = self._gaps.get(key)
        self._gaps[key] = Gap(seconds + (before.seconds if before is not None else 0.0), person)
