"""What a renderer asks of a platform's kind of speech: one source a slot, or one mix of everybody."""

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
"""Each source is an open file; a meeting does not have more speakers than this."""


class Slot(Protocol):
    """Takes one SSRC's packets out of its buffer, in sequence order, and places them."""

    @property
    def buffer(self) -> JitterBuffer: ...
    @property
    def refused(self) -> int:
        """Packets of sources past MOST_SOURCES."""

    def place(self, packet: Packet) -> None:
        """Takes the slot's next packet in sequence order."""


class SourceSinks(Protocol):
    """Hears each source apart, beside its file: live streams, for one."""

    def open_source(self, source: int) -> SpeechSink:
        """What hears a source that speaks for the first time; ``source`` is a key of ``stems``."""


class StemSet(Protocol):
    """Turns placed packets into stems. ``stems`` are by source, in order of first speech: its CSRC, or a number below 0 for an
    unknown one."""

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
        """A new slot of the document's receivers."""

    def decide(self, now: float) -> None:
        """Writes what can be written at meeting time ``now`` (seconds) of what was placed."""

    def settle(self, position: int) -> None:
        """Nothing is written before ``position`` any more (samples of meeting time)."""

    def close(self, end: int) -> int:
        """Writes what is left and closes the stems, at ``end`` or where the longest ends; gives that place."""

    def heard(self) -> list[HeardSource]:
        """What is to be said of each stem."""

    def known(self, roster: Roster) -> Roster:
        """The roster with what this has found out itself of whose each stem is."""

    def gated_mix(self) -> GatedMix | None:
        """What a mix came to; None where there is none."""
