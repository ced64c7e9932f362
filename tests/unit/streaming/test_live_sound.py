"""Frames become live sound: whose it is, where it belongs, and when it is sent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fuzzed_tapes import FuzzedTape
from tests.support.live_driving import LiveDrive, drive, recut
from tests.support.live_streams import ZERO, a_call, frame, sent_by
from tests.support.tapes import with_log_times
from worker.audio.opus import is_silence
from worker.audio.pcm_chunks import MOST_BEHIND
from worker.contracts.live_items import Isolation, LiveMix, LiveOpus, LivePcm
from worker.platforms.registry import Platform
from worker.stems.overflow import MOST_SOURCES
from worker.streaming.deliveries import PATIENCE
from worker.streaming.live_sound import DEADLINE, PACKET_SECONDS, LostSound
from worker.streaming.separate_sound import SeparateSound
from worker.tape.codec import LoggedEvent
from worker.tape.events import DocumentClosed, Frame, FrameBatch, RecordingResumed, RecordingStarted, Tick

MEET = Platform.GOOGLE_MEET


def numbers(driven: LiveDrive, source: int = 7) -> list[int]:
    """The numbers of a source's packets as they came out."""
    return [sent_by(item.payload)[1] for item in driven.packets.get(source, [])]


def places(driven: LiveDrive, source: int = 7) -> dict[int, float]:
    """The place of each packet, in seconds of meeting time."""
    return {sent_by(item.payload)[1]: item.position / 48_000 for item in driven.packets.get(source, [])}


def samples(chunks: Sequence[LivePcm | LiveMix]) -> npt.NDArray[np.int16]:
    return np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2")


# What arrives is sent


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_each_batch_is_sent_with_the_call_that_brings_it(rate: int) -> None:
    driven = LiveDrive(MEET, rate)
    driven.feed(RecordingStarted(at=ZERO), ZERO)
    for logged, event in a_call(frame(number, delay=0.003) for number in range(200))[2:-1]:
        assert isinstance(event, FrameBatch)
        before = len(driven.items)
        driven.feed(event, logged)
        if logged > ZERO + 4 * DEADLINE:
            fresh = [item for _, item in driven.items[before:] if isinstance(item, LivePcm)]
            assert (
                sum(len(item.pcm) for item in fresh) == 2 * 0.04 * rate == 2 * len(event.frames) * rate // 50
            )
            assert fresh[-1].arrived == pytest.approx(event.frames[-1].arrival, abs=1e-6)
    assert numbers(driven) == list(range(200))


@st.composite
def networks(draw: st.DrawFn) -> list[Frame]:
    """Two speakers in slots of their own: packets that are lost, late, repeated, and carried again by RED."""
    frames = []
    for csrc, slot in ((7, 0), (8, 1)):
        copies = draw(st.sampled_from([0, 0, 1, 2]))
        jitter = draw(st.sampled_from([0.0, 0.015, 0.05, 0.12]))
        rng = random.Random(draw(st.integers(0, 1 << 16)))
        loss = draw(st.sampled_from([0.0, 0.1, 0.3]))
        for number in range(draw(st.integers(5, 80))):
            if rng.random() >= loss:
                each = frame(number, csrc=csrc, slot=slot, delay=rng.random() * jitter, copies=copies)
                frames += [each] * (2 if rng.random() < 0.1 else 1)
    return frames


def in_time(frames: list[Frame]) -> dict[tuple[int, int], float]:
    """When each packet arrived, its own or by RED, if that was before packets behind it had waited for the deadline."""
    first: dict[tuple[int, int], float] = {}
    arrivals: dict[tuple[int, int], float] = {}
    for each in sorted(frames, key=lambda each: each.arrival):
        sender, number = sent_by(each.payload[-25:])
        arrivals.setdefault((sender, number), each.arrival)
        first.setdefault((sender, number), each.arrival)
    return {
        (sender, number): at
        for (sender, number), at in first.items()
        if all(
            at < other + DEADLINE
            for (them, later), other in arrivals.items()
            if them == sender and later > number
        )
    }


@settings(max_examples=60, deadline=None)
@given(networks(), st.sampled_from([0.02, 0.04, 0.1]))
def test_every_packet_that_comes_in_time_is_its_speakers_once_and_at_its_place(
    frames: list[Frame], batch: float
) -> None:
    driven = drive(a_call(frames, batch=batch), None)
    for source, items in driven.packets.items():
        came = [sent_by(item.payload) for item in items]
        assert {sender for sender, _ in came} == {source}, "nothing of another's"
        assert [number for _, number in came] == sorted({number for _, number in came}), "in order, once"
        for item in items:
            meant = 0.02 * sent_by(item.payload)[1]
            assert -0.003 <= item.position / 48_000 - meant <= 0.125
    sent = {(source, number) for source in driven.packets for number in numbers(driven, source)}
    assert in_time(frames).keys() <= sent


