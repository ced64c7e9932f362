"""What a consumer got of a live stream, and whether it was told what it did not get."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from worker.contracts.live_received import Happened, LeftOut, OpusPacket, Sound, read_text
from worker.streaming.unconfirmed import MOST_TIMES
from worker.streaming.websocket_sender import CONFIRM_SECONDS

RATE: Final = 16_000

PACKET_SECONDS: Final = 0.02

MOST_DOUBT: Final = 7 * CONFIRM_SECONDS
"""Seconds of sound between two pings: samples and packets of three people, and the mix."""

MOST_REPEATED: Final = 5
"""Events between two pings."""

TINY: Final = 1e-6


class Received(str):
    """A text, and the id of the ``connection`` that it came on."""

    connection: UUID

    @classmethod
    def on(cls, connection: UUID, text: str) -> Received:
        received = cls(text)
        received.connection = connection
        return received


class Heard:
    """What a consumer got: each participant's packets, samples and events, and the seconds that it was told it missed."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.packets: defaultdict[str, list[tuple[float, bytes]]] = defaultdict(list)
        self.events: list[tuple[str, str, str | None, float]] = []
        self.gaps: list[LeftOut] = []
        self.pcm: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
        self.events_on: defaultdict[UUID | None, list[tuple[str, str, str | None, float]]] = defaultdict(list)
        """The events of each connection; None: of a webhook."""
        self.sound_again = 0
        """Messages of sound that came before."""
        self.bytes = sum(map(len, texts))
        packets = set[tuple[str, float, bytes]]()
        for text in texts:
            match received := read_text(str(text)):
                case OpusPacket():
                    packet = (received.who.id, received.relative, received.payload)
                    self.sound_again += packet in packets
                    packets.add(packet)
                    self.packets[received.who.id].append((received.relative, received.payload))
                case Sound():
                    assert received.relative is not None
                    start = round(received.relative * RATE)
                    self.sound_again += start in self.pcm[received.who.id]
                    self.pcm[received.who.id][start] = received.pcm
                case Happened():
                    event = (received.action, received.who.id, received.who.name, received.relative)
                    self.events.append(event)
                    self.events_on[text.connection if isinstance(text, Received) else None].append(event)
                case LeftOut():
                    self.gaps.append(received)
                case _:
                    raise AssertionError(text)

    @property
    def seconds(self) -> dict[str, float]:
        """Of PCM, by participant."""
        return {who: round(sum(map(len, chunks.values())) / 2 / RATE, 3) for who, chunks in self.pcm.items()}

    @property
    def sound(self) -> Counter[str]:
        """Seconds of sound in messages of any kind, each message once, by participant; of the mix: of nobody."""
        seconds: Counter[str] = Counter(self.seconds)
        for who, packets in self.packets.items():
            seconds[who] += len(set(packets)) * PACKET_SECONDS  # type: ignore[assignment]
        return seconds

    def from_on(self, at: float) -> tuple[dict[str, list[tuple[float, bytes]]], list[object]]:
        """The packets and events that belong there or later; events once, as they may come twice."""
        late = {who: [each for each in packets if each[0] >= at] for who, packets in self.packets.items()}
        return (
            {who: packets for who, packets in late.items() if packets},
            [event for event in dict.fromkeys(self.events) if event[-1] >= at],
        )


def assert_is_told_what_it_lost(theirs: Heard, others: Heard, *, late: bool) -> None:
    """All of it, of each participant; and no more than what was sent since the last ping that was answered, unless it is
    ``late`` to answer. Events are lost in no case. One may come again only where it was not confirmed on the connection before:
    at the beginning of the next one, with all that followed it. Sound never does.
    """
    told: Counter[str] = Counter()
    for gap in theirs.gaps:
        told[gap.who.id if gap.who is not None else ""] += gap.seconds  # type: ignore[assignment]
    mine, whole = theirs.sound, others.sound
    short = {
        who: (told[who], whole[who] - mine[who]) for who in whole if told[who] < whole[who] - mine[who] - TINY
    }
    assert not short, "seconds told, and lost"
    assert [*dict.fromkeys(theirs.events)] == others.events
    for events in theirs.events_on.values():
        first = others.events.index(events[0])
        assert events == others.events[first : first + len(events)], "each once and in order"
    assert max(Counter(theirs.events).values(), default=0) <= MOST_TIMES
    assert not theirs.sound_again
    if not late:
        assert sum(told.values()) <= sum(whole.values()) - sum(mine.values()) + MOST_DOUBT
        assert len(theirs.events) <= len(others.events) + MOST_REPEATED
