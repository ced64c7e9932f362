"""The findings of deafness in a page's reports."""

from __future__ import annotations

from collections.abc import Iterable

from worker.lifecycle.deafness import DeafnessJudge
from worker.tape.events import ReceiverReport, TapDeaf


def deaf_in(reports: Iterable[ReceiverReport]) -> list[TapDeaf]:
    """What the worker finds in ``reports``."""
    judge = DeafnessJudge()
    return [finding for report in reports if (finding := judge.judge(report)) is not None]
