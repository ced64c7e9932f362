"""A page's reports of a receiver, and the findings of deafness in them."""

from __future__ import annotations

from collections.abc import Iterable

from worker.lifecycle.deafness import DeafnessJudge
from worker.tape.events import ReceiverReport, TapDeaf


def deaf_in(reports: Iterable[ReceiverReport]) -> list[TapDeaf]:
    """What the worker finds in ``reports``."""
    judge = DeafnessJudge()
    return [finding for report in reports if (finding := judge.judge(report)) is not None]


def report(at: float, received: int, tapped: int, *, receiver: int = 0, lost: int = 0) -> ReceiverReport:
    """A report of document 7."""
    return ReceiverReport(
        at=at,
        document=7,
        receiver=receiver,
        packets_received=received,
        packets_lost=lost,
        frames_tapped=tapped,
    )
