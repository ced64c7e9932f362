from __future__ import annotations

import threading

import pytest

from tests.support.job_parts import job
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.lease import LeaseLostError
from worker.jobs.left_out import LeftOut


async def failing(error: Exception) -> None:
    raise error


async def test_a_step_that_succeeds_gives_its_result_and_no_warning() -> None:
    async def step() -> int:
        return 7

    left_out = LeftOut(job(), threading.Event())
    assert await left_out.unless_it_fails("It is missing", step()) == 7
    assert left_out.warnings == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RefusedError("no"), "no"),
        (OSError(28, "No space left"), "No space left"),
        (MemoryError(), "MemoryError"),
    ],
)
@pytest.mark.parametrize("out_of_time", [False, True])
async def test_a_step_that_fails_is_a_warning_unless_another_worker_may_do_it(
    error: Exception, why: str, out_of_time: bool
) -> None:
    event = threading.Event()
    if out_of_time:
        event.set()
    left_out = LeftOut(job(), event)
    if out_of_time and isinstance(error, RefusedError):
        with pytest.raises(RefusedError):
            await left_out.unless_it_fails("It is missing", failing(error))
        return
    await left_out.unless_it_fails("It is missing", failing(error))
    (warning,) = left_out.warnings
    assert warning.startswith("It is missing (")
    assert why in warning
    assert warning.endswith(").")


async def test_a_worker_that_was_taken_over_leaves_nothing_out() -> None:
    left_out = LeftOut(job(), threading.Event())
    with pytest.raises(LeaseLostError):
        await left_out.unless_it_fails("It is missing", failing(LeaseLostError("another worker")))
    assert left_out.warnings == []


async def test_a_store_that_is_away_is_waited_for_by_nobody_once_time_is_up() -> None:
    event = threading.Event()
    event.set()
    with pytest.raises(UnavailableError):
        await LeftOut(job(), event).unless_it_fails("It is missing", failing(UnavailableError("away")))


async def test_a_warning_has_no_secret_of_the_job() -> None:
    link = "https://teams.microsoft.com/meet/1234567890123?p=passcode"
    left_out = LeftOut(job(meeting_link=link), threading.Event())
    error = OSError("passcode, key=abcdef0123456789 at https://user:word@host/?q=hidden")
    await left_out.unless_it_fails("It is missing", failing(error))
    (warning,) = left_out.warnings
    assert not [secret for secret in ("passcode", "word@", "hidden") if secret in warning]
