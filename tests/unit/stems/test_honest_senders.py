"""Senders whose clocks run as real ones do, behind networks as real ones are: nothing is left out, and all is in its place."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.placement_room import Room

DELAY = 0.03
"""The shortest way through the network, in seconds."""


class Stall(msgspec.Struct, frozen=True):
    """The network delivers nothing from ``start`` on for ``length`` seconds, then ``speed`` times as fast as real time."""

    start: float
    length: float
    speed: float

    def delayed(self, arrival: float) -> float:
        """When a packet arrives that would have arrived at ``arrival``."""
        late = arrival - self.start
        if late < 0:
            return arrival
        return max(arrival, self.start + self.length + late / self.speed)


def turns(rng: random.Random, seconds: float, shortest: float = 0.4) -> list[tuple[float, float]]:
    """Talk-spurts of very different lengths with pauses between them."""
    made, at = [], 1.0
    while at < seconds:
        length = rng.choice([rng.uniform(shortest, 1), rng.uniform(1, 9), rng.uniform(20, 40)])
        made.append((at, at + length))
        at += length + rng.choice([rng.uniform(0.2, 1), rng.uniform(1, 15)])
    return made


def place_errors(
    rng: random.Random,
    spoken: list[tuple[float, float]],
    *,
    jitter: float = 0.0,
    ppm: float = 0.0,
    loss: float = 0.0,
    stalls: list[Stall] | None = None,
    shortcut: tuple[float, float] = (0.0, 0.0),
) -> list[float]:
    """Each packet's place minus the time at which it was sent and DELAY, in seconds.

    From ``shortcut[0]`` on the way through the network is shorter by ``shortcut[1]``. Fails if a packet is missing or not in
    order.
    """
    room = Room()
    sent: list[tuple[float, bytes]] = []
    number, last = 0, 0.0
    base = rng.randrange(1 << 32)
    for start, end in spoken:
        at = start
        while at < end:
            arrival = at + DELAY + (rng.expovariate(1 / jitter) if jitter else 0.0)
            if at >= shortcut[0]:
                arrival -= shortcut[1]
            for stall in stalls or ():
                arrival = stall.delayed(arrival)
            last = max(last, arrival)
            payload = bytes([31 << 3]) + number.to_bytes(4, "big")
            lost = rng.random() < loss
            if not lost:
                sent.append((at, payload))
            level = 0.0005 if number % 60 == 0 else 0.2
            room.packet(1, 7, base + round(at * 48_000 * (1 + ppm * 1e-6)), last, payload, level, lost=lost)
            number += 1
            at += 0.02 / (1 + ppm * 1e-6)
    room.finish()
    speech = room.stems[7].speech
    assert [payload for _, payload in speech] == [payload for _, payload in sent]
    return [place - at - DELAY for (place, _), (at, _) in zip(speech, sent, strict=True)]


def quantile(errors: list[float], share: float) -> float:
    return sorted(map(abs, errors))[min(len(errors) - 1, int(share * len(errors)))]


@given(
    seed=st.integers(0, 10_000),
    jitter=st.sampled_from([0.0, 0.002, 0.01]),
    ppm=st.sampled_from([0.0, 50.0, -50.0, 100.0, -100.0]),
    loss=st.sampled_from([0.0, 0.02]),
)
@settings(max_examples=40, deadline=None)
def test_jitter_loss_and_drift_leave_speech_in_its_place(
    seed: int, jitter: float, ppm: float, loss: float
) -> None:
    rng = random.Random(seed)
    errors = place_errors(rng, turns(rng, 90), jitter=jitter, ppm=ppm, loss=loss)
    # In speech a drift is corrected from 10 ms on.
    assert quantile(errors, 0.99) <= (0.005 if not ppm and jitter < 0.01 else 0.01)
    assert max(map(abs, errors)) <= 0.02


@given(
    seed=st.integers(0, 10_000),
    jitter=st.sampled_from([0.0, 0.01]),
    length=st.floats(0.2, 25),
    speed=st.sampled_from([1.1, 1.25, 1.5, 2, 4, 20, 1000]),
    start=st.floats(5, 30),
)
@settings(max_examples=60, deadline=None)
def test_a_talker_whose_network_stalls_is_not_moved(
    seed: int, jitter: float, length: float, speed: float, start: float
) -> None:
    rng = random.Random(seed)
    errors = place_errors(rng, [(1.0, 90.0)], jitter=jitter, stalls=[Stall(start, length, speed)])
    assert max(map(abs, errors)) <= 0.02


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("speed", [1.1, 1.25, 1.5, 3])
@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_turns_in_a_queue_that_drains_slowly_are_in_their_places(
    seed: int, speed: float, jitter: float
) -> None:
    """A queue that drains little faster than real time, behind jitter, in the middle of turns and between them."""
    rng = random.Random(seed)
    stall = Stall(rng.uniform(5, 25), rng.uniform(0.3, 5), speed)
    errors = place_errors(rng, turns(rng, 60), jitter=jitter, stalls=[stall])
    assert quantile(errors, 0.99) <= 0.02
    assert max(map(abs, errors)) <= 0.1


@pytest.mark.parametrize("seed", range(12))
def test_talk_spurts_in_a_queue_that_drains_are_in_their_places(seed: int) -> None:
    rng = random.Random(seed)
    spoken = turns(rng, 90)
    stalls = [
        Stall(at, rng.uniform(0.3, 20), rng.choice([2, 4, 20]))
        for at in (rng.uniform(5, 15), rng.uniform(65, 70))
    ]
    errors = place_errors(rng, spoken, jitter=0.005, stalls=stalls)
    assert quantile(errors, 0.99) <= 0.02


@pytest.mark.parametrize("shorter", [0.02, 0.05, 0.2])
def test_a_path_that_gets_shorter_leaves_nothing_out_and_counts_after_the_next_pause(shorter: float) -> None:
    errors = place_errors(
        random.Random(1), [(1.0, 60.0), (61.0, 70.0)], jitter=0.002, shortcut=(20.0, shorter)
    )
    assert quantile(errors[:2_900], 1.0) <= 0.02
    assert errors[-1] == pytest.approx(-shorter, abs=0.005)


@pytest.mark.parametrize("words", [1, 2, 5, 9, 12, 25])
@pytest.mark.parametrize("pause", [1.5, 3.0, 60.0, 300.0])
@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_a_clock_that_stood_still_in_mute_is_known_from_the_first_packet_on(
    words: int, pause: float, jitter: float
) -> None:
    """Timestamps and sequence numbers go on as if there had been no pause."""
    rng = random.Random(words)
    room = Room()
    at, number, last = 1.0, 0, 0.0
    meant: list[float] = []
    for count in (150, words, words, words):
        for _ in range(count):
            last = max(last, at + rng.random() * jitter)
            room.packet(1, 7, number * 960, last)
            meant.append(at)
            number += 1
            at += 0.02
        at += pause
    room.finish()
    assert room.places(7) == pytest.approx(meant, abs=0.02 + jitter)
