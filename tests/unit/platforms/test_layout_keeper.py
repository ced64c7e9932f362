"""The layout is set after the call was entered, after a share began or ended, and every few minutes; seldom where it fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.lifecycle.page_view import Scene, View
from worker.platforms.layout_keeper import (
    ATTEMPT,
    LAYOUT_FAILED,
    MOST_TRIES,
    RECHECK_AFTER,
    RETRY_AFTER,
    SETTLE,
    LayoutKeeper,
)

CALL = View(scene=Scene.CALL, evidence=("call.leave",))


def due(keeper: LayoutKeeper, now: float, *, shares: bool = False) -> bool:
    keeper.follow(now, shares=shares)
    return keeper.is_active


def test_the_layout_is_set_soon_after_the_call_was_entered_and_looked_at_again_later() -> None:
    keeper = LayoutKeeper(wanted=True)
    assert not due(keeper, 100.0)
    assert due(keeper, 100.0 + SETTLE)
    keeper.finish(105.0, done=True)
    assert not due(keeper, 105.0 + RECHECK_AFTER - 1)
    assert due(keeper, 105.0 + RECHECK_AFTER)


def test_a_share_that_begins_or_ends_brings_an_early_look() -> None:
    keeper = LayoutKeeper(wanted=True)
    due(keeper, 0.0)
    assert due(keeper, SETTLE)
    keeper.finish(3.0, done=True)
    assert not due(keeper, 60.0, shares=True)
    assert due(keeper, 60.0 + SETTLE, shares=True)
    keeper.finish(63.0, done=True)
    assert not due(keeper, 64.0)
    assert not due(keeper, 63.0 + RETRY_AFTER - 0.1)
    assert due(keeper, 63.0 + RETRY_AFTER)


def test_an_attempt_that_takes_too_long_is_overdue_and_tried_again_a_few_times() -> None:
    keeper = LayoutKeeper(wanted=True)
    due(keeper, 0.0)
    now = SETTLE
    for tried in range(MOST_TRIES):
        assert due(keeper, now)
        assert not keeper.is_overdue(now + ATTEMPT)
        now += ATTEMPT + 0.1
        assert keeper.is_overdue(now)
        keeper.finish(now, done=False)
        assert keeper.failed == (tried == MOST_TRIES - 1)
        assert (LAYOUT_FAILED in keeper.judge(CALL).evidence) == keeper.failed
        assert not due(keeper, now + RETRY_AFTER - 0.1)
        now += RETRY_AFTER
    assert keeper.judge(View(scene=Scene.OVER)) == View(scene=Scene.OVER)
    assert not due(keeper, now)
    now += RECHECK_AFTER
    assert due(keeper, now)
    keeper.finish(now, done=True)
    assert not keeper.failed


def test_nothing_is_set_where_nothing_is_wanted() -> None:
    keeper = LayoutKeeper(wanted=False)
    assert not any(due(keeper, float(now), shares=bool(now % 2)) for now in range(1_000))


@given(st.lists(st.tuples(st.floats(0.1, 5), st.booleans(), st.booleans()), max_size=200))
def test_attempts_are_bounded_whatever_the_page_shows(looks: list[tuple[float, bool, bool]]) -> None:
    keeper = LayoutKeeper(wanted=True)
    now, begun = 0.0, 0
    for passed, shares, done in looks:
        now += passed
        was = keeper.is_active
        begun += due(keeper, now, shares=shares) and not was
        if keeper.is_active and (done or keeper.is_overdue(now)):
            keeper.finish(now, done=done)
    assert begun <= 1 + now / RETRY_AFTER
