"""Recognizes packets that a second track of a mix repeats, by their payloads (pure)."""

from __future__ import annotations

from collections import deque

from worker.audio.opus import SAMPLE_RATE

REMEMBERED = 2 * SAMPLE_RATE
"""A second track repeats a packet within two seconds of its place."""

SHORTEST = 8
"""Bytes: shorter payloads are alike by chance, such as silence."""


_Content = tuple[bytes, tuple[int, ...]]
"""(payload, CSRC list); each payload is kept with an empty list as well."""


class RepeatedPackets:
    """The payloads that the tracks of a mix brought lately; places are samples of meeting time."""

    def __init__(self) -> None:
        self._tracks: dict[_Content, int] = {}
        """The track that first brought each content."""
        self._order: deque[tuple[int, _Content]] = deque()

    def is_repeated(self, track: int, position: int, payload: bytes, csrcs: tuple[int, ...]) -> bool:
        """Whether another track brought this payload already, at about this place; remembers it otherwise.

        A packet that lists sources repeats only one that lists the same: another's copy never costs them their own. One that
        lists none repeats any.
        """
        while self._order and self._order[0][0] < position - REMEMBERED:
            self._tracks.pop(self._order.popleft()[1], None)
        if len(payload) < SHORTEST:
            return False
        first = self._tracks.get((payload, csrcs))
        if first is not None:
            return first != track
        for content in ((payload, csrcs), (payload, ())):
            if content not in self._tracks:
                self._tracks[content] = track
                self._order.append((position, content))
        return False
