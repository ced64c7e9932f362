"""Page times on the worker's clock: steps of the system's clock, a suspended machine, stalls, and pages with false times."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.browser.page_clock import LONGEST_TRAVEL, MOST_DOCUMENTS, Context, PageClock, Reading, Translation

UNIX = 1_800_000_000.0
STEPS = (6.0, -6.0, 0.3, -0.3, 20.0, -20.0, 60.0, -60.0, 3600.0, -3600.0)


@dataclass
class Machine:
    """The clocks of a machine whose system clock can be set, and which can be suspended. ``now`` is true time."""

    now: float = 1000.0
    suspended: float = 0.0
    wall_offset: float = UNIX
    clock: PageClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = PageClock(self.read())

    @property
    def steady(self) -> float:
        return UNIX + self.now

    def read(self) -> Reading:
        return Reading(self.steady, 77.0 + self.suspended, self.wall_offset + self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def suspend(self, seconds: float) -> None:
        self.now += seconds
        self.suspended += seconds


class Document:
    """A page's document on a machine: its clock does not count while the machine is suspended."""

    def __init__(self, machine: Machine, number: int = 1, travel: float = 0.004, shift: float = 0.0) -> None:
        self._machine = machine
        self.number = number
        self._origin = machine.wall_offset + machine.suspended + shift
        sent = self.time
        machine.wait(travel)
        machine.clock.open(number, sent, machine.read())
        machine.wait(1.0)

    @property
    def time(self) -> float:
        return self._origin + self._machine.now - self._machine.suspended

    def send(
        self, travel: float = 0.004, *, sent: float | None = None, context: Context = Context.WEB_WORKER
    ) -> Translation:
        sent = self.time if sent is None else sent
        self._machine.wait(travel)
        return self._machine.clock.receive(self.number, context, sent, self._machine.read())

    def error(self, age: float = 0.1, travel: float = 0.004) -> float:
        """By how much the time of what happened ``age`` seconds before it is sent is translated wrongly."""
        happened, true = self.time - age, self._machine.steady - age
        return self.send(travel)(happened) - true


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", ["before", "lobby", "call", "between"])
def test_a_step_of_the_systems_clock_changes_nothing(step: float, moment: str) -> None:
    machine = Machine()
    errors = []

    def at(name: str) -> None:
        machine.wait(1.0)
        machine.wall_offset += step * (name == moment)

    at("before")
    lobby = Document(machine, 1)
    errors.append(lobby.error())
    at("lobby")
    errors.append(lobby.error())
    call = Document(machine, 2)
    errors.append(call.error())
    at("call")
    errors += [call.error(), lobby.error()]
    machine.clock.forget(2)
    at("between")
    errors.append(Document(machine, 3).error())
    assert errors == pytest.approx([0.0] * len(errors), abs=0.001)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_the_worker_did_not_see_is_found_to_the_fastest_message(step: float) -> None:
    machine = Machine()
    document = Document(machine, travel=0.5, shift=step)
    for travel in (0.4, 0.02, 0.3, 0.05):
        document.send(travel)
    if 0 < -step < LONGEST_TRAVEL:
        assert document.error() == pytest.approx(step, abs=0.001)
    else:
        assert 0 <= document.error() <= 0.021


@pytest.mark.parametrize("seconds", [0.5, 60.0, 8 * 3600.0])
def test_a_suspended_machine_counts(seconds: float) -> None:
    machine = Machine()
    document = Document(machine)
    assert document.error() == pytest.approx(0.0, abs=0.001)
    before, true_before = document.time, machine.steady
    machine.wait(1.0)
    document.send()
    machine.suspend(seconds)
    machine.wait(0.5)
    assert document.error() == pytest.approx(0.0, abs=0.001)
    assert document.send()(before) == pytest.approx(true_before, abs=0.001)
    assert Document(machine, 2).error() == pytest.approx(0.0, abs=0.001)