@settings(max_examples=30, deadline=None)
@given(networks(), st.sampled_from([0.02, 0.1]))
def test_inside_speech_the_pcm_has_no_gap_and_as_many_samples_as_time_passes(
    frames: list[Frame], batch: float
) -> None:
    driven = drive(a_call(frames, batch=batch), 16_000)
    for source, chunks in driven.pcm.items():
        for one, other in pairwise(chunks):
            end = one.position + len(one.pcm) // 2 * 3
            assert other.position == end or other.position - end > 9_600 or other.position < end - MOST_BEHIND
        packets = driven.packets[source]
        assert chunks[0].position == packets[0].position
        end = chunks[-1].position + len(chunks[-1].pcm) // 2 * 3
        assert end == packets[-1].position + packets[-1].samples
        assert max(len(chunk.pcm) for chunk in chunks) <= 3_200


def test_the_same_events_give_the_same_items() -> None:
    rng = random.Random(3)
    frames = [frame(n, delay=rng.random() * 0.08) for n in range(300) if n % 17]
    events = a_call(frames)
    assert drive(events, 16_000, mixed=True).items == drive(events, 16_000, mixed=True).items


def test_what_waits_at_a_gap_goes_on_as_time_advances_without_frames() -> None:
    driven = LiveDrive(MEET, None)
    driven.feed(RecordingStarted(at=ZERO), ZERO)
    for logged, event in a_call(frame(number) for number in range(50) if number != 48)[2:-1]:
        driven.feed(event, logged)
    assert numbers(driven)[-1] == 47
    for late in (0.05, 0.5):
        driven.items += [(0.0, item) for item in driven.sound.advance(ZERO + 49 * 0.02 + DEADLINE + late)]
    assert numbers(driven)[-1] == 49


def test_a_stream_that_begins_anew_is_heard_at_once_after_its_second_packet() -> None:
    first = [frame(number) for number in range(100)]
    second = [
        frame(number, sequence=number + 20_000, timestamp=10**9 + 960 * number) for number in range(100, 200)
    ]
    driven = drive(a_call([*first, *second]), None)
    assert numbers(driven) == list(range(200))
    assert max(abs(place - 0.02 * number) for number, place in places(driven).items()) < 0.005


# Whose it is


def test_a_packet_that_lists_several_goes_to_each_and_says_so() -> None:
    frames = [frame(number, csrcs=(7, 42) if number < 50 else (7, 8)) for number in range(100)]
    driven = drive(a_call(frames), 16_000, mixed=True)
    assert numbers(driven, 7) == list(range(100))
    assert numbers(driven, 8) == list(range(50, 100))
    assert [item.isolation for item in driven.packets[7]] == [Isolation.SEPARATED] * 50 + [
        Isolation.GATED_MIX
    ] * 50
    assert {chunk.isolation for chunk in driven.pcm[8]} == {Isolation.GATED_MIX}
    lengths = dict.fromkeys(Isolation, 0)
    for chunk in driven.pcm[7]:
        lengths[chunk.isolation] += len(chunk.pcm)
    assert lengths[Isolation.SEPARATED] == lengths[Isolation.GATED_MIX] == 32_000
    mix = samples([item for _, item in driven.items if isinstance(item, LiveMix)])
    alone = samples(driven.pcm[7])
    assert np.array_equal(mix[: len(alone)], alone), "the mix has it once"


def test_a_source_that_moves_to_another_slot_goes_on() -> None:
    """Its last packet in the old slot waits at a gap: the new slot, which had another's, takes it over in order."""
    old = [frame(n) for n in range(50) if n != 48]
    another = [frame(n, slot=1, csrc=9) for n in range(50)]
    new = [frame(n, slot=1, csrcs=(7, 8)) for n in range(50, 100)]
    driven = drive(a_call([*old, *another, *new]), None)
    assert numbers(driven) == [n for n in range(100) if n != 48]
    isolations = [item.isolation for item in driven.packets[7]]
    assert isolations == [Isolation.SEPARATED] * 49 + [Isolation.GATED_MIX] * 50
    assert max(abs(place - 0.02 * n) for n, place in places(driven).items()) < 0.04


def test_a_stream_without_csrcs_is_a_speaker_of_its_own() -> None:
    driven = drive(a_call([frame(number, csrcs=()) for number in range(20)]), None)
    assert list(driven.packets) == [~6666]


