"""The protocol of both kinds of stems: of slots with one source each, and of one mix of everybody."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from worker.manifest.assemble import HeardSource
from worker.manifest.schema import GatedMix
from worker.roster.roster import Roster
from worker.stems.jitter_buffer import JitterBuffer, Packet
from worker.stems.speaker_track import SpeechSink
from worker.stems.stem import Stem
from worker.tape.events import PageEvent, WorkerEvent


class SlotAddress(NamedTuple):
    """Names a slot for the whole recording. ``resumed`` counts its beginnings anew after pauses of the recording."""

    document: int
    receiver: int
    ssrc: int
    resumed: int = 0


class Slot(Protocol):
    """Places the packets of one SSRC; the caller takes them out of ``buffer``, and sets ``last_arrival``."""

    last_arrival: float
    """When its last packet arrived, in seconds of meeting time."""

    @property
    def buffer(self) -> JitterBuffer: ...

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""


class SourceSinks(Protocol):
    """Opens a sink for each source, beside its file; for live streams, for example."""

    def open_source(self, source: int) -> SpeechSink:
        """Returns the sink of a source that speaks for the first time; ``source`` is a key of ``stems``."""


class StemSet(Protocol):
    """Turns placed packets into stems.

    ``stems`` are by key (worker.roster.tenures), in order of first speech: a CSRC, or a number below 0 for an unknown source.
    """

    @property
    def stems(self) -> dict[int, Stem]: ...

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio."""

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds."""

    def open_slot(self, address: SlotAddress) -> Slot:
        """Opens a slot for a new SSRC of a receiver."""

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets an open slot in which nothing waits; if its SSRC comes again, it is a new slot."""

    def decide(self, now: float) -> None:
        """Writes the placed packets that can be attributed at meeting time ``now`` (seconds)."""

    def settle(self, position: int) -> None:
        """Writes silence up to ``position`` (samples of meeting time); no packet is written before it any more."""

    def close(self, end: int) -> int:
        """Writes what waits and closes the stems, all at ``end`` or where the longest ends; returns that place.

        A stem without speech has no file any more.
        """

    def heard(self) -> list[HeardSource]:
        """Describes each stem with speech for the manifest."""

    def known(self, roster: Roster) -> Roster:
        """The roster, completed with the owners of sources that these stems added."""

    def gated_mix(self) -> GatedMix | None:
        """The totals of the mix; None if the platform sends none."""

    def warnings(self) -> list[str]:
        """Sentences about what is not separated as it should be, or in no file."""
