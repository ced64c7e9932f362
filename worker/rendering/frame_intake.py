"""Puts the frames of a recording into the slots of their streams, with the times at which they arrived (pure)."""

from __future__ import annotations

from bisect import bisect_right
from math import inf

from worker.rendering.meeting_clock import TOLERANCE, MeetingClock
from worker.rendering.slot_table import SlotTable
from worker.tape.events import FrameBatch


class FrameIntake:
    """Takes batches once the recording has begun, and opens slots: for each stream, and anew after each pause."""

    def __init__(self, slots: SlotTable) -> None:
        self.unbelieved = 0
        """Frames that claimed to arrive after they were logged."""
        self._slots = slots
        self._resumed: list[float] = []
        """When each pause ended, in seconds of meeting time."""

    def take(self, batch: FrameBatch, logged: float, clock: MeetingClock, now: float) -> float:
        """Takes a batch with frames, logged at ``logged`` (Unix seconds).

        Those that arrived before meeting time 0 do not count.
        Returns when the latest arrived in seconds of meeting time, at least ``now``.
        """
        slots = self._slots.by_address
        document = batch.document
        zero = clock.page_zero(batch, logged)
        latest = clock.latest(logged)
        resumed = self._resumed[-1] if self._resumed else -inf
        for frame in batch.frames:
            arrival = frame.arrival - zero
            if arrival > latest:
                self.unbelieved += 1
                arrival = latest - TOLERANCE
            if not arrival >= 0:
                continue
            key = (document, frame.receiver, frame.ssrc)
            slot = slots.get(key)
            if slot is None:
                slot = self._slots.open(key)
            elif slot.last_arrival < resumed and self._was_paused(slot.last_arrival, arrival):
                slot = self._slots.reopen(key)
            slot.last_arrival = arrival
            slot.buffer.push(frame, arrival)
            if arrival > now:
                now = arrival
        return now

    def note_resumed(self, at: float) -> None:
        """A pause ended at ``at`` (seconds of meeting time); one before its beginning does not matter."""
        if at > 0:
            self._resumed.append(max([at, *self._resumed[-1:]]))

    def _was_paused(self, since: float, until: float) -> bool:
        """Whether a pause ended after ``since`` and by ``until``, both in seconds of meeting time."""
        return bisect_right(self._resumed, since) < bisect_right(self._resumed, until)