def test_the_tenure_of_a_source_is_that_of_a_packets_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    driven = LiveDrive(MEET, None)
    monkeypatch.setattr(driven.sound._sources, "_tenure_of", lambda _source, at: int(at >= ZERO + 1))
    for logged, event in a_call(frame(number) for number in range(100))[1:]:
        driven.feed(event, logged)
    assert numbers(driven, 7) == list(range(50))
    assert numbers(driven, 7 + 2**40) == list(range(50, 100))


def test_a_refresh_of_comfort_noise_is_nobodys_speech_and_delays_no_word() -> None:
    """A silent sender refreshes its noise every 400 ms; a first packet that may be such is sent with the next one."""
    noise = b"\x78" + bytes(8)
    refreshes = [frame(20 * n, sequence=n, timestamp=19_200 * n, payload=noise) for n in range(10)]
    words = [frame(200 + n, sequence=10 + n, payload=noise if not n else None) for n in range(50)]
    driven = drive(a_call([*refreshes, *words]), 16_000)
    assert len(driven.packets[7]) == 50
    assert driven.packets[7][0].position == pytest.approx(4 * 48_000, abs=240)
    assert driven.pcm[7][0].position == driven.packets[7][0].position
    assert isinstance(driven.sound._sources, SeparateSound)
    assert driven.sound._sources.noise == 10


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("seed", range(4))
def test_hostile_packets_cost_no_other_speaker_a_packet(seed: int, platform: Platform) -> None:
    tape = FuzzedTape(seed, platform)
    events = [LoggedEvent(logged, event) for event, logged in with_log_times(tape.events())]
    driven = drive(recut(events), 16_000, mixed=True)
    for person, payloads in tape.sent.items():
        assert [item.payload for item in driven.packets[person]] == payloads
    assert driven.sound._slots.misplaced == 0
    for items in driven.packets.values():
        assert not any(is_silence(item.payload) for item in items)


def test_more_sources_than_are_served_take_no_memory_and_no_place_of_others() -> None:
    def crowd(number: int) -> list[Frame]:
        return [frame(number, csrc=1_000 + slot, slot=slot) for slot in range(MOST_SOURCES + 20)]

    frames = [each for number in range(8) for each in crowd(number)]
    driven = drive(a_call(frames), None)
    assert len(driven.packets) == MOST_SOURCES
    assert all(numbers(driven, source) == list(range(8)) for source in driven.packets)
    assert isinstance(driven.sound._sources, SeparateSound)
    assert driven.sound._sources.refused == 8 * 20
    assert driven.sound.lost == pytest.approx((8 * 20 * PACKET_SECONDS,) * 2)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("platform", Platform)
def test_a_source_that_was_silent_for_long_is_forgotten_and_comes_back(
    platform: Platform, continuous: bool
) -> None:
    frames = [frame(n, csrc=csrc) for n, csrc in enumerate([7] * 50 + [8] * 50)]
    frames += [frame(n, sequence=n - 3_900) for n in range(4_000, 4_050)]
    others = [Tick(at=ZERO + second, wall=0, elapsed=0) for second in range(1, 80)]
    driven = LiveDrive(platform, 16_000, continuous=continuous)
    known = {}
    for logged, event in a_call(frames, *others, platform=platform.value, seconds=85)[1:]:
        driven.feed(event, logged)
        known[logged] = len(list(driven.sound._sources.all()))
    assert [known[ZERO + second] for second in range(3, 61)] == [2] * 58
    assert [known[ZERO + second] for second in range(65, 80)] == [0] * 15
    assert places(driven)[4_000] == pytest.approx(80, abs=0.003)
    assert len(numbers(driven)) == 100
    silent = [item.position for _, item in driven.items if isinstance(item, LivePcm) and item.source == 8]
    assert (max(silent) > 59 * 48_000) is continuous
    assert max(silent) < 65 * 48_000, "what is over is not sent"


