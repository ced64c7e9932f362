"""Sinks for stems that keep the packets of each source."""

from __future__ import annotations


class Heard:
    """One source: (position, payload) of each packet, and the positions of losses."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self.lost: list[int] = []

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        self.packets.append((position, payload))

    def conceal(self, position: int, samples: int) -> None:
        self.lost.append(position)


class HearingSinks:
    """All sources, by source, in order of first speech."""

    def __init__(self) -> None:
        self.sources: dict[int, Heard] = {}

    def open_source(self, source: int) -> Heard:
        assert source not in self.sources, "a source is opened once"
        heard = self.sources[source] = Heard()
        return heard
