"""Live places follow the path of the network: once a packet shows it they are right, whatever was queued before."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.live_driving import LiveDrive, drive
from tests.support.live_streams import a_call, frame, sent_by
from worker.platforms.registry import Platform
from worker.tape.events import Frame

PATH: Final = 0.03
"""Seconds that the network needs for a packet that nothing delays."""

SHOWS: Final = 0.01
"""Seconds. A packet that is no later than this after the path shows it."""

HIDES: Final = 0.11
"""Seconds. A packet that is later than this was queued; its sender's clock may seem to have stood still."""

LEARNT: Final = 0.1
"""Seconds of speech after the packet that shows the path, from which on places are right."""

TURN: Final = 150
"""Packets of a turn, the last 20 of which are a pause."""


class Weather(NamedTuple):
    """``queue`` is how late the first packet of each turn is, and ``freeze`` how long nothing arrives at ``freezes_at``, all in
    seconds; what was queued comes at ``speed`` times real time. ``jitter`` delays packets, which stay in order.
    """

    jitter: float
    queue: float
    freeze: float
    freezes_at: float
    speed: float
    seed: int


WEATHER: Final = st.builds(
    Weather,
    jitter=st.sampled_from([0.0, 0.02, 0.06, 0.1]),
    queue=st.sampled_from([0.0, 0.08, 0.3, 1.0]),
    freeze=st.just(0.0) | st.floats(0.2, 5.0),
    freezes_at=st.floats(1.0, 8.0),
    speed=st.sampled_from([1.5, 4.0, 20.0]),
    seed=st.integers(0, 1 << 16),
)


def delays(weather: Weather, count: int) -> list[float]:
    """How long each of the packets that are sent every 20 ms is on its way."""
    rng = random.Random(weather.seed)
    out, last, queued_until = [], 0.0, 0.0
    for n in range(count):
        sent = 0.02 * n
        at = sent + PATH + rng.random() * weather.jitter
        at += max(0.0, weather.queue - 0.02 * (n % TURN) * (1 - 1 / weather.speed))
        if weather.freeze and weather.freezes_at <= at < weather.freezes_at + weather.freeze:
            at = weather.freezes_at + weather.freeze
        at = max(at, queued_until, last + 0.000_5)
        queued_until = at + 0.02 / weather.speed if at > sent + PATH + weather.jitter else 0.0
        last = at
        out.append(at - sent)
    return out


def errors(driven: LiveDrive) -> dict[int, float]:
    """By number, how far each packet is from its place, in seconds: whoever sent it."""
    return {
        number: item.position / 48_000 - 0.02 * number - PATH
        for items in driven.packets.values()
        for item in items
        for _, number in [sent_by(item.payload)]
    }


def known(spoken: list[int], late: list[float], *, turns: bool) -> list[int]:
    """The packets whose places the network has shown: since one that was not late, and before one that was queued."""
    out: list[int] = []
    since: int | None = None
    for n in spoken:
        if (turns and n % TURN == 0) or late[n] - PATH > HIDES:
            since = None
        if since is None and late[n] - PATH <= SHOWS:
            since = n
        if since is not None and 0.02 * (n - since) >= LEARNT:
            out.append(n)
    return out


@settings(max_examples=60, deadline=None)
@given(WEATHER, st.sampled_from(Platform), st.booleans())
@example(Weather(0.0, 0.3, 0.0, 1.0, 4.0, 0), Platform.GOOGLE_MEET, True)
@example(Weather(0.1, 0.0, 0.0, 1.0, 4.0, 0), Platform.GOOGLE_MEET, True)
@example(Weather(0.0, 1.0, 0.0, 1.0, 1.5, 0), Platform.MICROSOFT_TEAMS, False)
@example(Weather(0.0, 0.0, 5.0, 4.0, 1.5, 0), Platform.GOOGLE_MEET, False)
def test_places_are_right_from_the_packet_on_that_shows_the_path(
    weather: Weather, platform: Platform, turns: bool
) -> None:
    """``turns``: two people take turns in one slot. Nothing is lost: all packets come in order."""
    late = delays(weather, 600)
    spoken = [n for n in range(600) if n % TURN < TURN - 20]
    frames = [
        frame(n, csrc=7 + (n // TURN) % 2 * turns, sequence=sequence, delay=late[n])
        for sequence, n in enumerate(spoken)
    ]
    found = errors(drive(a_call(frames, platform=platform), None))
    assert found.keys() == set(spoken)
    wrong = {n: round(found[n], 3) for n in known(spoken, late, turns=turns) if abs(found[n]) > 0.04}
    assert not wrong


@pytest.mark.parametrize("missing", [1, 2, 3])
@pytest.mark.parametrize("earlier", [0.01, 0.02, 0.06])
def test_nothing_is_concealed_before_a_packet_that_goes_back(missing: int, earlier: float) -> None:
    """It would lie where that packet goes. What is missing beyond that is silent. 10 ms are no reason to go back."""
    late = [PATH + (earlier if n < 50 else 0.0) for n in range(100)]
    frames = [frame(n, delay=late[n]) for n in range(100) if not 50 <= n < 50 + missing]
    driven = drive(a_call(frames), 16_000)
    spoken = sum(len(chunk.pcm) for chunk in driven.pcm[7])
    back = 0 if earlier == 0.01 else round(earlier / 0.02)
    assert spoken == 2 * 320 * (len(frames) + max(0, missing - back))


@pytest.mark.parametrize("jitter", [0.02, 0.04, 0.06])
def test_turns_begin_at_their_places_although_their_first_packets_are_late(jitter: float) -> None:
    """The first packets of a turn wait for those behind them by as much as packets are late on this network."""
    late = delays(Weather(jitter, 0.0, 0.0, 1.0, 4.0, 5), 3_000)
    spoken = [n for n in range(3_000) if n % TURN < TURN - 20]
    frames = [
        frame(n, csrc=7 + (n // TURN) % 2, sequence=sequence, delay=late[n])
        for sequence, n in enumerate(spoken)
    ]
    found = errors(drive(a_call(frames), None))
    assert found.keys() == set(spoken)
    assert max(map(abs, found.values())) <= 0.04


@pytest.mark.parametrize("late", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("copies", [0, 1])
def test_the_late_end_of_speech_in_the_slot_that_a_source_has_left_is_at_its_place(
    late: float, copies: int
) -> None:
    """Where the source went it stays at its place as well."""
    tail = range(140, 150)
    frames: list[Frame] = [
        frame(n, delay=PATH + (late if n in tail else 0), copies=copies) for n in range(150)
    ]
    frames += [frame(n, slot=1, timestamp=960 * n + 12_345, delay=PATH) for n in range(150, 400)]
    found = errors(drive(a_call(frames), 16_000, mixed=True))
    assert found.keys() == set(range(400))
    assert max(map(abs, found.values())) <= 0.01