@pytest.mark.parametrize("platform", Platform)
def test_a_source_that_was_passed_on_is_over_once_its_last_words_are_said(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = LiveDrive(platform, 16_000, continuous=True)
    monkeypatch.setattr(driven.sound._sources, "_tenure_of", lambda _source, at: int(at >= ZERO + 1))
    ticks = [Tick(at=ZERO + number / 5, wall=0, elapsed=0) for number in range(1, 50)]
    frames = [frame(number) for number in range(100)]
    for logged, event in a_call(frames, *ticks, platform=platform.value, seconds=10)[1:]:
        driven.feed(event, logged)
    assert numbers(driven, 7) == list(range(50))
    assert numbers(driven, 7 + 2**40) == list(range(50, 100))
    ends = {source: items[-1].position / 48_000 for source, items in driven.pcm.items()}
    assert 3 < ends[7] < 6
    assert ends[7 + 2**40] > 9


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("platform", Platform)
def test_who_was_silent_for_longest_gives_way_to_who_is_new(platform: Platform, continuous: bool) -> None:
    """400 sources, one after the other; the first one speaks again and again."""
    said = [csrc for new in range(400) for csrc in (1_000 + new, *([7] if new % 10 == 0 else []))]
    frames = [frame(3 * turn + n, csrc=csrc) for turn, csrc in enumerate(said) for n in range(3)]
    driven = drive(
        a_call(frames, platform=platform.value, seconds=30), 16_000, continuous=continuous, mixed=False
    )
    heard = {sent_by(item.payload)[0] for items in driven.packets.values() for item in items}
    assert heard == {7, *range(1_000, 1_400)}
    assert driven.packets.keys() == heard
    assert len(numbers(driven)) == 3 * 40
    assert len(list(driven.sound._sources.all())) <= MOST_SOURCES


def test_a_source_that_comes_back_into_its_slot_is_known_there() -> None:
    """Its new track is the one that has its slot, so a copy from another connection is one."""
    spoken = [*range(50), *range(2_250, 2_400)]
    frames = [frame(n) for n in spoken] + [frame(n, slot=1, delay=0.03) for n in spoken[50:]]
    others = [Tick(at=ZERO + second, wall=0, elapsed=0) for second in range(1, 50)]
    driven = drive(a_call(frames, *others, seconds=50), None)
    assert numbers(driven) == spoken


# Silence


def gap_at(number: int, missing: int) -> list[Frame]:
    """A sender that sends nothing in its pauses (DTX): the sequence goes on, time is left out."""
    return [frame(n if n < number else n + missing, sequence=n) for n in range(2 * number)]


def test_a_short_pause_is_filled_once_speech_goes_on() -> None:
    driven = drive(a_call(gap_at(50, 8)), 16_000)
    assert len(samples(driven.pcm[7])) == 108 * 320
    assert all(
        other.position == one.position + len(one.pcm) // 2 * 3 for one, other in pairwise(driven.pcm[7])
    )


def test_a_pause_is_not_sent() -> None:
    driven = drive(a_call(gap_at(50, 100)), 16_000)
    assert len(samples(driven.pcm[7])) == 100 * 320
    assert driven.packets[7][50].position == pytest.approx(3 * 48_000, abs=240)


def test_silence_is_sent_where_it_is_asked_for() -> None:
    ticks = [Tick(at=ZERO + number / 5, wall=0, elapsed=0) for number in range(1, 50)]
    driven = drive(a_call(gap_at(50, 100), *ticks, seconds=10), 16_000, continuous=True)
    chunks = driven.pcm[7]
    for one, other in pairwise(chunks):
        assert other.position == one.position + len(one.pcm) // 2 * 3
    assert len(samples(chunks)) / 16_000 == pytest.approx(9.6, abs=0.2)
    spoken = samples(chunks)
    assert not spoken[17_000:47_000].any()
    assert driven.packets[7][50].position == pytest.approx(3 * 48_000, abs=240)
    sent = [(logged, item) for logged, item in driven.items if isinstance(item, LivePcm)]
    assert all(logged - ZERO - item.position / 48_000 < 0.6 for logged, item in sent), "as time advances"


@st.composite
def interrupted(draw: st.DrawFn) -> list[Frame]:
    """Words and pauses of one speaker: packets that are lost or late by jitter, and a network that stands still."""
    rng = random.Random(draw(st.integers(0, 1 << 16)))
    jitter = draw(st.sampled_from([0.0, 0.05, 0.15, 0.3]))
    loss = draw(st.sampled_from([0.0, 0.05, 0.3]))
    frozen_at, frozen = draw(st.floats(0, 8)), draw(st.sampled_from([0.0, 0.5, 3.0]))
    frames, last = [], 0.0
    for sequence, n in enumerate(n for n in range(400) if n % 100 < 60):
        if rng.random() < loss:
            continue
        arrival = max(last + 0.0005, 0.02 * n + rng.random() * jitter)
        if frozen_at <= arrival < frozen_at + frozen:
            arrival = frozen_at + frozen + (arrival - frozen_at) / 1_000
        last = arrival
        frames.append(frame(n, sequence=sequence, at=arrival))
    return frames


@settings(max_examples=40, deadline=None)
@given(interrupted(), st.sampled_from(Platform))
def test_the_silent_stream_of_a_source_has_as_many_samples_as_time_passes(
    frames: list[Frame], platform: Platform
) -> None:
    ticks = [Tick(at=ZERO + number / 50, wall=0, elapsed=0) for number in range(1, 600)]
    driven = drive(
        a_call(frames, *ticks, platform=platform.value, seconds=12), 16_000, continuous=True, mixed=False
    )
    for chunks in driven.pcm.values():
        for one, other in pairwise(chunks):
            assert other.position == one.position + len(one.pcm) // 2 * 3
        assert chunks[-1].position > 11.5 * 48_000


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("frozen", [30, 70, 130])
def test_what_a_network_brings_that_stood_still_for_long_is_not_before_what_was_sent(
    frozen: int, platform: Platform
) -> None:
    """After a minute of silence a source is over, and its next word begins another stream."""
    frames = [
        frame(n, at=at if at < 10 else max(at, 10 + frozen + (at - 10) / 1_000), timestamp=960 * n)
        for n, at in ((n, 0.02 * n) for n in range(50 * (frozen + 20)))
    ]
    ticks = [Tick(at=ZERO + number / 5, wall=0, elapsed=0) for number in range(1, 5 * (frozen + 25))]
    events = a_call(frames, *ticks, platform=platform.value, seconds=frozen + 25)
    driven = drive(events, 16_000, continuous=True)
    for one, other in pairwise(driven.pcm[7]):
        assert other.position >= one.position + len(one.pcm) // 2 * 3
    assert driven.sound.trimmed > 0
    assert driven.sound.lost.separate >= driven.sound.trimmed / 16_000


@pytest.mark.parametrize("platform", Platform)
def test_jitter_does_not_cost_the_stream_a_word(platform: Platform) -> None:
    rng = random.Random(4)
    frames, last = [], 0.0
    for sequence, n in enumerate(n for n in range(3_000) if n % 100 < 60):
        last = max(last + 0.0005, 0.02 * n + rng.random() * 0.2)
        frames.append(frame(n, sequence=sequence, at=last))
    ticks = [Tick(at=ZERO + number / 50, wall=0, elapsed=0) for number in range(1, 3_000)]
    driven = drive(a_call(frames, *ticks, platform=platform.value, seconds=61), 16_000, continuous=True)
    assert len(numbers(driven)) == len(frames)
    assert driven.sound.trimmed == 0


@pytest.mark.parametrize("platform", Platform)
def test_losses_are_concealed_and_their_length_is_kept(platform: Platform) -> None:
    lost = (40, 41, 70)
    frames = [frame(n) for n in range(100) if n not in lost]
    driven = drive(a_call(frames, platform=platform), 48_000, mixed=True)
    assert numbers(driven) == [n for n in range(100) if n not in lost]
    speech = samples(driven.pcm[7])
    mix = samples([item for _, item in driven.items if isinstance(item, LiveMix)])
    assert len(speech) == 100 * 960
    for n in lost:
        assert speech[960 * n : 960 * n + 960].any()
    assert np.array_equal(mix[: len(speech)], speech)


# Bad packets


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x7b",
        b"\x7b\x00",
        bytes([0x7A, 255]),
        b"\xff" * 1_500,
        b"\x18" + b"\xff" * 200,
        b"\xf8\xff\xfe",
    ],
)
def test_what_is_no_sound_is_silent_and_costs_nobody_anything(payload: bytes) -> None:
    frames = [
        each
        for n in range(60)
        for each in (frame(n, payload=payload if n in (20, 21) else None), frame(n, csrc=8, slot=1))
    ]
    driven = drive(a_call(frames), 16_000, mixed=True)
    good = [n for n in range(60) if n not in (20, 21)]
    assert [n for n in numbers(driven) if n in good] == good
    assert numbers(driven, 8) == list(range(60))
    assert len(samples(driven.pcm[8])) == 60 * 320
    assert len(samples(driven.pcm[7])) >= 58 * 320


