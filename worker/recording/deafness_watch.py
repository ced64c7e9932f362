"""Adds TapDeaf to the page's events, right after the report that shows a receiver deaf."""

from __future__ import annotations

import logging
from collections.abc import Callable

from worker.lifecycle.deafness import DeafnessJudge
from worker.tape.events import Batch, DocumentClosed, PageEvent, ReceiverReport, TapDeaf

logger = logging.getLogger(__name__)


class DeafnessWatch:
    """Passes the page's events on to ``take``, with the findings in their place.

    A finding that came later could follow the frames that show the receiver well again, and would undo them.
    """

    def __init__(self, take: Callable[[Batch | PageEvent | DocumentClosed | TapDeaf], None]) -> None:
        self._take = take
        self._judge = DeafnessJudge()

    def take(self, event: Batch | PageEvent | DocumentClosed) -> None:
        """Takes the page's next event. Raises what ``take`` raises."""
        self._take(event)
        if isinstance(event, DocumentClosed):
            self._judge.forget(event.document)
        if isinstance(event, ReceiverReport) and (finding := self._judge.judge(event)) is not None:
            logger.warning(
                "receiver %d of document %d: packets arrive, but none reaches the tap",
                finding.receiver,
                finding.document,
            )
            self._take(finding)
