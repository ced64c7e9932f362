"""Turns a call's frames into live sound: PCM, Opus packets and the mix, with low latency (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from worker.contracts.live_items import LiveMix, LiveOpus, LivePcm, LivePerson
from worker.platforms.registry import Platform
from worker.roster.decoder import RosterDecoder
from worker.roster.roster import Roster
from worker.tape.events import FrameBatch, TapeEvent

DEADLINE: Final = 0.06
"""Seconds of arrival that packets behind a gap wait for those that are missing."""

PersonOf: TypeAlias = Callable[[int, float], LivePerson | None]
"""Returns whose a source is: by its key (worker.roster.tenures) and a time in Unix seconds. None: nobody knows."""

SoundItem: TypeAlias = LivePcm | LiveOpus | LiveMix


class LiveSound:
    """The sound of one call.

    ``rate`` is that of all PCM, 16,000 or 48,000; None: nothing is decoded. ``decoder`` is the call's roster decoder, which the
    caller feeds. ``opus`` and ``mixed`` ask for LiveOpus and LiveMix, ``continuous`` for silence between talk-spurts.
    ``deadline`` is in seconds.
    """

    def __init__(
        self,
        platform: Platform,
        rate: int | None,
        decoder: RosterDecoder,
        person_of: PersonOf,
        *,
        opus: bool,
        mixed: bool,
        deadline: float = DEADLINE,
        continuous: bool = False,
    ) -> None:
        """Nothing is sent before ``begin``."""

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds. Frames that arrived since then count."""

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event that is no FrameBatch: hints of who speaks, ends of pauses."""

    def take(self, batch: FrameBatch, logged: float) -> list[SoundItem]:
        """Takes the tape's next frames, logged at ``logged`` (Unix seconds); returns what can be sent."""
        return []

    def advance(self, now: float) -> list[SoundItem]:
        """Returns what is due at ``now`` (Unix seconds) without further frames."""
        return []

    def end(self) -> list[SoundItem]:
        """The recording ended; returns all that waits."""
        return []

    def known(self, roster: Roster) -> Roster:
        """The roster with the owners of sources that are known from captions alone."""
        return roster