# The mix


def test_the_mix_is_the_sum_of_all_and_is_sent_as_time_advances() -> None:
    frames = [frame(n, csrc=csrc, slot=slot) for n in range(100) for csrc, slot in ((7, 0), (8, 1))]
    ticks = [Tick(at=ZERO + number / 5, wall=0, elapsed=0) for number in range(1, 50)]
    driven = drive(a_call(frames, *ticks, seconds=10), 48_000, mixed=True)
    mixed = [(logged, item) for logged, item in driven.items if isinstance(item, LiveMix)]
    mix = samples([item for _, item in mixed])
    expected = np.zeros(len(mix), np.int64)
    for chunk in (*driven.pcm[7], *driven.pcm[8]):
        pcm = np.frombuffer(chunk.pcm, "<i2")
        expected[chunk.position : chunk.position + len(pcm)] += pcm
    assert np.array_equal(mix, expected.clip(-32_768, 32_767))
    assert np.abs(mix).max() > 0
    lags = [logged - ZERO - item.position / 48_000 for logged, item in mixed if item.position > 0]
    assert max(lags) < PATIENCE + 0.2 + DEADLINE, "the next look after it is clear that no frames come"
    assert max(lags[:40]) < 0.04 + 2 * DEADLINE + 0.02 + 0.04


