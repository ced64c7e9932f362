"""What waits to be sent on one connection, bounded (pure).

A receiver that is slow or away loses the oldest sound; what people did is kept longer. What was lost is told before the next
message: the queue gives a Gap there.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, TypeAlias
from weakref import WeakSet

from worker.contracts.live_items import LivePerson

CLOCK_RATE: Final = 48_000
"""Positions per second."""

MOST_SOUND_BYTES: Final = 8 << 20
"""Sound of all queues of an endpoint: 16 people who talk at once for 5 s at 48 kHz are 7.7 MB."""

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
    """What is sent; ``sound`` None: an event. ``times``: it was sent on so many connections, and is not known to have
    arrived."""

    payload: str | bytes
    sound: Sound | None = None
    times: int = 0


class Gap(NamedTuple):
    """``seconds`` of sound of ``person`` were lost here."""

    seconds: float
    person: LivePerson | None


class Loss(NamedTuple):
    """What a queue lost at once."""

    seconds: float = 0.0
    events: int = 0


NO_LOSS: Final = Loss()

Queued: TypeAlias = Message | Gap

_Entries: TypeAlias = deque[tuple[int, Message]]


class Gaps:
    """What is to be told as lost, added up for each person; those beyond MOST_GAPS together."""

    def __init__(self) -> None:
        self._gaps: dict[int | None, Gap] = {}

    def __bool__(self) -> bool:
        return bool(self._gaps)

    def add(self, seconds: float, person: LivePerson | None) -> None:
        """So much more was lost of ``person``."""
        key = None if person is None else person.number
        if key not in self._gaps and len(self._gaps) >= MOST_GAPS:
            key, person = None, None
        before = self._gaps.get(key)
        self._gaps[key] = Gap(seconds + (before.seconds if before is not None else 0.0), person)

    def take(self) -> Gap:
        """Removes and returns the oldest, of which there is one."""
        return self._gaps.pop(next(iter(self._gaps)))

    def clear(self) -> None:
        """Forgets all."""
        self._gaps.clear()


class SoundBuffer:
    """The sound in all queues of one endpoint, at most ``most_bytes``. It is as old as the newest sound of any of them says:
    one whose speaker is silent keeps nothing longer than the others.
    """

    def __init__(self, most_bytes: int = MOST_SOUND_BYTES) -> None:
        self._most_bytes = most_bytes
        self._queues: WeakSet[LiveQueue] = WeakSet()
        self.bytes = 0
        """Of all payloads; a character of a text counts as one."""
        self.newest = 0
        """Where the sound that came last ends, in samples at 48 kHz."""
        self.untold = Gaps()
        """What queues that ended did not tell. Any other does: it says whose it is."""

    def add(self, queue: LiveQueue) -> None:
        """``queue`` counts from here on."""
        self._queues.add(queue)

    def advance(self) -> Loss:
        """Drops what is too old in any queue; returns how much that was."""
        return Loss(sum(queue.drop_old() for queue in self._queues))

    def fit(self) -> float:
        """Drops the oldest sound of the longest queue until the bytes are few enough; returns its seconds."""
        seconds = 0.0
        while self.bytes > self._most_bytes:
            seconds += max(self._queues, key=lambda queue: queue.sound_bytes).drop_oldest()
        return seconds


class LiveQueue:
    """Messages in order. Sound that is more than ``buffer_seconds`` of meeting time older than the newest is lost.

    ``buffer`` is that of all queues of the endpoint, None: it has one queue.
    """

    def __init__(
        self,
        buffer_seconds: float,
        buffer: SoundBuffer | None = None,
        most_events: int = MOST_EVENTS,
        most_event_bytes: int = MOST_EVENT_BYTES,
    ) -> None:
        self._window = round(buffer_seconds * CLOCK_RATE)
        self._buffer = buffer if buffer is not None else SoundBuffer()
        self._buffer.add(self)
        self._most_events = most_events
        self._most_event_bytes = most_event_bytes
        self._sounds: _Entries = deque()
        self._events: _Entries = deque()
        self.sound_bytes = 0
        self._event_bytes = 0
        self._next = 0
        self._gaps = Gaps()

    def __len__(self) -> int:
        return len(self._sounds) + len(self._events)

    @property
    def size(self) -> int:
        """The bytes of all payloads; a character of a text counts as one."""
        return self.sound_bytes + self._event_bytes

    def put(self, message: Message) -> Loss:
        """Adds ``message`` at the end; returns what was lost for it, also in other queues of the endpoint."""
        if message.sound is not None:
            self._buffer.newest = message.sound.position + round(message.sound.seconds * CLOCK_RATE)
        self._entries_of(message).append((self._next, message))
        self._next += 1
        self._count(message, 1)
        return self._trim()

    def put_back(self, queued: Queued) -> Loss:
        """Puts what ``take`` gave last to the front again; returns what was lost for it, which may be the very message."""
        if isinstance(queued, Gap):
            self._gaps.add(queued.seconds, queued.person)
            return Loss()
        self._entries_of(queued).appendleft((_FIRST, queued))
        self._count(queued, 1)
        return self._trim()

    def take(self) -> Queued | None:
        """Removes and returns what is next; None: nothing waits."""
        for gaps in (self._gaps, self._buffer.untold):
            if gaps:
                return gaps.take()
        if not self:
            return None
        entries = self._sounds
        if not self._sounds or (self._events and self._events[0][0] < self._sounds[0][0]):
            entries = self._events
        _, message = entries.popleft()
        self._count(message, -1)
        return message

    def end(self) -> None:
        """Nothing waits, and nothing comes any more: leaves what was not told to the other queues of the endpoint."""
        while self._gaps:
            self._buffer.untold.add(*self._gaps.take())

    def clear(self) -> Loss:
        """Drops all; returns how much that was."""
        seconds = sum(message.sound.seconds for _, message in self._sounds if message.sound is not None)
        loss = Loss(seconds, len(self._events))
        self._buffer.bytes -= self.sound_bytes
        self._sounds.clear()
        self._events.clear()
        self._gaps.clear()
        self.sound_bytes = self._event_bytes = 0
        return loss

    def _entries_of(self, message: Message) -> _Entries:
        return self._events if message.sound is None else self._sounds

    def _count(self, message: Message, sign: int) -> None:
        if message.sound is None:
            self._event_bytes += sign * len(message.payload)
        else:
            self.sound_bytes += sign * len(message.payload)
            self._buffer.bytes += sign * len(message.payload)

    def drop_old(self) -> float:
        """Drops the sound that is too old; returns its seconds."""
        seconds = 0.0
        while self._sounds and self._is_old(self._sounds[0][1]):
            seconds += self.drop_oldest()
        return seconds

    def drop_oldest(self) -> float:
        """Drops the oldest sound, of which there is some; returns its seconds."""
        _, message = self._sounds.popleft()
        self._count(message, -1)
        assert message.sound is not None
        self._gaps.add(message.sound.seconds, message.sound.person)
        return message.sound.seconds

    def _trim(self) -> Loss:
        events = 0
        while len(self._events) > self._most_events or self._event_bytes > self._most_event_bytes:
            _, message = self._events.popleft()
            self._count(message, -1)
            events += 1
        seconds = self.drop_old() + self._buffer.fit()
        return Loss(seconds, events) if seconds or events else NO_LOSS

    def _is_old(self, message: Message) -> bool:
        return message.sound is not None and self._buffer.newest - message.sound.position > self._window
