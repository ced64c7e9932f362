"""Recognizes packets that a second track of a mix repeats, by their payloads (pure)."""

from __future__ import annotations

from collections import deque

from worker.audio.opus import SAMPLE_RATE

REMEMBERED = 2 * SAMPLE_RATE
"""A second track repeats a packet within two seconds of its place."""

SHORTEST = 8
"""Bytes: shorter payloads are alike by chance, such as silence."""


class RepeatedPackets:
    """The payloads that the tracks of a mix brought lately; places are samples of meeting time."""

    def __init__(self) -> None:
        self._tracks: dict[bytes, int] = {}
        """The track that first brought each payload."""
        self._order: deque[tuple[int, bytes]] = deque()

    def is_repeated(self, track: int, position: int, payload: bytes) -> bool:
        """Whether another track brought this payload already, at about this place. Remembers it otherwise."""
        while self._order and self._order[0][0] < position - REMEMBERED:
            self._tracks.pop(self._order.popleft()[1], None)
        if len(payload) < SHORTEST:
            return False
        if payload in self._tracks:
            return self._tracks[payload] != track
        self._tracks[payload] = track
        self._order.append((position, payload))
        return False
