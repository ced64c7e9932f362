"""Whatever a live consumer does, the recording is the same to the byte, and those beside it hear everything."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
import pytest

from fixtures.replica.scenario import Participant, Scenario
from tests.support.bad_consumers import BAD, Bad, Consuming, Trouble, good
from tests.support.live_driving import recut
from tests.support.live_heard import Heard, assert_is_told_what_it_lost
from tests.support.live_recordings import THREADS, LiveRecording, record
from tests.support.plan_tapes import logged_plan_tape
from tests.support.stepped_loop import run_stepped
from worker.settings import LiveOptions
from worker.tape.codec import LoggedEvent

SINCE: Final = 4.0
"""Seconds of the meeting after which consumers are bad, for a minute."""

SECONDS: Final = 72.0

CALL: Final = Scenario(
    title="somebody always speaks, sometimes three at once; one leaves and comes back, one is renamed",
    duration=SECONDS,
    participants=[
        Participant(name="Ada Ray", voice="aria", csrc=7001, host=True,
                    says=[(start, start + 6.0) for start in np.arange(0.5, 66.0, 9.0).tolist()],
                    renames=[(30.0, "Ada Roy")]),
        Participant(name="Ben Oak", voice="bruno", csrc=7002,
                    says=[(start, start + 5.0) for start in np.arange(5.0, 66.0, 9.0).tolist()],
                    mutes=[(46.2, 49.6)]),
        Participant(name="Cleo Fir", voice="chiara", csrc=7003, says=[(2.0, 4.0), (8.0, 11.0)], leaves=40.0),
        Participant(name="Cleo Fir", voice="chiara", csrc=7004, says=[(52.0, 54.0), (66.0, 70.0)], joins=50.0),
    ],
)  # fmt: skip

LATE: Final = 0.5
"""Seconds that an attempt may take from the meeting's end on: nobody waits for a consumer."""

MOST_QUEUED: Final = 0.15
"""Of all that is sent to a consumer, which may wait at once: 5 s of sound of 72 s are 0.07."""


@pytest.fixture(scope="module")
def events() -> list[LoggedEvent]:
    return list(recut(LoggedEvent(logged, event) for event, logged in logged_plan_tape(CALL)))


@pytest.fixture(scope="module")
def alone(events: list[LoggedEvent], tmp_path_factory: pytest.TempPathFactory) -> LiveRecording:
    """The recording without any consumer."""
    return run_stepped(record(tmp_path_factory.mktemp("alone"), events), THREADS)


@pytest.fixture(scope="module")
def with_good(events: list[LoggedEvent], tmp_path_factory: pytest.TempPathFactory) -> LiveRecording:
    """The recording with one consumer that reads everything."""
    folder = tmp_path_factory.mktemp("good")
    return run_stepped(record(folder, events, lambda _: [good(Trouble(inf, inf))]), THREADS)


@pytest.fixture(scope="module")
def whole(with_good: LiveRecording) -> Heard:
    """What a consumer hears that reads everything."""
    return Heard(with_good.texts[0])


def heard_on(*connections: str) -> Heard:
    """Events with names of one letter, by connection."""
    heard = Heard([])
    for names in connections:
        events: list[tuple[str, str, str | None, float]] = [("update", "1", name, 0.0) for name in names]
        heard.events += events
        heard.events_on[uuid4()] = events
    return heard


@pytest.mark.parametrize("connections", [["abcd"], ["abc", "cd"], ["ab", "ab", "abcd"], ["a", "bcd"]])
def test_what_was_not_confirmed_may_come_again_on_the_next_connection(connections: list[str]) -> None:
    assert_is_told_what_it_lost(heard_on(*connections), heard_on("abcd"), late=False)


