"""The protocol of both kinds of stems: of slots with one source each, and of one mix of everybody."""

from __future__ import annotations

from typing import Protocol

from worker.manifest.assemble import HeardSource
from worker.manifest.schema import GatedMix
from worker.roster.roster import Roster
from worker.stems.jitter_buffer import JitterBuffer, Packet
from worker.stems.speaker_track import SpeechSink
from worker.stems.stem import Stem
from worker.tape.events import PageEvent, WorkerEvent

MOST_SOURCES = 250
"""Each source is an open file; a meeting has fewer speakers than this."""


class Slot(Protocol):
    """Places the packets of one SSRC; the caller takes them out of ``buffer``."""

    @property
    def buffer(self) -> JitterBuffer: ...
    @property
    def refused(self) -> int:
        """Packets of sources past MOST_SOURCES."""

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""


class SourceSinks(Protocol):
    """Opens a sink for each source, beside its file; for live streams, for example."""

    def open_source(self, source: int) -> SpeechSink:
        """Returns the sink of a source that speaks for the first time; ``source`` is a key of ``stems``."""


class StemSet(Protocol):
    """Turns placed packets into stems.

    ``stems`` are by source, in order of first speech. A source is a CSRC, or a number below 0 for an unknown one.
    """

    @property
    def stems(self) -> dict[int, Stem]: ...
    @property
    def refused(self) -> int:
        """Packets of sources past MOST_SOURCES."""

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio."""

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds."""

    def open_slot(self, ssrc: int) -> Slot:
        """Opens a slot for a new SSRC of a receiver."""

    def decide(self, now: float) -> None:
        """Writes the placed packets that can be attributed at meeting time ``now`` (seconds)."""

    def settle(self, position: int) -> None:
        """Writes silence up to ``position`` (samples of meeting time); no packet is written before it any more."""

    def close(self, end: int) -> int:
        """Writes what waits and closes the stems, all at ``end`` or where the longest ends; returns that place."""

    def heard(self) -> list[HeardSource]:
        """Describes each stem for the manifest."""

    def known(self, roster: Roster) -> Roster:
        """The roster, completed with the owners of sources that these stems added."""

    def gated_mix(self) -> GatedMix | None:
        """The totals of the mix; None if the platform sends none."""