def ticking(events: list[LoggedEvent], every: float = 0.04) -> list[LoggedEvent]:
    """The events of a call, and looks for what is due between them."""
    count = int((events[-1].logged - ZERO) / every)
    times = [ZERO + number * every for number in range(1, count)]
    looks = [LoggedEvent(at, Tick(at=at, wall=0, elapsed=0)) for at in times]
    return sorted([*events, *looks], key=lambda each: each.logged)


def logged_later(events: list[LoggedEvent], lag: Callable[[int], float]) -> list[LoggedEvent]:
    """The events with each batch of frames ``lag`` of its number later, in order."""
    last, out = 0.0, []
    for number, (logged, event) in enumerate(events):
        last = max(last, logged + (lag(number) if isinstance(event, FrameBatch) else 0))
        out.append(LoggedEvent(last, event))
    return out


def talk(jitter: float = 0.0, freezes: tuple[float, float] = (0.0, 0.0)) -> list[Frame]:
    """12 s of two speakers, who pause; what is sent during a freeze of the network arrives at its end, at 4 times real time."""
    rng = random.Random(8)
    begin, length = freezes
    frames = []
    for csrc, slot in ((7, 0), (8, 1)):
        last = 0.0
        for n in (n for n in range(600) if n % 200 < 170 + 10 * slot):
            at = 0.02 * n + 0.03 + rng.random() * jitter
            at = (
                max(at, begin + length + (0.02 * n - begin) / 4)
                if begin <= at < begin + length * 4 / 3
                else at
            )
            last = max(at, last + 0.000_5)
            frames.append(
                frame(
                    n, csrc=csrc, slot=slot, sequence=n - n // 200 * (30 - 10 * slot), delay=last - 0.02 * n
                )
            )
    return frames


@pytest.mark.parametrize("jitter", [0.0, 0.1])
@pytest.mark.parametrize("freeze", [0.2, 0.4])
def test_the_mix_has_all_that_a_network_that_stands_still_delivers_late(jitter: float, freeze: float) -> None:
    driven = drive(ticking(a_call(talk(jitter, (5.0, freeze)), seconds=14)), 16_000, mixed=True)
    assert driven.sound.lost == LostSound(0.0, 0.0)
    assert sum(map(len, driven.packets.values())) == len(talk())


@pytest.mark.parametrize("lag", [0.05, 0.2, 0.4, 0.8])
def test_the_mix_has_all_that_comes_late_from_the_page(lag: float) -> None:
    events = [
        logged_later(a_call(talk(), seconds=14), lag_of)
        for lag_of in (lambda _: lag, lambda n: lag * (n % 50 == 20))
    ]
    steady, at_times = (drive(ticking(each), 16_000, mixed=True) for each in events)
    assert steady.sound.lost.mixed <= 2 * max(0.0, lag - PATIENCE), (
        "of both, until the first frames have shown it"
    )
    if lag < PATIENCE:
        assert at_times.sound.lost == LostSound(0.0, 0.0)


@pytest.mark.parametrize("ahead", [-0.8, -0.2, 0.05, 0.2, 0.9])
def test_a_document_whose_clock_is_wrong_costs_the_others_nothing(ahead: float) -> None:
    """Every tenth packet is overtaken by others, within the deadline."""
    frames = [frame(n, delay=0.05 if n % 10 == 5 else 0.0) for n in range(500)]
    alone = a_call(frames, seconds=12)
    batches = [each.logged for each in alone if isinstance(each.event, FrameBatch)]
    others = [
        LoggedEvent(
            logged,
            FrameBatch(2, 0, 0, [frame(2 * n, csrc=9, sequence=n, at=logged - ZERO - 0.005, delay=ahead)]),
        )
        for n, logged in enumerate(batches)
    ]
    events = sorted([*alone, *others], key=lambda each: each.logged)
    driven = drive(ticking(events), 16_000, mixed=True)
    assert numbers(driven) == list(range(500))
    assert driven.sound.lost == LostSound(0.0, 0.0)


