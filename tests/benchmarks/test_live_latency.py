"""How soon after the replica sent a packet a receiver has its sound, while three people talk without a pause.

A packet waits for its batch in the page, on average half of it. Measured on the machine of docs/deploy.md ("Sizing and cost"),
with other work beside it: see the output. The replica, the bot and the receiver are three processes on one clock.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from fixtures.replica.truth import audible, read_truth
from tests.benchmarks.measured import measured
from tests.support.timed_connections import TimedConnections, timed_connections
from worker.contracts.live_received import Sound, read_text

BATCHES: Final = (40, 80)
"""Milliseconds."""

PAIRS: Final = 2
"""Recordings with each, one after the other in turn."""

MEDIAN: Final = 0.080
WORST_OF_A_HUNDRED: Final = 0.150
"""Seconds."""

SETTLED: Final = 10.0
"""Seconds after which the window rests, and the bot does nothing but record."""


class Waits(NamedTuple):
    """Seconds from sending to receiving."""

    median: float
    p99: float
    longest: float

    @classmethod
    def of(cls, waits: list[float]) -> Waits:
        ordered = sorted(waits)
        return cls(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])


@pytest.mark.timeout(600)
async def test_sound_arrives_within_80_ms_and_almost_always_within_150(tmp_path: Path) -> None:
    waits: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for pair in range(PAIRS):
        for batch in BATCHES:
            waits[batch] += await waits_of(batch, tmp_path / f"{batch}-{pair}")
    print()
    for batch, all_waits in waits.items():
        shown = Waits.of(all_waits)
        print(
            f"batches of {batch} ms: p50 {1000 * shown.median:.1f} ms ({1000 * shown.median / batch:.2f} batches), "
            f"p99 {1000 * shown.p99:.1f} ms ({1000 * shown.p99 / batch:.2f}), longest {1000 * shown.longest:.1f} ms, "
            f"of {len(all_waits)} packets"
        )
    for all_waits in waits.values():
        assert Waits.of(all_waits).median <= MEDIAN
        assert Waits.of(all_waits).p99 <= WORST_OF_A_HUNDRED


async def waits_of(batch: int, folder: Path) -> list[float]:
    """Of each packet of a recording."""
    async with timed_connections() as receiver:
        cost = await measured("live_once", batch, folder, receiver.url)
    print(batch, json.dumps(cost))
    return waits_until_received(folder / "truth.jsonl", receiver)


def waits_until_received(truth_file: Path, receiver: TimedConnections) -> list[float]:
    """Of each packet of speech whose sound came: the message that holds its middle brought it."""
    truth = read_truth(truth_file)
    assert truth.header.started_at is not None
    came: defaultdict[str | None, list[tuple[float, float, float]]] = defaultdict(list)
    for at, message in receiver.connections[0].messages:
        assert isinstance(message, str)
        sound = read_text(message)
        if isinstance(sound, Sound) and sound.absolute is not None:
            came[sound.who.name].append((sound.absolute + sound.seconds, sound.absolute, at))
    waits = []
    packets = [
        packet
        for packet in truth.packets
        if audible(packet) and packet.meant_at > truth.header.started_at + SETTLED
    ]
    for packet in packets:
        middle = packet.meant_at + packet.seconds / 2
        sounds = came[packet.name]
        index = bisect_left(sounds, (middle,))
        if index < len(sounds) and sounds[index][1] <= middle and packet.sent_at is not None:
            waits.append(sounds[index][2] - packet.sent_at)
    assert len(waits) > 0.99 * len(packets)
    return waits
