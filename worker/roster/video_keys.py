"""Which key each video receiver shows, changed at key frames only (pure)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from worker.tape.events import VideoFrame

K = TypeVar("K")
V = TypeVar("V")

MOST_RECEIVERS: Final = 1_024
"""Receivers whose key is kept; of more, those without frames for longest wait for their next key frame."""


class ReceiverKeys:
    """Follows the key of each receiver, so that what has one key can be decoded: it begins with a key frame, and only one
    receiver shows it at a time. Where several show the same source, as while a page moves it, the one with the latest first
    key frame counts.
    """

    def __init__(self) -> None:
        self._shown: OrderedDict[tuple[int, int], str] = OrderedDict()
        """By document and receiver, the most recent last."""
        self._holders: dict[str, tuple[int, int]] = {}
        """The receiver that shows each key."""

    def key_of(self, document: int, frame: VideoFrame, key: str | None) -> str | None:
        """The key for ``frame``, whose source has ``key`` (None: not known): None until a key frame begins it."""
        receiver = (document, frame.receiver)
        shown = self._shown.get(receiver)
        if key is None or (key != shown and not frame.key):
            self._forget(receiver)
            return None
        if key != shown:
            self._forget(receiver)
            holder = self._holders.get(key)
            if holder is not None:
                self._forget(holder)
            self._holders[key] = receiver
            self._shown[receiver] = key
            if len(self._shown) > MOST_RECEIVERS:
                self._forget(next(iter(self._shown)))
        self._shown.move_to_end(receiver)
        return key

    def _forget(self, receiver: tuple[int, int]) -> None:
        key = self._shown.pop(receiver, None)
        if key is not None:
            del self._holders[key]


class Bounded(Generic[K, V]):
    """A mapping with at most ``limit`` entries: one more takes the place of the oldest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def get(self, key: K) -> V | None:
        """The value; None where there is none."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> V:
        """Adds the value, and returns it."""
        if key not in self._entries and len(self._entries) >= self._limit:
            self._entries.popitem(last=False)
        self._entries[key] = value
        return value
