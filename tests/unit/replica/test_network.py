from __future__ import annotations

from itertools import pairwise

import pytest

from fixtures.replica.network import Passage, Path
from fixtures.replica.scenario import Network, Outage, Route, Stall


def passages(network: Network, seconds: float = 30.0) -> list[tuple[float, Passage]]:
    path = Path(network, 0)
    return [(at / 50, path.passage(at / 50)) for at in range(round(seconds * 50))]


def test_a_stall_holds_all_packets_and_drains_them_in_order() -> None:
    passed = passages(Network(stalls=[Stall(at=10.0, seconds=5.0, drain=2.0)]))
    arrivals = [due + passage.delay for due, passage in passed]
    assert arrivals == sorted(arrivals)
    assert not any(10.0 < arrival < 15.0 for arrival in arrivals)
    delays = {due: passage.delay for due, passage in passed}
    assert delays[9.98] == delays[17.0] == 0.0
    assert delays[10.0] == pytest.approx(5.0)
    backlog = [arrival for arrival in arrivals if 15.0 <= arrival < 17.0]
    assert max(after - before for before, after in pairwise(backlog)) == pytest.approx(0.02 * 2 / 7)
    assert {passage.route for _, passage in passed} == {0.0}


def test_a_route_delays_all_later_packets_and_is_distinguished_from_queues() -> None:
    routes = [Route(at=10.0, delay=0.2), Route(at=20.0, delay=0.05)]
    passed = dict(passages(Network(routes=routes, jitter=0.01)))
    assert [passed[at].route for at in (9.98, 10.0, 19.98, 20.0)] == [0.0, 0.2, 0.2, 0.05]
    for passage in passed.values():
        assert -1e-9 <= passage.delay - passage.route <= 0.01 + 0.16
    # What took the longer path arrives before what takes the shorter one.
    assert passed[20.0].delay >= passed[19.98].delay - 0.02


def test_nothing_passes_in_an_outage() -> None:
    passed = passages(Network(outages=[Outage(at=5.0, seconds=10.0)]))
    lost = [due for due, passage in passed if passage.lost]
    assert (lost[0], lost[-1], len(lost)) == (5.0, 14.98, 500)


def test_stalls_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="before the one from 1"):
        Network(stalls=[Stall(at=1.0, seconds=2.0, drain=1.0), Stall(at=3.5, seconds=1.0, drain=1.0)])
    with pytest.raises(ValueError, match="rising order"):
        Network(routes=[Route(at=2.0, delay=0.0), Route(at=1.0, delay=0.1)])
