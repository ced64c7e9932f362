"""Slots and tracks without files, for tests of where packets are placed."""

from __future__ import annotations

from worker.stems.jitter_buffer import JitterBuffer
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack
from worker.tape.events import OPUS_MIME_TYPE, Frame

SPEECH = bytes([31 << 3]) + b"speech"


class Stem:
    """Remembers where speech was written."""

    def __init__(self) -> None:
        self.end = 0
        self.speech: list[tuple[float, bytes]] = []

    def write(self, position: int, samples: int, payload: bytes) -> None:
        assert position == self.end, "packets must be back to back"
        self.end = position + samples
        self.speech.append((position / 48_000, payload))

    def be_silent(self, position: int, samples: int) -> None:
        assert position == self.end, "silence must be back to back"
        assert samples % 120 == 0
        self.end = position + samples


class Room:
    """Slots and tracks; times are seconds of meeting time."""

    def __init__(self) -> None:
        self.stems: dict[int | None, Stem] = {}
        self.tracks: dict[int | None, SpeakerTrack] = {}
        self.slots: dict[int, SlotPlacement] = {}
        self.sequences: dict[int, int] = {}

    def track(self, csrc: int | None) -> SpeakerTrack:
        if csrc not in self.tracks:
            self.stems[csrc] = Stem()
            self.tracks[csrc] = SpeakerTrack(self.stems[csrc])
        return self.tracks[csrc]

    def packet(
        self,
        slot: int,
        csrc: int | None,
        timestamp: int,
        arrival: float,
        payload: bytes = SPEECH,
        level: float | None = 0.1,
        lost: bool = False,
    ) -> None:
        """The slot's next packet."""
        placement = self.slots.get(slot)
        if placement is None:
            placement = self.slots[slot] = SlotPlacement(JitterBuffer(), self.track)
        sequence = self.sequences[slot] = self.sequences.get(slot, 500) + 1
        if lost:
            return
        frame = Frame(
            0,
            slot,
            () if csrc is None else (csrc,),
            sequence & 0xFFFF,
            timestamp & 0xFFFF_FFFF,
            111,
            OPUS_MIME_TYPE,
            level,
            0.0,
            None,
            payload,
        )
        for each in self.slots.values():
            for ready in each.buffer.release(arrival):
                each.place(ready)
        placement.buffer.push(frame, arrival)

    def finish(self) -> None:
        for slot in self.slots.values():
            while slot.buffer.pending:
                slot.place(slot.buffer.take())

    def places(self, csrc: int | None) -> list[float]:
        return [place for place, _ in self.stems[csrc].speech]
