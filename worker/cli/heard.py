"""What a receiver of live streams has heard: who spoke, how loud, how late, and what was left out. No input or output: messages
and times are passed in.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from worker.contracts.live_received import (
    ACK,
    RECALL_RATE,
    Happened,
    LeftOut,
    MessageError,
    OpusPacket,
    Ready,
    Sound,
    Who,
    read_binary,
    read_text,
)

SPEAKING_SECONDS: Final = 0.6
"""So long after the last sound somebody still counts as speaking."""

MOST_SPEAKERS: Final = 400
"""Senders are untrusted, and each speaker has a file. Sound of further ones is counted only."""

LAST_EVENTS: Final = 6
"""Participant events that are kept for show."""

_AHEAD: Final = 60.0
"""Seconds by which sound may be placed beyond the time that has passed since the first; else its time is wrong."""

_CONTIGUOUS: Final = 0.3
"""Seconds; sound without a timestamp that comes so soon after the last belongs directly behind it."""


class SpeakerKey(NamedTuple):
    """Tells speakers apart. ``participant`` is empty for the mix; ``rate`` differs between the vendors' forms."""

    bot: str
    participant: str
    rate: int


class HeardSpeaker(msgspec.Struct):
    """One speaker, or the mix. Times are Unix seconds.

    ``level`` is the highest sample since the last call of Heard.levels_shown, 0 to 1. ``lag`` is the age of the first sample of
    the newest sound when it came, ``worst_lag`` the longest; None where the vendor gives no timestamps. ``left_out`` is what
    the sender left out, in seconds, ``misplaced`` the messages whose timestamps cannot be.
    """

    key: SpeakerKey
    name: str | None
    mixed: bool
    seconds: float = 0.0
    messages: int = 0
    packets: int = 0
    level: float = 0.0
    heard_at: float = 0.0
    lag: float | None = None
    worst_lag: float | None = None
    gaps: int = 0
    left_out: float = 0.0
    misplaced: int = 0

    @property
    def title(self) -> str:
        """What to call them."""
        if self.mixed:
            return "everybody together"
        return self.name or (f"participant {self.key.participant}" if self.key.participant else "unknown")

    def speaks(self, at: float) -> bool:
        """Whether they were just heard."""
        return at - self.heard_at < SPEAKING_SECONDS


class PlacedSound(NamedTuple):
    """Sound for a file: ``position`` is the sample, at the speaker's rate, from the beginning of the recording (or of the
    bot's first message, where the vendor gives no timestamps).
    """

    speaker: HeardSpeaker
    position: int
    pcm: bytes


class Totals(msgspec.Struct):
    """Counts of messages. ``odd``: those that could not be read. ``unknown``: of an unknown kind. ``crowded``: sound of more
    than MOST_SPEAKERS. ``left_out``: seconds that senders left out without saying whose.
    """

    connections: int = 0
    messages: int = 0
    events: int = 0
    odd: int = 0
    unknown: int = 0
    crowded: int = 0
    left_out: float = 0.0


class _Bot(msgspec.Struct):
    """When its first sound came, and where that belongs."""

    began: float
    first: float


class Connection:
    """One open connection; ``bot_id`` is what its first message said, if it is MeetStream's."""

    def __init__(self) -> None:
        self.bot_id = ""


