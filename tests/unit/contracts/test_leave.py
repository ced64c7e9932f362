from __future__ import annotations

import pytest

from worker.contracts.fields import NamedBots
from worker.contracts.fields import Patience as PatienceField
from worker.contracts.leave import NAMED_BOTS, bot_names, named_bots, patience_or, seconds_or
from worker.lifecycle.leave_policy import Patience

DEFAULT = Patience(600.0, activate_after=1200.0)


@pytest.mark.parametrize(
    ("given", "default", "seconds"),
    [(None, 60.0, 60.0), (0.0, 60.0, 0.0), (5.0, None, 5.0), (None, None, None)],
)
def test_seconds_or_takes_the_default_only_for_none(
    given: float | None, default: float | None, seconds: float | None
) -> None:
    assert seconds_or(given, default) == seconds


@pytest.mark.parametrize(
    ("given", "patience"),
    [
        (None, DEFAULT),
        (5.0, Patience(5.0, activate_after=1200.0)),
        (0.0, Patience(0.0, activate_after=1200.0)),
        (PatienceField(), DEFAULT),
        (PatienceField(timeout=0.0), Patience(0.0, activate_after=1200.0)),
        (PatienceField(activate_after=0.0), Patience(600.0, activate_after=0.0)),
        (PatienceField(timeout=1.0, activate_after=2.0), Patience(1.0, activate_after=2.0)),
    ],
)
def test_patience_or_takes_missing_parts_from_the_default(
    given: PatienceField | float | None, patience: Patience
) -> None:
    assert patience_or(given, DEFAULT) == patience


def test_patience_or_without_a_default_is_none() -> None:
    assert patience_or(5.0, None) is None


@pytest.mark.parametrize("given", [None, NamedBots(timeout=1.0), NamedBots(matches=["", " \t"], timeout=1.0)])
def test_named_bots_is_none_without_a_name(given: NamedBots | None) -> None:
    assert bot_names(given) == ()
    assert named_bots(given) is None


def test_named_bots_drops_blank_names() -> None:
    given = NamedBots(matches=["tl;dv", " ", "otter"], timeout=30.0)
    assert bot_names(given) == ("tl;dv", "otter")
    assert named_bots(given) == Patience(30.0, activate_after=NAMED_BOTS.activate_after)
