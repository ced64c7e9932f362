"""What becomes of a job's message."""

from __future__ import annotations

from enum import Enum

from worker.contracts.status import OutcomeKind, Result


class Disposition(Enum):
    """What became of a job, as far as its message is concerned."""

    DONE = "done"
    """Reported; also that the bot was not let in."""
    FAILED = "failed"
    """Reported; something broke."""
    HELD = "held"
    """Another worker is at it."""
    HANDED_ON = "handed_on"
    """This worker has to stop before the job was done; another one can do what is left."""
    UNREPORTED = "unreported"
    """Everything is uploaded, but the result could not be sent."""


def disposition_of(result: Result) -> Disposition:
    """A job that has its result is done, or failed."""
    return Disposition.FAILED if result.outcome == OutcomeKind.FAILED else Disposition.DONE
