"""The slots of a recording by their address: opened at their first packet, closed once they are silent for long (pure)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final, Protocol

from worker.audio.payload_kinds import PayloadKind
from worker.stems.jitter_buffer import Packet
from worker.stems.stem_set import Slot, SlotAddress

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 60.0
"""Seconds of meeting time without a packet after which a slot is closed: far above every wait for packets and hints, and above
the pause after which a sender's clock is anchored anew, so that a slot that is opened again places packets as before."""

MOST_SLOTS: Final = 4_096
"""Slots at the same time; for more, the one that is silent for longest is closed at once. A page has a few."""


class SlotOwner(Protocol):
    """Opens and closes slots, as a StemSet does."""

    def open_slot(self, address: SlotAddress) -> Slot:
        """Opens a slot for a new SSRC of a receiver."""

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets an open slot in which nothing waits; if its SSRC comes again, it is a new slot."""


class SlotTable:
    """The open slots of ``owner``."""

    def __init__(self, owner: SlotOwner) -> None:
        self.by_address: dict[tuple[int, int, int], Slot] = {}
        """By document, receiver and SSRC, those that take packets."""
        self._addresses: dict[tuple[int, int, int], SlotAddress] = {}
        """Their addresses."""
        self._ended: dict[SlotAddress, Slot] = {}
        """Slots that get no more packets; some may wait in them."""
        self._resumed = 0
        self.misplaced = 0
        """Packets that were left out because placing them failed."""
        self._left_out: Counter[PayloadKind] = Counter()
        """Payloads that closed slots left out."""
        self._ahead = 0
        self._late = 0
        self._owner = owner

    def open(self, key: tuple[int, int, int]) -> Slot:
        """Opens a slot for a document, receiver and SSRC that have none."""
        if len(self.by_address) >= MOST_SLOTS:
            self._close([min(self.by_address, key=lambda each: self.by_address[each].last_arrival)])
        address = SlotAddress(*key, self._resumed)
        slot = self.by_address[key] = self._owner.open_slot(address)
        self._addresses[key] = address
        return slot

    def reopen(self, key: tuple[int, int, int]) -> Slot:
        """Ends a slot at a pause of the recording and opens another: what is missing between their packets was not lost."""
        self._resumed += 1
        self._ended[self._addresses.pop(key)] = self.by_address.pop(key)
        return self.open(key)

    def place_due(self, now: float) -> None:
        """Places the packets whose wait is over at meeting time ``now`` (seconds)."""
        for slot in self._waiting():
            self._place(slot, slot.buffer.release(now))

    def place_delivered(self, until: Mapping[int, float]) -> None:
        """Places the packets whose wait is over by what their document has delivered: ``until`` (seconds of meeting time)."""
        documents = {id(slot): document for (document, _, _), slot in self.by_address.items()}
        documents |= {id(slot): address.document for address, slot in self._ended.items()}
        for slot in self._waiting():
            self._place(slot, slot.buffer.release(until[documents[id(slot)]]))

    def place_all(self) -> None:
        """Places all packets that wait."""
        for slot in self._waiting():
            self._place_waiting(slot)

    def left_out(self) -> Counter[PayloadKind]:
        """The payloads that all slots left out, by kind."""
        total = Counter(self._left_out)
        for slot in self._all():
            total.update(slot.buffer.payloads.left_out)
        return total

    def ahead(self) -> int:
        """The packets that all slots left out because they would have lain too far ahead."""
        return self._ahead + sum(slot.buffer.counts.ahead for slot in self._all())

    def late(self) -> int:
        """The packets that all slots left out because they came too late."""
        return self._late + sum(_late(slot) for slot in self._all())

    def close_idle(self, now: float) -> None:
        """Closes the slots without a packet for IDLE_SECONDS before meeting time ``now`` (seconds)."""
        limit = now - IDLE_SECONDS
        self._close([key for key, slot in self.by_address.items() if slot.last_arrival < limit])
        for address in [each for each, slot in self._ended.items() if slot.last_arrival < limit]:
            self._forget(address, self._ended.pop(address))

    def _waiting(self) -> list[Slot]:
        """The slots in which packets wait, the one with the earliest first: no order of opening shows in the files."""
        waiting = [slot for slot in self._all() if slot.buffer.pending]
        waiting.sort(key=lambda slot: slot.buffer.pending[0].due)
        return waiting

    def _all(self) -> Iterable[Slot]:
        return (
            chain(self.by_address.values(), self._ended.values()) if self._ended else self.by_address.values()
        )

    def _close(self, keys: Iterable[tuple[int, int, int]]) -> None:
        for key in keys:
            self._forget(self._addresses.pop(key), self.by_address.pop(key))

    def _forget(self, address: SlotAddress, slot: Slot) -> None:
        self._place_waiting(slot)
        self._left_out.update(slot.buffer.payloads.left_out)
        self._ahead += slot.buffer.counts.ahead
        self._late += _late(slot)
        self._owner.close_slot(address)

    def _place_waiting(self, slot: Slot) -> None:
        while slot.buffer.pending:
            self._place(slot, [slot.buffer.take()])

    def _place(self, slot: Slot, packets: Iterable[Packet]) -> None:
        """Places a slot's next packets. One that makes that fail is left out, so that it costs nobody else anything."""
        for packet in packets:
            try:
                slot.place(packet)
            except Exception:
                if not self.misplaced:
                    logger.exception("a packet could not be placed")
                self.misplaced += 1


def _late(slot: Slot) -> int:
    return sum(slot.buffer.counts.late.values())
