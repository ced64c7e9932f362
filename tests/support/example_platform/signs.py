"""What the example's pages look like."""

from __future__ import annotations

from typing import Final

from worker.platforms.signs import Sign
from worker.reasons import Reason

JOIN: Final = Sign(name="prejoin.join", selectors=("#join",), evidence_for="a way in", source="the page")
LOBBY: Final = Sign(
    name="lobby", selectors=("#lobby",), evidence_for="somebody lets us in", source="the page"
)
LEAVE: Final = Sign(
    name="call.leave", selectors=("#leave",), evidence_for="the call's view", source="the page"
)
CLOSED: Final = Sign(
    name="over.closed",
    selectors=("#closed",),
    reason=Reason.MEETING_ENDED,
    evidence_for="the room was closed",
    source="the page",
)
SIGNS: Final = (JOIN, LOBBY, LEAVE, CLOSED)

PRIVATE: Final = ("#people",)
"""Where the page shows people's names."""