def test_the_mix_waits_for_what_waits_for_missing_packets() -> None:
    """Others speak on meanwhile."""
    late = {100: 0.11, 101: 0.09, 102: 0.07}
    frames = [frame(n, delay=late.get(n, 0.0)) for n in range(200)]
    frames += [frame(n, csrc=8, slot=1) for n in range(200)]
    driven = drive(a_call(frames, batch=0.02), 16_000, mixed=True)
    assert numbers(driven) == list(range(200))
    assert driven.sound.lost == LostSound(0.0, 0.0)


@pytest.mark.parametrize("platform", Platform)
def test_what_came_too_late_is_counted_in_seconds(platform: Platform) -> None:
    frames = [frame(n, delay=0.2 if n in (20, 30) else 0) for n in range(100)]
    driven = drive(a_call(frames, platform=platform), 16_000, mixed=True)
    assert driven.sound.lost == pytest.approx((2 * PACKET_SECONDS,) * 2)


def test_on_teams_the_mix_is_the_track_without_a_wait() -> None:
    frames = [frame(n) for n in range(100)]
    driven = drive(a_call(frames, platform="microsoft_teams"), 16_000, mixed=True)
    mixed = [(logged, item) for logged, item in driven.items if isinstance(item, LiveMix)]
    spoken = samples(driven.pcm[7])
    assert np.array_equal(samples([item for _, item in mixed])[: len(spoken)], spoken)
    ends = [logged - ZERO - (item.position / 48_000 + len(item.pcm) / 32_000) for logged, item in mixed[5:50]]
    assert max(ends) < 0.04


def test_on_teams_a_second_track_with_the_same_packets_is_heard_once() -> None:
    frames = [frame(n, slot=slot, delay=0.03 * slot) for n in range(100) for slot in (0, 1)]
    driven = drive(a_call(frames, platform="microsoft_teams"), 16_000, mixed=True)
    assert numbers(driven) == list(range(100))
    once = drive(a_call([frame(n) for n in range(100)], platform="microsoft_teams"), 16_000)
    assert np.array_equal(samples(driven.pcm[7]), samples(once.pcm[7]))


def test_on_meet_a_second_connection_with_the_same_packets_is_heard_once() -> None:
    frames = [frame(n, slot=slot, delay=0.03 * slot) for n in range(100) for slot in (0, 1)]
    driven = drive(a_call(frames), 16_000)
    assert numbers(driven) == list(range(100))


