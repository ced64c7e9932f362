"""The mix by several processes has the samples of the mix by one, also where a process dies."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import psutil
import pytest

from fixtures.replica.voices import load_voice
from tests.support.kept_samples import KeptSamples
from worker.audio.mixer import Mix, Mixer, MixInput, OpenMix, Sums
from worker.audio.partial_mix import ring_bytes
from worker.rendering import decoding_process, parallel_mixer, partial_decoding
from worker.rendering.parallel_mixer import (
    SECONDS_AHEAD,
    SHORT_TAPE,
    ParallelMixer,
    mixing_on,
    parallel_mixes,
)

VOICES = [
    [packet.payload for packet in load_voice(name).speech] for name in ("aria", "bruno", "chiara", "dmitri")
]
PACKET = 960
SECOND = 48_000


class Meeting:
    """Speech of four people, in order of time: each has talk-spurts of 0.3 to 6 s, in which packets are lost, and pauses."""

    def __init__(self, seconds: int, seed: int = 1, *, pause: float = 1.5, loss: float = 0.02) -> None:
        rng = random.Random(seed)
        self.seconds = seconds
        self.calls: list[tuple[int, int, bytes]] = []
        """(position, person, payload); a packet without a payload is lost."""
        for person, voice in enumerate(VOICES):
            position = rng.randrange(SECOND)
            while position < (seconds - 7) * SECOND:
                for number in range(rng.randrange(15, 300)):
                    lost = number and rng.random() < loss
                    self.calls.append((position, person, b"" if lost else voice[rng.randrange(len(voice))]))
                    position += PACKET
                position += int(rng.expovariate(1) * pause * 400) * 120
        self.calls.sort()

    def play(self, mix: Mix, first: int, end: int, inputs: list[MixInput]) -> None:
        """What is said from second ``first`` to ``end``, written a second later."""
        for second in range(first, end):
            for position, person, payload in self.calls:
                if second * SECOND <= position < (second + 1) * SECOND:
                    if payload:
                        inputs[person].speak(position, PACKET, payload)
                    else:
                        inputs[person].conceal(position, PACKET)
            mix.write_until(second * SECOND)

    def mixed(self, open_mix: OpenMix, *, end: int | None = None) -> Sums:
        sink = KeptSamples()
        mix = open_mix(sink)
        self.play(mix, 0, self.seconds, [mix.open_input() for _ in VOICES])
        mix.close(self.seconds * SECOND if end is None else end)
        assert sink.closed
        return sink.samples


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert children() == []


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if decoding_process.__name__ in command(child)]


def command(child: psutil.Process) -> list[str]:
    """A process has no command line for a moment after it was started, and none once it ends; which takes a while if it has
    much memory to give back.
    """
    deadline = time.monotonic() + 10
    with suppress(psutil.NoSuchProcess):
        while not (words := child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, child
            time.sleep(0.001)
        return words
    return []


@pytest.mark.parametrize(("processes", "seed"), [(1, 1), (2, 2), (3, 3)])
def test_the_samples_are_those_of_one_process(processes: int, seed: int) -> None:
    meeting = Meeting(20, seed)
    with mixing_on(processes) as open_mix:
        assert np.array_equal(meeting.mixed(open_mix), meeting.mixed(Mixer))


@pytest.mark.parametrize(
    "end", [20 * SECOND, 20 * SECOND + 120, 21 * SECOND - 120, (3 * SECONDS_AHEAD + 20) * SECOND + 4_800]
)
def test_the_mix_ends_where_the_recording_ends(end: int) -> None:
    meeting = Meeting(20)
    with mixing_on(2) as open_mix:
        mixed = meeting.mixed(open_mix, end=end)
    assert len(mixed) == end
    assert np.array_equal(mixed, meeting.mixed(Mixer, end=end))


def test_the_tape_may_be_read_far_ahead() -> None:
    meeting = Meeting(2 * SECONDS_AHEAD + 10, pause=0.2)
    with mixing_on(2) as open_mix:
        assert np.array_equal(meeting.mixed(open_mix), meeting.mixed(Mixer))


def test_people_who_never_pause_are_decoded_by_different_processes() -> None:
    with mixing_on(3) as open_mix:
        mix = open_mix(KeptSamples())
        assert isinstance(mix, ParallelMixer)
        inputs = [mix.open_input() for _ in range(3)]
        for number in range(100):
            for voice, input_ in zip(VOICES, inputs, strict=False):
                input_.speak(number * PACKET, PACKET, voice[number])
        assert [len(worker.calls) for worker in mix._children] == [100] * 3


@pytest.mark.parametrize(
    ("processes", "shares"), [(1, [200, 100]), (2, [200, 100, 0]), (3, [100, 100, 100, 0])]
)
def test_this_process_decodes_where_it_has_less_to_do_than_the_others(
    processes: int, shares: list[int]
) -> None:
    """It also reads the tape, so of three people who never pause it takes one beside one child, and none beside more."""
    with mixing_on(processes) as open_mix:
        mix = open_mix(KeptSamples())
        assert isinstance(mix, ParallelMixer)
        inputs = [mix.open_input() for _ in range(3)]
        for number in range(100):
            for voice, input_ in zip(VOICES, inputs, strict=False):
                input_.speak(number * PACKET, PACKET, voice[number])
        assert [len(worker.calls) for worker in mix._workers] == shares


@pytest.mark.parametrize(("finished", "gets"), [(24, "child"), (12, "child"), (0, "own")])
def test_a_process_that_lags_gets_less(finished: int, gets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_mixer, "SECONDS_AHEAD", 32)
    monkeypatch.setattr(parallel_mixer, "SECONDS_AT_ONCE", 8)
    with mixing_on(1) as open_mix:
        mix = open_mix(KeptSamples())
        assert isinstance(mix, ParallelMixer)
        (child,) = mix._children
        calls = [(0, number * PACKET, PACKET, VOICES[0][number]) for number in range(100)]
        child.calls.extend(calls)
        mix._own.calls.extend(calls[:60])
        mix._sent = 24
        monkeypatch.setattr(partial_decoding.ChildProcess, "finished", finished)
        mix.open_input().speak(0, PACKET, VOICES[1][0])
        assert [len(child.calls), len(mix._own.calls)] == ([101, 60] if gets == "child" else [100, 61])


def test_a_talk_spurt_goes_to_the_process_that_has_the_least_to_do() -> None:
    with mixing_on(2) as open_mix:
        mix = open_mix(KeptSamples())
        assert isinstance(mix, ParallelMixer)
        one, other = mix.open_input(), mix.open_input()
        other_spoke = 10
        for number in range(100):
            one.speak(number * PACKET, PACKET, VOICES[0][number])
            if number < other_spoke:
                other.speak(number * PACKET, PACKET, VOICES[1][number])
        assert [len(worker.calls) for worker in mix._children] == [100, other_spoke]
        for number in range(100, 200):
            one.speak(120 + number * PACKET, PACKET, VOICES[0][number])
        assert [len(worker.calls) for worker in mix._children] == [100, other_spoke + 100]


@cache
def long_meeting(seed: int) -> tuple[Meeting, Sums]:
    """A meeting that is longer than the mix may run ahead, and its samples by one process."""
    meeting = Meeting(SECONDS_AHEAD + 20, seed, pause=0.5)
    return meeting, meeting.mixed(Mixer)


@pytest.mark.parametrize("dead", [[0], [1], [0, 1]])
@pytest.mark.parametrize("second", [0, 3, SECONDS_AHEAD + 5, SECONDS_AHEAD + 19])
def test_a_process_that_dies_costs_no_sample(
    second: int, dead: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    meeting, expected = long_meeting(seed=second)
    sink = KeptSamples()
    with mixing_on(2) as open_mix:
        mix = open_mix(sink)
        inputs = [mix.open_input() for _ in VOICES]
        meeting.play(mix, 0, second, inputs)
        running = children()
        for number in dead:
            running[number].kill()
            running[number].wait()
        meeting.play(mix, second, meeting.seconds, inputs)
        mix.close(meeting.seconds * SECOND)
    assert np.array_equal(sink.samples, expected)
    assert len(caplog.records) == len(dead)


def test_a_process_that_dies_in_an_endless_talk_spurt_costs_no_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The bound on what is kept has a price there: a decoder that begins within speech need not agree to the last bit."""
    monkeypatch.setattr(parallel_mixer, "SECONDS_AHEAD", 4)
    monkeypatch.setattr(parallel_mixer, "SECONDS_AT_ONCE", 1)
    monkeypatch.setattr(parallel_mixer, "MOST_LOGGED", 400)
    speech = [VOICES[0][number % len(VOICES[0])] for number in range(30 * 50)]
    mixed = []
    for open_mix in (Mixer, None):
        sink = KeptSamples()
        with mixing_on(1) as parallel:
            mix = (open_mix or parallel)(sink)
            voice = mix.open_input()
            for number, payload in enumerate(speech):
                voice.speak(number * PACKET, PACKET, payload)
                if number % 50 == 49:
                    mix.write_until((number // 50) * SECOND)
                if number == 1_000 and open_mix is None:
                    (child,) = children()
                    child.kill()
                    child.wait()
            mix.close(30 * SECOND)
        mixed.append(sink.samples)
    expected, actual = mixed
    assert len(actual) == len(expected)
    assert np.array_equal(actual[: 14 * SECOND], expected[: 14 * SECOND])
    difference = (actual - expected).astype(np.float64)
    assert np.sqrt((difference**2).mean()) < 0.02 * np.sqrt((expected.astype(np.float64) ** 2).mean())
    assert "has died" in caplog.text


@pytest.mark.parametrize("dies", [False, True])
def test_packets_that_cannot_be_decoded_are_counted_for_all_voices(dies: bool) -> None:
    with mixing_on(2) as open_mix:
        mix = open_mix(KeptSamples())
        for number in range(3):
            mix.open_input().speak(number, 5_760, b"\xfb\x3f\xff\xff")
        assert mix.undecodable == 0
        if dies:
            for child in children():
                child.kill()
                child.wait()
        mix.close(SECOND)
        assert mix.undecodable == 3


def test_without_a_process_one_mixes_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[object] = []

    class Refused(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **kwargs: object) -> None:
            if started:
                raise BlockingIOError("no more processes")
            started.append(self)
            super().__init__(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Refused)
    with mixing_on(2) as open_mix:
        assert isinstance(open_mix(KeptSamples()), Mixer)
        assert children() == []
    assert "no more processes" in caplog.text


def test_a_mix_that_is_given_up_leaves_no_process() -> None:
    with pytest.raises(ZeroDivisionError), mixing_on(2) as open_mix:
        mix = open_mix(KeptSamples())
        mix.open_input().speak(0, PACKET, VOICES[0][0])
        mix.write_until(SECOND)
        assert len(children()) == 2
        raise ZeroDivisionError


def test_a_process_ends_with_its_parent() -> None:
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, ring_bytes(1))
    process = subprocess.Popen(
        [sys.executable, "-m", decoding_process.__name__, str(descriptor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[descriptor],
    )
    os.close(descriptor)
    assert process.communicate(b"\x10\0\0\0cut", timeout=60) == (b"", b"")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("processors", "size", "processes"),
    [(1, SHORT_TAPE, 0), (2, SHORT_TAPE - 1, 0), (2, SHORT_TAPE, 1), (3, SHORT_TAPE, 2), (64, SHORT_TAPE, 3)],
)
def test_the_processes_for_a_tape(
    processors: int, size: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_mixer, "usable_processors", lambda: processors)
    for number in range(2):
        with (tmp_path / f"part-{number:06d}.mcap").open("wb") as part:
            part.truncate(size // 2 + number * (size % 2))
    (tmp_path / "other").write_bytes(bytes(1_000))
    with parallel_mixes(tmp_path) as open_mix:
        mix = open_mix(KeptSamples())
        assert len(children()) == processes
        assert isinstance(mix, ParallelMixer if processes else Mixer)