@pytest.mark.parametrize("stall", [0.3, 2.0, 4.9, 120.0])
def test_a_stall_moves_nothing(stall: float) -> None:
    machine = Machine()
    document = Document(machine)
    document.send()
    for _ in range(50):
        assert document.error(travel=stall) == pytest.approx(0.0, abs=0.001)
    assert document.error() == pytest.approx(0.0, abs=0.001)


def test_first_messages_that_were_stalled_do_not_count_as_another_origin() -> None:
    machine = Machine()
    document = Document(machine, travel=3.0)
    assert document.error(travel=4.0) == pytest.approx(0.0, abs=0.001)


def test_noise_of_the_workers_own_clocks_is_no_suspension() -> None:
    machine = Machine()
    document = Document(machine)
    noise = random.Random(1)
    for _ in range(1000):
        sent = document.time
        machine.wait(0.02)
        read = machine.read()
        # The process was paused between two reads.
        late = read._replace(
            suspended=read.suspended - noise.random(), wall=read.wall + noise.random() * 0.01
        )
        machine.clock.receive(1, Context.WEB_WORKER, sent, late)
    assert document.error() == pytest.approx(0.0, abs=0.001)


def test_window_and_web_worker_may_have_other_origins() -> None:
    machine = Machine()
    document = Document(machine)
    translate = machine.clock.receive(1, Context.WEB_WORKER, document.time - 777.0, machine.read())
    assert translate(document.time - 777.0 - 0.001) == pytest.approx(machine.steady - 0.001, abs=0.0011)
    assert document.send(context=Context.WINDOW)(document.time) == pytest.approx(machine.steady, abs=0.005)


times = st.floats(allow_nan=False, allow_infinity=False)


@given(sent=st.lists(times, min_size=1, max_size=5), claimed=times)
def test_what_a_page_claims_stays_between_the_taps_beginning_and_now(
    sent: list[float], claimed: float
) -> None:
    machine = Machine()
    begun = machine.steady
    machine.wait(100.0)
    for each in sent:
        machine.wait(1.0)
        translate = machine.clock.receive(5, Context.WINDOW, each, machine.read())
        assert begun - 0.001 <= translate(claimed) <= machine.steady


@given(claimed=times)
def test_one_false_time_of_a_page_reaches_back_to_its_opening_at_most(claimed: float) -> None:
    machine = Machine()
    machine.wait(3600.0)
    opened = machine.steady
    document = Document(machine)
    machine.wait(10.0)
    assert opened - 0.001 <= document.send()(claimed) <= machine.steady


def test_false_times_of_a_page_move_no_other_document() -> None:
    machine = Machine()
    honest, liar = Document(machine, 1), Document(machine, 2)
    for sent in (1e11, 0.0, 5e9):
        liar.send(sent=sent)
        assert honest.error() == pytest.approx(0.0, abs=0.001)


def test_documents_beyond_the_bound_have_the_time_of_reception() -> None:
    machine = Machine()
    for number in range(MOST_DOCUMENTS):
        machine.clock.receive(number, Context.WINDOW, 1.0, machine.read())
    document = Document(machine, MOST_DOCUMENTS)
    assert document.send()(document.time - 5) == machine.steady
    machine.clock.forget(0)
    assert Document(machine, MOST_DOCUMENTS + 1).error() == pytest.approx(0.0, abs=0.001)


@given(sent=st.lists(times, min_size=1, max_size=5), claimed=times)
def test_no_page_claims_to_have_opened_before_there_was_one(sent: list[float], claimed: float) -> None:
    machine = Machine()
    begun = machine.steady
    machine.wait(100.0)
    document = Document(machine)
    for each in sent:
        document.send(sent=each, context=Context.WINDOW)
        assert begun - 0.001 <= document.send()(claimed) <= machine.steady


def test_a_suspension_after_many_messages_counts() -> None:
    machine = Machine()
    document = Document(machine)
    for _ in range(3000):
        document.send()
    machine.suspend(600.0)
    machine.wait(1.0)
    assert document.error() == pytest.approx(0.0, abs=0.001)