def test_on_teams_whom_the_packet_lists_has_it() -> None:
    frames = [frame(n, csrcs=[(7,), (8, 7), (8,)][n // 40]) for n in range(120)]
    driven = drive(a_call(frames, platform="microsoft_teams"), 16_000)
    numbers_of: dict[int, list[Any]] = {
        source: [sent_by(item.payload)[1] for item in items] for source, items in driven.packets.items()
    }
    assert numbers_of == {7: list(range(80)), 8: list(range(40, 120))}
    assert {chunk.isolation for chunks in driven.pcm.values() for chunk in chunks} == {Isolation.GATED_MIX}


# Beginning, pauses, end


def test_frames_from_before_the_beginning_count_if_they_arrived_after_it() -> None:
    driven = LiveDrive(MEET, None)
    events = a_call(frame(number) for number in range(100))[2:-1]
    for logged, event in events[:30]:
        driven.feed(event, logged)
    assert driven.items == []
    driven.sound.begin(ZERO + 0.5)
    for logged, event in events[30:]:
        driven.feed(event, logged)
    assert numbers(driven) == list(range(25, 100))
    assert places(driven)[50] == pytest.approx(0.5, abs=0.003)


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("missing", [20, 150])
def test_after_a_pause_of_the_recording_the_sound_goes_on_at_its_place(
    missing: int, platform: Platform
) -> None:
    """Time and sequence go on while nothing arrives: what is missing is no loss."""
    goes_on = 100 + missing
    frames = [frame(n) for n in (*range(100), *range(goes_on, goes_on + 100))]
    resumed = RecordingResumed(at=ZERO + 0.02 * goes_on - 0.01)
    driven = drive(a_call(frames, resumed, platform=platform), 16_000, mixed=True)
    assert numbers(driven) == [*range(100), *range(goes_on, goes_on + 100)]
    assert places(driven)[goes_on] == pytest.approx(0.02 * goes_on, abs=0.003)
    assert len(samples(driven.pcm[7])) == 200 * 320, "nothing is concealed"


@pytest.mark.parametrize("platform", Platform)
def test_a_pause_before_the_beginning_is_no_loss_either(platform: Platform) -> None:
    """The recording is paused and goes on, before it is known when it began."""
    driven = LiveDrive(platform, 16_000)
    frames = [frame(n) for n in (*range(10), *range(30, 130))]
    events = a_call(frames, RecordingResumed(at=ZERO + 0.59), platform=platform.value)
    for logged, event in events[2:-1]:
        driven.feed(event, logged)
    driven.sound.begin(ZERO)
    driven.feed(events[-1].event, events[-1].logged)
    assert numbers(driven) == [*range(10), *range(30, 130)]
    assert len(samples(driven.pcm[7])) == 110 * 320, "nothing is concealed"


def test_the_end_sends_what_waits() -> None:
    frames = [frame(number) for number in range(100) if number != 97]
    driven = drive(a_call(frames, seconds=2.01), 16_000, mixed=True)
    assert numbers(driven)[-2:] == [98, 99]
    mix = samples([item for _, item in driven.items if isinstance(item, LiveMix)])
    assert len(mix) == 100 * 320


def test_nothing_comes_before_the_beginning_and_closing_a_document_is_no_event_of_sound() -> None:
    driven = LiveDrive(MEET)
    assert driven.sound.advance(ZERO) == driven.sound.end() == []
    driven.feed(DocumentClosed(at=ZERO, document=1), ZERO)
    assert driven.items == []


def test_without_a_rate_nothing_is_decoded() -> None:
    driven = drive(a_call(frame(number) for number in range(20)), None, mixed=True)
    assert {type(item) for _, item in driven.items} == {LiveOpus}


# Packets that are late


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize(("length", "speed"), [(0.5, 1.5), (4.0, 1.5), (2.0, 4.0), (8.0, 1_000.0)])
@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_what_a_stalled_network_delivers_late_is_sent_and_goes_back_to_its_place(
    pause: float, length: float, speed: float, platform: Platform
) -> None:
    """The first late packets may be those of a clock that stood still; those after them show that they were queued."""
    frames = []
    sent: dict[int, float] = {}
    for n in range(1_000):
        at = sent[n] = 0.02 * n + (pause if n >= 250 else 0)
        late = at - 5.0
        arrival = at if late < 0 else max(at, 5.0 + length + late / speed)
        frames.append(frame(n, at=arrival, timestamp=round(48_000 * at)))
    events = a_call(frames, seconds=40, platform=platform)
    driven = drive(events, 16_000, mixed=True)
    errors = [abs(place - sent[n]) for n, place in places(driven).items()]
    assert numbers(driven) == list(range(1_000))
    assert sum(error > 0.04 for error in errors) <= 40, "less than a second of speech"
    assert max(errors[300:]) <= 0.01
    silent = drive(events, 16_000, continuous=True)
    for one, other in pairwise(silent.pcm[7]):
        assert other.position == one.position + len(one.pcm) // 2 * 3
    spoken = sum(np.count_nonzero(samples([chunk])) for chunk in driven.pcm[7])
    assert spoken >= 0.9 * 1_000 * 320


@pytest.mark.parametrize("words", [1, 5, 25])
@pytest.mark.parametrize("pause", [1.5, 60.0])
def test_a_clock_that_stood_still_in_mute_places_words_by_their_arrival(words: int, pause: float) -> None:
    """Timestamps and sequence numbers go on as if there had been no pause."""
    rng = random.Random(words)
    frames: list[Frame] = []
    meant: list[float] = []
    at = 1.0
    for count in (150, words, words, words):
        for _ in range(count):
            frames.append(frame(len(frames), at=at, timestamp=960 * len(frames), delay=rng.random() * 0.01))
            meant.append(at)
            at += 0.02
        at += pause
    driven = drive(a_call(frames, seconds=at), None)
    assert [places(driven)[n] for n in range(len(meant))] == pytest.approx(meant, abs=0.03)


# Long streams


@pytest.mark.parametrize("ppm", [-400, 400])
@pytest.mark.parametrize("platform", Platform)
def test_a_sender_whose_clock_drifts_and_who_never_pauses_stays_at_its_place(
    ppm: float, platform: Platform
) -> None:
    """Five minutes at 400 ppm: 120 ms. Every 25th packet is quiet, as speech is between words."""
    rng = random.Random(5)
    pace = 1 - ppm / 1e6
    frames = [
        frame(
            n,
            at=0.02 * n * pace,
            delay=rng.random() * 0.01,
            level=0.001 if n % 25 == 0 else 0.1,
        )
        for n in range(15_000)
    ]
    driven = drive(a_call(frames, seconds=310, platform=platform.value), None)
    errors = [place - 0.02 * n * pace for n, place in places(driven).items()]
    assert max(map(abs, errors)) <= 0.04
    assert len(errors) >= 15_000 - 7, "only what the drift is corrected by is left out"
