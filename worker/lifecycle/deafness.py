"""Whether a receiver is deaf (pure): packets arrive there, and none of them reaches the tap.

Only this module decides it. The page sends its counters, the result is written to the tape as TapDeaf, and metrics and
manifest read it from the tape. A receiver to which no packets arrive is silent, not deaf.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.tape.events import ReceiverReport, TapDeaf

DEAF_PACKETS: Final = 50
"""Packets: one second of speech. Fewer untapped packets may be a short delay."""

DEAF_SECONDS: Final = 3.5
"""Seconds that packets may arrive untapped: more than one report, because the page's frame count may be one report old."""

REPORT_SECONDS: Final = 2.0
"""Seconds between two reports of the page (browser_scripts/watchdog.js); it leaves out a report that says nothing new."""

MOST_RECEIVERS: Final = 1000
"""Bound on the receivers that are tracked, since the page is untrusted; Meet uses three in each document."""


class ReceiverId(NamedTuple):
    """An audio receiver: the document's random number, and the receiver's index in it."""

    document: int
    receiver: int


class _Reading(NamedTuple):
    """A receiver's last report. ``since``: when packets began to arrive without tapped frames; None: frames are tapped."""

    at: float
    received: int
    tapped: int
    since: float | None
    received_before: int
    deaf: bool


class DeafnessJudge:
    """Fed with the page's reports, finds the receivers that go deaf."""

    def __init__(self) -> None:
        self._readings: dict[ReceiverId, _Reading] = {}

    def forget(self, document: int) -> None:
        """Forgets the receivers of a document that is closed."""
        for receiver in [each for each in self._readings if each.document == document]:
            del self._readings[receiver]

    def judge(self, report: ReceiverReport) -> TapDeaf | None:
        """Processes the next report; returns TapDeaf for the first report that shows the receiver deaf."""
        receiver = ReceiverId(report.document, report.receiver)
        before = self._readings.get(receiver)
        if before is None and len(self._readings) >= MOST_RECEIVERS:
            return None
        reading = _next(before, report)
        self._readings[receiver] = reading
        if not reading.deaf or (before is not None and before.deaf):
            return None
        return TapDeaf(
            at=report.at,
            document=report.document,
            receiver=report.receiver,
            packets_received=report.packets_received,
            frames_tapped=report.frames_tapped,
        )


def _next(before: _Reading | None, report: ReceiverReport) -> _Reading:
    received, tapped = report.packets_received, report.frames_tapped
    if before is not None and tapped == before.tapped and received == before.received:
        # Only the losses changed, which is like the silence that is not reported.
        return before._replace(at=report.at)
    if before is None or tapped != before.tapped or received < before.received:
        return _Reading(report.at, received, tapped, None, received, deaf=False)
    since, received_before = before.since, before.received_before
    if since is None:
        # The page does not report silence, so the packets arrived after it.
        since, received_before = max(before.at, report.at - REPORT_SECONDS), before.received
    deaf = received - received_before >= DEAF_PACKETS and report.at - since >= DEAF_SECONDS
    return _Reading(report.at, received, tapped, since, received_before, deaf=before.deaf or deaf)