class Heard:
    """Takes messages and keeps count. ``on_sound`` and ``on_event`` get what can be kept."""

    def __init__(
        self,
        on_sound: Callable[[PlacedSound], None],
        on_event: Callable[[Happened], None],
    ) -> None:
        self.speakers: dict[SpeakerKey, HeardSpeaker] = {}
        self.events: deque[Happened] = deque(maxlen=LAST_EVENTS)
        self.totals = Totals()
        self.open = 0
        """Connections that are open."""
        self._on_sound = on_sound
        self._on_event = on_event
        self._bots: dict[str, _Bot] = {}
        self._ends: dict[SpeakerKey, int] = {}
        """The sample after each speaker's last sound."""

    def connect(self) -> Connection:
        """A connection was opened."""
        self.totals.connections += 1
        self.open += 1
        return Connection()

    def disconnect(self) -> None:
        """A connection has ended."""
        self.open -= 1

    def take(self, connection: Connection, message: str | bytes, at: float) -> str | None:
        """Takes a message that came at ``at``; returns what to answer, None: nothing. Never raises."""
        self.totals.messages += 1
        try:
            received = read_text(message) if isinstance(message, str) else read_binary(message)
        except MessageError:
            self.totals.odd += 1
            return None
        match received:
            case Sound():
                self._take_sound(received, received.bot_id or connection.bot_id, at)
            case OpusPacket():
                if (speaker := self._speaker(received.bot_id, received.who, RECALL_RATE)) is not None:
                    speaker.packets += 1
            case Happened():
                self.totals.events += 1
                self.events.append(received)
                self._rename(received)
                self._on_event(received)
            case LeftOut():
                self._take_gap(received)
            case Ready():
                connection.bot_id = received.bot_id
                return ACK
            case _:
                self.totals.unknown += 1
        return None

    def levels_shown(self) -> None:
        """Lets the levels begin anew."""
        for speaker in self.speakers.values():
            speaker.level = 0.0

    def _take_sound(self, sound: Sound, bot: str, at: float) -> None:
        speaker = self._speaker(bot, sound.who, sound.rate, mixed=sound.mixed)
        if speaker is None:
            return
        speaker.messages += 1
        place = self._place(sound, speaker, at)
        if place is None:
            speaker.misplaced += 1
            return
        speaker.seconds += sound.seconds
        speaker.level = max(speaker.level, _peak(sound.pcm))
        speaker.heard_at = at
        if sound.absolute is not None:
            speaker.lag = at - sound.absolute
            speaker.worst_lag = max(speaker.lag, speaker.worst_lag or speaker.lag)
        self._ends[speaker.key] = place + len(sound.pcm) // 2
        self._on_sound(PlacedSound(speaker, place, sound.pcm))

    def _take_gap(self, gap: LeftOut) -> None:
        if gap.who is None:
            self.totals.left_out += gap.seconds
            return
        for key, speaker in self.speakers.items():
            if key[:2] == (gap.bot_id, gap.who.id):
                speaker.gaps += 1
                speaker.left_out += gap.seconds

    def _speaker(self, bot: str, who: Who, rate: int, *, mixed: bool = False) -> HeardSpeaker | None:
        key = SpeakerKey(bot, who.id, rate)
        speaker = self.speakers.get(key)
        if speaker is None:
            if len(self.speakers) >= MOST_SPEAKERS:
                self.totals.crowded += 1
                return None
            speaker = self.speakers[key] = HeardSpeaker(key, who.name, mixed)
        speaker.name = who.name or speaker.name
        return speaker

    def _rename(self, event: Happened) -> None:
        for key, speaker in self.speakers.items():
            if key[:2] == (event.bot_id, event.who.id) and event.who.name:
                speaker.name = event.who.name

    def _place(self, sound: Sound, speaker: HeardSpeaker, at: float) -> int | None:
        """The sample where ``sound`` begins. None: its timestamp cannot be."""
        first = 0.0 if sound.relative is None else max(0.0, sound.relative)
        if len(self._bots) >= MOST_SPEAKERS:
            bot = self._bots.get(speaker.key.bot) or _Bot(at, first)
        else:
            bot = self._bots.setdefault(speaker.key.bot, _Bot(at, first))
        if sound.relative is not None:
            late = bot.first + (at - bot.began) + _AHEAD
            return round(first * sound.rate) if first <= late else None
        arrived = max(0, round((at - bot.began - sound.seconds) * sound.rate))
        end = self._ends.get(speaker.key)
        if end is not None and arrived - end < _CONTIGUOUS * sound.rate:
            return end
        return arrived


def _peak(pcm: bytes) -> float:
    """The highest sample, 0 to 1."""
    if not pcm:
        return 0.0
    samples: tuple[int, ...] = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest) / 32_768