@pytest.mark.parametrize(
    "connections", [["abccd"], ["abcda"], ["abc", "dc"], ["abc", "acd"], ["a", "a", "a", "abcd"], ["acbd"]]
)
def test_nothing_else_may_come_again(connections: list[str]) -> None:
    with pytest.raises(AssertionError):
        assert_is_told_what_it_lost(heard_on(*connections), heard_on("abcd"), late=True)


def assert_same_files(recording: LiveRecording, alone: LiveRecording) -> None:
    assert recording.files.keys() == alone.files.keys()
    different = [path for path, data in recording.files.items() if data != alone.files[path]]
    assert not different


def assert_hears_everything(heard: Heard, whole: Heard) -> None:
    assert heard.packets == whole.packets
    assert heard.events == whole.events
    assert heard.seconds == whole.seconds
    assert not heard.gaps


def test_a_consumer_changes_nothing_of_a_recording(
    alone: LiveRecording, with_good: LiveRecording, whole: Heard
) -> None:
    assert_same_files(with_good, alone)
    kinds = {Path(path).suffix for path in alone.files}
    assert {".mcap", ".webm", ".wav", ".json"} <= kinds
    assert sum(path.startswith("recording/tape/") for path in alone.files) > SECONDS / 10
    spoken = sum(end - start for person in CALL.participants for start, end in person.says)
    assert sum(map(len, whole.packets.values())) >= 0.95 * spoken / 0.02
    assert not whole.gaps
    assert {action for action, *_ in whole.events} >= {"join", "leave", "update", "speech_on", "speech_off"}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_consumer_costs_neither_the_recording_nor_others_and_is_told_what_it_lost(
    bad: Bad, events: list[LoggedEvent], alone: LiveRecording, whole: Heard, tmp_path: Path
) -> None:
    def consumers(zero: float) -> list[Consuming]:
        trouble = Trouble(zero + SINCE, zero + SINCE + bad.seconds)
        return [bad.open(trouble), good(trouble)]

    recording = run_stepped(record(tmp_path, events, consumers), THREADS)
    assert_same_files(recording, alone)
    assert recording.left_after < LATE
    theirs, others = map(Heard, recording.texts)
    assert_hears_everything(others, whole)
    assert recording.states.count((0, "running")) == 1
    assert recording.states[-2:] in ([(0, "done"), (1, "done")], [(1, "done"), (0, "done")])

    assert recording.most_queued <= MOST_QUEUED * others.bytes
    back = SINCE + bad.seconds
    if theirs.packets:
        assert theirs.from_on(back) == others.from_on(back), "it has recovered"
        assert bool(theirs.gaps) == bad.loses
        assert_is_told_what_it_lost(theirs, others, late=bad.late)
    else:
        assert theirs.events == others.events


@pytest.mark.timeout(300)
@pytest.mark.parametrize("connections", ["endpoint", "participant"])
def test_ten_bad_consumers_of_twenty_cost_neither_the_recording_nor_the_good_ones(
    connections: str,
    events: list[LoggedEvent],
    alone: LiveRecording,
    whole: Heard,
    tmp_path: Path,
) -> None:
    """Half of the bad ones are still bad at the end."""

    def consumers(zero: float) -> list[Consuming]:
        opened = []
        for number, bad in enumerate([*BAD.values()][:10]):
            until = inf if number % 2 else zero + SINCE + bad.seconds
            opened += [bad.open(Trouble(zero + SINCE, until)), good(Trouble(inf, inf))]
        return opened

    options = LiveOptions(allow_plain=True, connections=connections)  # type: ignore[arg-type]
    recording = run_stepped(record(tmp_path, events, consumers, options), THREADS)
    assert_same_files(recording, alone)
    assert recording.left_after < LATE
    for texts in recording.texts[1::2]:
        heard = Heard(texts)
        if connections == "endpoint":
            assert_hears_everything(heard, whole)
        else:
            assert heard.packets == whole.packets
    assert recording.most_queued <= 10 * MOST_QUEUED * Heard(recording.texts[1]).bytes
