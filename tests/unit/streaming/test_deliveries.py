"""What documents have delivered: each by its clock, and the mix by the one that is behind."""

from __future__ import annotations

import pytest

from worker.streaming.deliveries import DELIVERY, MOST_DELIVERY, PATIENCE, Deliveries


def test_each_document_has_delivered_what_its_frames_say_and_the_mix_what_all_have() -> None:
    deliveries = Deliveries()
    deliveries.take(1, 4.96, 5.0, 5.05)
    deliveries.take(2, 5.86, 5.9, 5.05)
    deliveries.take(3, 4.76, 4.8, 5.05)
    assert deliveries.until == {1: 5.0, 2: 5.9, 3: 4.8}
    assert deliveries.complete == 5.0, "it never falls"
    deliveries.take(1, 5.16, 5.2, 5.25)
    deliveries.take(2, 6.06, 6.1, 5.25)
    assert deliveries.complete == 5.0, "of document 3 more may come"
    deliveries.take(3, 5.06, 5.1, 5.3)
    assert deliveries.complete == 5.1
    assert deliveries.latest == 5.3, "nothing arrived after it was logged"
    ahead = Deliveries()
    ahead.take(1, 5.86, 5.9, 5.05)
    assert (ahead.complete, ahead.latest) == (5.05, 5.05)


@pytest.mark.parametrize("delay", [0.02, 0.3, 3.0])
def test_the_workers_clock_counts_where_no_frames_come(delay: float) -> None:
    """Less the delay with which they came, as far as the mix waits for that."""
    believed = min(max(DELIVERY, delay), MOST_DELIVERY)
    deliveries = Deliveries()
    deliveries.advance(9.0)
    assert deliveries.complete == pytest.approx(9.0 - PATIENCE), "nobody knows how late frames will come"
    deliveries.take(1, 10.0 - delay, 10.0 - delay, 10.0)
    before = deliveries.complete
    deliveries.advance(10.0 + PATIENCE - 0.01)
    assert deliveries.complete == pytest.approx(max(before, 10.0 + PATIENCE - 0.01 - MOST_DELIVERY))
    assert deliveries.until[1] == pytest.approx(10.0 + PATIENCE - 0.01 - believed)
    deliveries.advance(10.0 + PATIENCE + 0.01)
    assert deliveries.complete == pytest.approx(10.0 + PATIENCE + 0.01 - believed)
    deliveries.end(0.06)
    assert deliveries.complete == pytest.approx(10.0 + PATIENCE + 0.01 - believed + 0.06)
