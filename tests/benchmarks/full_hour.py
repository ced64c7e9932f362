"""A model of the full hour: bots that are due at once, and what starts workers for them.

Pure: the same seed gives the same hour. A server puts jobs on the queue, KEDA looks at it at intervals and makes one Job for
each waiting message, a pod takes a free place on a node or waits for a new node, and a worker that has begun receives the job
that waits longest. Workers with ``--forever`` receive at once. Not modelled: schedulers that fall behind,
regions without capacity, pulls that fail.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

HOUR: Final = 3600.0
"""Seconds."""

BEFORE: Final = 600.0
"""Seconds before the full hour at which an hour of demand begins."""

MEASURED: Final = 2 * HOUR - BEFORE
"""The begin of the measured hour."""


class Demand(NamedTuple):
    """Bots of an hour. ``at_full`` join at the full hour, ``at_half`` at half past, ``others`` at any time, unannounced.

    ``length`` is the middle of the meetings' lengths and ``spread`` half their range, in seconds.
    """

    at_full: int = 2000
    at_half: int = 1200
    others: int = 1800
    length: float = 3000.0
    spread: float = 900.0


class Cluster(NamedTuple):
    """What starts workers. Times in seconds.

    ``lead`` before ``join_at`` a job goes to the queue, ``jitter`` earlier at most. KEDA looks every ``polling`` and makes at
    most ``jobs_a_second``, ``cells`` times (queues with a ScaledJob and an operator each). A node has ``places``; new ones come
    ``node_ready`` (median, and sigma of a lognormal distribution) after they were asked for, no more than ``nodes_a_second``,
    and pull the image in ``pull``. Places are kept for ``keep`` after use. ``spare`` places are ready before the hour, held by
    placeholders; ``forever`` workers are ready. ``start`` is from a pod's place to its first receive, with Chromium tried.
    """

    lead: float = 240.0
    jitter: float = 0.0
    polling: float = 5.0
    jobs_a_second: float = 20.0
    cells: int = 1
    places: int = 24
    node_ready: tuple[float, float] = (60.0, 0.35)
    nodes_a_second: float = 2.0
    node_burst: int = 1000
    pull: float = 30.0
    keep: float = 60.0
    spare: int = 0
    forever: int = 0
    start: float = 8.0


class Hour(NamedTuple):
    """How the bots of the measured hour fared: seconds after their time at which they ask to join, in rising order.

    ``most_at_once`` are bots at work, ``nodes`` those that were started within the hour.
    """

    late: list[float]
    most_at_once: int
    nodes: int

    def quantile(self, share: float) -> float:
        """The lateness that ``share`` of the bots do not exceed (nearest rank)."""
        return self.late[max(0, math.ceil(share * len(self.late)) - 1)]

    def share_later_than(self, seconds: float) -> float:
        """The share of bots that are later than ``seconds``."""
        return sum(late > seconds for late in self.late) / len(self.late)


class _Bot(NamedTuple):
    sent: float
    wanted: float
    length: float


def simulate(demand: Demand, cluster: Cluster, seed: int = 1) -> Hour:
    """Two hours of the same demand, the second of which is measured."""
    random = Random(seed)
    bots = sorted(bot for hour in (0, 1) for bot in _bots(demand, cluster, hour * HOUR + HOUR, random))
    return _Run(bots, cluster, random).hour()


def _bots(demand: Demand, cluster: Cluster, full: float, random: Random) -> list[_Bot]:
    def length() -> float:
        return demand.length + demand.spread * random.uniform(-1, 1)

    bots = []
    for count, wanted in ((demand.at_full, full), (demand.at_half, full + HOUR / 2)):
        for _ in range(count):
            bots.append(_Bot(wanted - cluster.lead - cluster.jitter * random.random(), wanted, length()))
    for _ in range(demand.others):
        now = full - BEFORE + HOUR * random.random()
        bots.append(_Bot(now, now, length()))
    return bots


class _Run:
    def __init__(self, bots: Sequence[_Bot], cluster: Cluster, random: Random) -> None:
        self._bots = bots
        self._cluster = cluster
        self._random = random
        self._events: list[tuple[float, int, str, float]] = []
        """(time, number, what happens, a value)."""
        self._number = 0
        self._waiting: deque[_Bot] = deque()
        self._starting = 0
        self._free: list[float] = [0.0] * cluster.spare
        """Since when each free place has been free, the longest first."""
        self._idle_workers = cluster.forever
        self._coming = 0
        """Places on nodes that come, and that no pod has yet."""
        self._coming_at = 0.0
        self._node_tokens, self._tokens_at = float(cluster.node_burst), 0.0
        self._late: list[float] = []
        self._at_work = self._most = self._nodes = 0
        self._jobs_from = 0.0

    def hour(self) -> Hour:
        """Runs all events."""
        end = self._bots[-1].sent + HOUR
        for bot in self._bots:
            self._at(bot.sent, "sent")
        self._at(self._bots[0].sent, "look")
        sent = iter(self._bots)
        while self._events:
            now, _, what, value = heapq.heappop(self._events)
            match what:
                case "sent":
                    self._send(next(sent), now)
                case "look":
                    self._look(now)
                    if now < end or self._waiting:
                        self._at(now + self._cluster.polling, "look")
                case "pod":
                    self._place(now)
                case "begun":
                    self._starting -= 1
                    self._free_or_receive(now)
                case _:
                    self._end(now, with_place=bool(value))
        return Hour(sorted(self._late), self._most, self._nodes)

    def _at(self, when: float, what: str, value: float = 0.0) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, what, value))

    def _send(self, bot: _Bot, now: float) -> None:
        self._waiting.append(bot)
        if self._idle_workers:
            self._idle_workers -= 1
            self._receive(now, place=False)

    def _free_or_receive(self, now: float) -> None:
        """What a pod that has begun does: without a job it ends, and its place is free."""
        if self._waiting:
            self._receive(now, place=True)
        else:
            self._free.append(now)

    def _end(self, now: float, *, with_place: bool) -> None:
        """A bot's end: of its pod, too, or of one job of a worker with ``--forever``."""
        self._at_work -= 1
        if with_place:
            self._free.append(now)
        elif self._waiting:
            self._receive(now, place=False)
        else:
            self._idle_workers += 1

    def _look(self, now: float) -> None:
        """KEDA's: as many Jobs as messages that wait, less those whose pods have not received yet."""
        wanted = len(self._waiting) - self._starting
        rate = self._cluster.jobs_a_second * self._cluster.cells
        begin = max(now, self._jobs_from)
        for number in range(max(0, wanted)):
            self._starting += 1
            self._at(begin + (number + 1) / rate, "pod")
        if wanted > 0:
            self._jobs_from = begin + wanted / rate

    def _place(self, now: float) -> None:
        keep = self._cluster.keep
        spare = self._cluster.spare
        # Places beyond the spare ones are given up once they have been free for long.
        while len(self._free) > spare and now - self._free[0] > keep:
            self._free.pop(0)
        start = self._cluster.start * self._random.uniform(0.75, 1.5)
        if self._free:
            self._free.pop()
            self._at(now + start, "begun")
            return
        if not self._coming:
            self._coming, self._coming_at = self._cluster.places, self._new_node(now)
        self._coming -= 1
        self._at(max(now, self._coming_at) + start, "begun")

    def _new_node(self, now: float) -> float:
        """When its first pod can begin."""
        refill = (now - self._tokens_at) * self._cluster.nodes_a_second
        self._node_tokens = min(float(self._cluster.node_burst), self._node_tokens + refill) - 1
        self._tokens_at = now
        wait = max(0.0, -self._node_tokens / self._cluster.nodes_a_second)
        self._nodes += now >= MEASURED
        median, sigma = self._cluster.node_ready
        return now + wait + self._random.lognormvariate(math.log(median), sigma) + self._cluster.pull

    def _receive(self, now: float, *, place: bool) -> None:
        bot = self._waiting.popleft()
        joins = max(now, bot.wanted)
        self._at_work += 1
        self._most = max(self._most, self._at_work)
        if bot.wanted >= MEASURED:
            self._late.append(joins - bot.wanted)
        self._at(joins + bot.length, "ended", float(place))
