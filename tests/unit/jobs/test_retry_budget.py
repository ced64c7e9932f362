from __future__ import annotations

import pytest

from worker.jobs.retry_budget import HEALTHY_SECONDS, RetryBudget


@pytest.mark.parametrize(
    ("healthy", "allowed"),
    [
        # One trouble: the first try again is allowed, whenever it comes.
        ([0.0], [True]),
        ([HEALTHY_SECONDS * 9], [True]),
        # The same trouble goes on.
        ([0.0, 0.0], [True, False]),
        ([5.0, HEALTHY_SECONDS - 1], [True, False]),
        # Ten healthy minutes later it is a new trouble, as often as that happens.
        ([0.0, HEALTHY_SECONDS], [True, True]),
        ([0.0, HEALTHY_SECONDS, HEALTHY_SECONDS, HEALTHY_SECONDS], [True, True, True, True]),
        ([0.0, HEALTHY_SECONDS, 3.0], [True, True, False]),
        # Healthy seconds do not add up over attempts, and are not saved.
        ([0.0, HEALTHY_SECONDS * 3, HEALTHY_SECONDS / 2], [True, True, False]),
    ],
)
def test_each_trouble_has_one_more_try(healthy: list[float], allowed: list[bool]) -> None:
    budget = RetryBudget()
    answers = []
    for seconds in healthy:
        answers.append(budget.allows(seconds))
        # Asking spends nothing: the state before leaving is asked as well.
        assert budget.allows(seconds) == answers[-1]
        budget.spend()
    assert answers == allowed
