"""Steps that a recording does not need: each fails alone, with a warning for the result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable
from typing import TypeVar

from worker.contracts.job import Job
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.lease import LeaseLostError
from worker.safe_text import printable, redact

logger = logging.getLogger(__name__)

T = TypeVar("T")


class LeftOut:
    """What could not be done of a job, without a loss of audio. Once ``out_of_time`` is set, another worker may do it."""

    def __init__(self, job: Job, out_of_time: threading.Event) -> None:
        self._job = job
        self._out_of_time = out_of_time
        self.warnings: list[str] = []
        """Sentences for the result."""

    async def unless_it_fails(self, what: str, step: Awaitable[T]) -> T | None:
        """Returns the result of ``step``; None, with a warning that begins with ``what``, where it raises.

        Raises LeaseLostError, and what the store raises once there is no time left: another worker then does all of it.
        """
        try:
            return await step
        except LeaseLostError:
            raise
        except Exception as error:
            if isinstance(error, RefusedError | UnavailableError) and self._out_of_time.is_set():
                raise
            logger.error("%s: %s", what, error)
            why = printable(self._job.redactor().text(redact(str(error))), 300)
            self.warnings.append(f"{what} ({why or type(error).__name__}).")
            return None
