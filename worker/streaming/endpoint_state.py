"""What is told of the endpoints of live streams: states to the job, figures to the metrics."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

from worker.contracts.live_endpoints import LiveForm, Transport


class EndpointState(StrEnum):
    """The state of an endpoint, by Recall.ai's names. Each is reported once at most; ``done`` and ``failed`` are the last."""

    RUNNING = "running"
    """It was reached."""
    DONE = "done"
    """The recording ended, and nothing failed for good."""
    FAILED = "failed"
    """It, or one of its connections, could not be reached in all retries; nothing more is sent there."""


Report: TypeAlias = Callable[[int, EndpointState, str], None]
"""Takes an endpoint's number, its new state, and the cause: one line without secrets, empty but for ``failed``. It is called in
the event loop, and must not block."""


class LiveMetrics(Protocol):
    """Counts by kind of endpoint. It is called in the event loop, for each message: it must be cheap."""

    def connected(self, transport: Transport, form: LiveForm, change: int) -> None:
        """A connection was made (``change`` +1) or ended (-1). A webhook counts as connected while its endpoint runs."""

    def message(self, transport: Transport, form: LiveForm, size: int) -> None:
        """A message of ``size`` bytes was sent."""

    def lag(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        """Sound was sent ``seconds`` after the arrival of its newest packet."""

    def dropped(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        """So many ``seconds`` of sound were not sent: the endpoint was slow or away, or they came too late to be live. Or they
        were sent, and it is not known that they arrived."""

    def reconnected(self, transport: Transport, form: LiveForm) -> None:
        """A connection that had broken was made again."""
