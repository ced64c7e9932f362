from __future__ import annotations

import pytest

from tests.benchmarks.full_hour import Cluster, Demand, simulate

SMALL = Demand(at_full=200, at_half=100, others=100)


def test_the_same_seed_gives_the_same_hour_and_no_bot_is_lost() -> None:
    hour = simulate(SMALL, Cluster())
    assert hour == simulate(SMALL, Cluster())
    assert hour != simulate(SMALL, Cluster(), seed=2)
    assert len(hour.late) == 400
    assert hour.late == sorted(hour.late)
    assert hour.late[0] >= 0


def test_nobody_is_late_with_a_worker_that_waits_for_each() -> None:
    hour = simulate(SMALL, Cluster(lead=0, forever=800))
    assert (hour.late[-1], hour.nodes) == (0, 0)


def test_announced_bots_are_in_time_once_their_lead_covers_everything() -> None:
    announced = SMALL._replace(others=0)
    assert simulate(announced, Cluster(lead=240)).late[-1] == 0
    assert simulate(announced, Cluster(lead=60)).share_later_than(0) > 0.5


def test_jobs_come_no_faster_than_they_are_made() -> None:
    """The last of 200 that are due at once, with a place for each at hand."""
    at_once = Demand(at_full=200, at_half=0, others=0)
    ready = Cluster(lead=0, spare=1000, start=0, polling=0.1)
    for rate, cells in ((20, 1), (100, 1), (20, 4)):
        late = simulate(at_once, ready._replace(jobs_a_second=rate, cells=cells)).late[-1]
        assert late == pytest.approx(200 / (rate * cells), abs=0.2)


def test_nodes_come_no_faster_than_they_are_given() -> None:
    """Ten nodes are needed; two can come at once, and one each ten seconds then."""
    at_once = Demand(at_full=200, at_half=0, others=0)
    cold = Cluster(
        lead=0, jobs_a_second=1e6, polling=0.1, start=0, pull=0, places=20, keep=0, node_ready=(1.0, 0.0)
    )
    hour = simulate(at_once, cold._replace(nodes_a_second=0.1, node_burst=2))
    assert hour.nodes == 10
    assert hour.late[-1] == pytest.approx(1 + 8 * 10, abs=0.3)
    assert simulate(at_once, cold).late[-1] == pytest.approx(1, abs=0.3)


def test_polling_less_often_costs_half_an_interval() -> None:
    ready = Cluster(lead=0, spare=4000, start=0, jobs_a_second=1e6)
    demand = Demand(at_full=0, at_half=0, others=2000)
    often, seldom = (simulate(demand, ready._replace(polling=each)).quantile(0.5) for each in (2, 30))
    assert often == pytest.approx(1, abs=0.3)
    assert seldom == pytest.approx(15, abs=2)


def test_quantiles_are_by_nearest_rank() -> None:
    hour = simulate(SMALL, Cluster())._replace(late=[0.0, 1.0, 2.0, 3.0])
    assert [hour.quantile(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0, 0, 1, 2, 3]
    assert hour.share_later_than(1.0) == 0.5
