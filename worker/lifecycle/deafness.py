"""Whether a receiver is deaf (pure): packets arrive there, and none of them reaches the tap.

This is the only place that judges it. The page reports what it reads, the finding goes onto the tape as TapDeaf, and metrics
and manifest read it there. Silence is not deafness: a receiver to which nothing comes is well.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.tape.events import ReceiverReport, TapDeaf

DEAF_PACKETS: Final = 50
"""One second of speech: so many packets, not one of which was tapped, are no hiccup."""

DEAF_SECONDS: Final = 3.5
"""Seconds that packets may come untapped: more than one report, because the page's tally of frames can be one report old."""

REPORT_SECONDS: Final = 2.0
"""Seconds between two reports of the page (browser_scripts/watchdog.js); it leaves out a report that says nothing new."""

MOST_RECEIVERS: Final = 1000
"""A page cannot make the worker keep more; Meet uses three in each document."""


class ReceiverId(NamedTuple):
    """An audio receiver: the document's random number, and the receiver's index in it."""

    document: int
    receiver: int


class _Reading(NamedTuple):
    """A receiver's last report, and since when packets have come without a frame; ``since`` is None where that is not so."""

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

    def judge(self, report: ReceiverReport) -> TapDeaf | None:
        """Takes the next report; gives the finding where it is the first that shows the receiver deaf."""
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
        # A silence before this report was not reported: the packets came after it.
        since, received_before = max(before.at, report.at - REPORT_SECONDS), before.received
    deaf = received - received_before >= DEAF_PACKETS and report.at - since >= DEAF_SECONDS
    return _Reading(report.at, received, tapped, since, received_before, deaf=before.deaf or deaf)
