"""Keeps audio and video away from the tape while a recording is paused.

It decides by each frame's arrival, as the page's batches come up to seconds later: what arrived before the pause is recorded,
what arrived during the pause is not, also if it comes after the pause.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Final

import msgspec

from worker.audio.red import RedError, without_copies
from worker.manifest.recording_facts import MOST_DOCUMENTS
from worker.tape.events import (
    RED_MIME_TYPE,
    Batch,
    DocumentClosed,
    Frame,
    PageEvent,
    TapDeaf,
    VideoFrame,
)

LATEST_DELIVERY: Final = 5.0
"""Seconds after the begin of a pause until which frames from before it are recorded; a busy page delivers by then."""

COPIES_REACH: Final = 1.0
"""Seconds after a pause in which packets lose their copies of earlier packets: those reach back 341 ms (RFC 2198, section 3),
and the network may have delayed the packet as well."""

GatedEvent = Batch | PageEvent | DocumentClosed | TapDeaf
"""What a gate passes on."""


class PauseGate:
    """Passes the page's events on to ``take``; of batches only the frames that arrived while it was open.

    A batch keeps its number and its counts also where no frame of it is left, so nothing counts as missing. Frames from before
    a pause that come later than LATEST_DELIVERY are counted as dropped. ``observers`` are called with each batch of frames that
    were kept away. Of video, the first frames after a pause need some that were kept away, up to the next key frame. ``clock``
    returns Unix seconds, as the frames have them.
    """

    def __init__(self, take: Callable[[GatedEvent], None], clock: Callable[[], float]) -> None:
        self.observers: list[Callable[[Batch], None]] = []
        self._take = take
        self._clock = clock
        self._bounds: list[float] = []
        """When it was closed, opened, closed, … in ascending order."""
        self._too_late: Counter[tuple[type[Batch], int]] = Counter()
        """By kind and document, the frames from before a pause that came too late."""

    def close(self, at: float) -> None:
        """Frames that arrive from ``at`` on are kept away; -inf: all. Does nothing while it is closed."""
        if not self._is_closed:
            self._bounds.append(max([at, *self._bounds[-1:]]))

    def open(self, at: float) -> None:
        """Frames that arrive from ``at`` on are passed on. Does nothing while it is open."""
        if self._is_closed:
            self._bounds.append(max(at, self._bounds[-1]))

    def take(self, event: GatedEvent) -> None:
        """Takes the page's next event. Raises what ``take`` raises."""
        if not isinstance(event, Batch) or not self._bounds:
            self._take(event)
            return
        is_late = self._is_closed and self._clock() > self._bounds[-1] + LATEST_DELIVERY
        kept: list[Frame | VideoFrame] = []
        kept_away: list[Frame | VideoFrame] = []
        for frame in event.frames:
            passed = bisect_right(self._bounds, frame.arrival)
            if passed % 2:
                kept_away.append(frame)
            elif is_late:
                kept_away.append(frame)
                self._count_too_late(event)
            else:
                opened = self._bounds[passed - 1] if passed else -inf
                kept.append(_without_copies(frame) if frame.arrival < opened + COPIES_REACH else frame)
        # The page's own count goes on; a batch's count is of all its document's batches so far.
        dropped = event.dropped + self._too_late[type(event), event.document]
        self._take(msgspec.structs.replace(event, frames=kept, dropped=dropped))
        if kept_away:
            batch = msgspec.structs.replace(event, frames=kept_away)
            for observe in self.observers:
                observe(batch)

    def _count_too_late(self, batch: Batch) -> None:
        key = type(batch), batch.document
        if key in self._too_late or len(self._too_late) < MOST_DOCUMENTS:
            self._too_late[key] += 1

    @property
    def _is_closed(self) -> bool:
        return len(self._bounds) % 2 == 1


def _without_copies(frame: Frame | VideoFrame) -> Frame | VideoFrame:
    """The frame without what it repeats of earlier ones; an unreadable one without its payload, which may hold anything."""
    if isinstance(frame, VideoFrame) or frame.mime_type.lower() != RED_MIME_TYPE or not frame.payload:
        return frame
    try:
        payload = without_copies(frame.payload)
    except RedError:
        payload = b""
    return msgspec.structs.replace(frame, payload=payload)
