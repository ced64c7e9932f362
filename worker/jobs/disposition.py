"""What happens to a job's message, by how the job ended."""

from __future__ import annotations

from enum import Enum

from worker.contracts.status import OutcomeKind, Result


class Disposition(Enum):
    """How a job ended; decides what happens to its message."""

    DONE = "done"
    """The result is reported; also if the bot was not admitted."""
    FAILED = "failed"
    """The result is reported, and it is a failure."""
    HELD = "held"
    """Another worker has the bot's lease, so this one did nothing."""
    TAKEN_OVER = "taken_over"
    """Another worker took over the bot meanwhile, and with it the job."""
    HANDED_ON = "handed_on"
    """This worker has to stop before the job is done; another one can do the rest."""
    UNREPORTED = "unreported"
    """Everything is uploaded, but the result could not be sent."""
    GIVEN_UP = "given_up"
    """It was tried too often; the result is reported, and it is a failure."""


def disposition_of(result: Result) -> Disposition:
    """The disposition of a job whose result is reported: DONE or FAILED."""
    return Disposition.FAILED if result.outcome == OutcomeKind.FAILED else Disposition.DONE
