from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.page_tasks import (
    ALONE_FOR,
    KEEPALIVES,
    MOST_TRIES,
    PUSH_WINDOW,
    RETRY_AFTER,
    UNSEEN_FOR,
    PageTask,
    PageTasks,
    TaskOutcome,
)
from worker.lifecycle.presence import LONGEST_PAUSE
from worker.roster.roster import Device, Evidence, Roster, SourceOwner, Status
from worker.tape.events import ChannelMessage, DocumentClosed, TapeEvent

T0 = 1_800_000_000.0
LIMIT = 300.0
EMPTY = Roster()
QUIET = MediaState()
PATIENT = LeavePolicy(noone_joined=LIMIT + 1)
US = Device(device_id="us", is_us=True, status=Status.IN)
ADA = Device(device_id="ada", name="Ada", name_evidence=Evidence.COLLECTIONS, status=Status.IN)
SHOWN = Device(device_id="ben", name="Ben", name_evidence=Evidence.TILES)


def roster(*devices: Device, sources: dict[int, str] | None = None) -> Roster:
    owned = {
        source: SourceOwner(device_id=device, evidence=(Evidence.COLLECTIONS,))
        for source, device in (sources or {}).items()
    }
    return Roster(devices={each.device_id: each for each in (US, *devices)}, sources=owned)


def is_push(event: TapeEvent) -> bool:
    return isinstance(event, ChannelMessage) and event.label == "collections"


def push(at: float, document: int = 1) -> ChannelMessage:
    return ChannelMessage(at=at, document=document, connection=0, label="collections", payload=b"")


def heard(source: int, at: float) -> MediaState:
    return MediaState(sources={source: at}, last_speech=at)


class Run:
    """Looks once a second; what is due gets ``outcome``."""

    def __init__(self, policy: LeavePolicy = PATIENT, limit: float | None = LIMIT) -> None:
        self.tasks = PageTasks(policy, "Notes", limit, is_push)
        self.outcome = TaskOutcome.DONE
        self.now = T0
        self.done: list[tuple[PageTask, float]] = []

    def stay(
        self,
        seconds: float,
        seen: Roster = EMPTY,
        media: Callable[[float], MediaState] = lambda at: QUIET,
        pushes_every: float | None = None,
    ) -> list[PageTask]:
        """What was due meanwhile."""
        before = len(self.done)
        for second in range(int(seconds)):
            if pushes_every is not None and second % pushes_every == 0:
                self.tasks.observe(push(self.now))
            task = self.tasks.due(seen, media(self.now), self.now)
            if task is not None:
                self.done.append((task, self.now - T0))
                self.tasks.finish(task, self.outcome, self.now)
            self.now += 1
        return [task for task, _ in self.done[before:]]


def test_a_bot_that_may_wait_alone_for_long_has_the_platform_keep_it_once() -> None:
    run = Run()
    assert run.stay(3600) == [PageTask.STAY_ALONE]
    assert run.done == [(PageTask.STAY_ALONE, ALONE_FOR)]


@pytest.mark.parametrize(
    ("policy", "met", "needed"),
    [
        (LeavePolicy(noone_joined=LIMIT), False, False),
        (LeavePolicy(noone_joined=LIMIT + 1), False, True),
        (LeavePolicy(noone_joined=None), False, True),
        (LeavePolicy(noone_joined=None, max_duration=LIMIT), False, False),
        (LeavePolicy(noone_joined=LIMIT + 1, silence=Patience(1.0)), False, True),
        (LeavePolicy(noone_joined=None, everyone_left=Patience(LIMIT)), True, False),
        (LeavePolicy(everyone_left=Patience(LIMIT - 1, activate_after=2)), True, True),
        (LeavePolicy(everyone_left=None), True, True),
        (LeavePolicy(everyone_left=None, silence=Patience(LIMIT)), True, False),
    ],
)
def test_it_is_needed_where_the_policy_waits_longer_than_the_platform(
    policy: LeavePolicy, met: bool, needed: bool
) -> None:
    run = Run(policy)
    if met:
        assert run.stay(30, roster(ADA)) == []
    assert run.stay(LIMIT) == ([PageTask.STAY_ALONE] if needed else [])


def test_who_was_heard_and_never_shown_lets_the_bot_wait_in_silence() -> None:
    run = Run(LeavePolicy(everyone_left=Patience(1.0)))
    run.stay(10, media=lambda at: heard(7, at))
    assert LONGEST_PAUSE > LIMIT
    assert run.stay(60, media=lambda at: heard(7, T0)) == [PageTask.STAY_ALONE]


def test_nobody_is_alone_beside_people_or_speech_nor_on_a_platform_without_the_question() -> None:
    assert Run().stay(600, roster(ADA), pushes_every=10) == []
    assert PageTask.STAY_ALONE not in Run().stay(600, media=lambda at: heard(7, at))
    assert Run(limit=None).stay(600) == []
    run = Run()
    for _ in range(20):
        assert run.stay(ALONE_FOR - 1) == []
        assert run.stay(2, roster(ADA)) == []


@pytest.mark.parametrize(
    ("outcome", "tries"), [(TaskOutcome.FAILED, MOST_TRIES), (TaskOutcome.ABSENT, 1), (TaskOutcome.LATER, 20)]
)
def test_what_failed_is_tried_again_rarely(outcome: TaskOutcome, tries: int) -> None:
    run = Run()
    run.outcome = outcome
    run.stay(ALONE_FOR + 20 * RETRY_AFTER)
    times = [at for _, at in run.done]
    assert len(times) == tries
    assert all(later - earlier >= RETRY_AFTER for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("seen", "media"),
    [
        (roster(SHOWN), lambda at: QUIET),
        (roster(), lambda at: heard(7, at)),
        (roster(ADA, sources={8: "ada"}), lambda at: heard(7, at)),
        (roster(SHOWN, sources={7: "ben"}), lambda at: heard(7, at)),
    ],
)
@pytest.mark.parametrize("outcome", list(TaskOutcome))
def test_a_roster_that_stays_away_while_people_are_seen_is_woken_once(
    seen: Roster, media: Callable[[float], MediaState], outcome: TaskOutcome
) -> None:
    run = Run()
    run.outcome = outcome
    run.stay(3600, seen, media, pushes_every=PUSH_WINDOW + 30)
    woken = [at for task, at in run.done if task is PageTask.WAKE_ROSTER]
    assert woken[0] >= PUSH_WINDOW
    assert len(woken) == 1 or outcome is TaskOutcome.LATER


@pytest.mark.parametrize(
    ("seen", "media", "pushes_every"),
    [
        (roster(), lambda at: QUIET, None),
        (roster(ADA), lambda at: QUIET, None),
        (roster(ADA, sources={7: "ada"}), lambda at: heard(7, at), None),
        (roster(), lambda at: heard(7, T0), None),
        (roster(SHOWN), lambda at: heard(7, at), PUSH_WINDOW / (KEEPALIVES + 1)),
    ],
)
def test_it_is_not_woken_where_it_comes_or_nobody_is_missing(
    seen: Roster, media: Callable[[float], MediaState], pushes_every: float | None
) -> None:
    run = Run(LeavePolicy(noone_joined=1.0, everyone_left=Patience(1.0)))
    assert PageTask.WAKE_ROSTER not in run.stay(PUSH_WINDOW + UNSEEN_FOR, seen, media, pushes_every)
    assert PageTask.WAKE_ROSTER not in run.stay(1800, seen, media, pushes_every)


def test_the_next_document_is_told_and_woken_anew() -> None:
    run = Run()
    run.tasks.observe(push(run.now))
    run.stay(600)
    run.stay(600, roster(SHOWN))
    run.tasks.observe(DocumentClosed(at=run.now, document=2))
    assert run.stay(600, roster(SHOWN)) == []
    run.tasks.observe(DocumentClosed(at=run.now, document=1))
    assert run.stay(PUSH_WINDOW - 1, roster(SHOWN)) == []
    assert run.stay(600, roster(SHOWN)) == [PageTask.WAKE_ROSTER]


@given(st.lists(st.sampled_from(["alone", "ada", "ben", "voice", "push", "closed"]), max_size=120))
def test_a_document_is_woken_at_most_once_and_no_task_comes_faster_than_allowed(steps: list[str]) -> None:
    run = Run()
    run.outcome = TaskOutcome.FAILED
    begun = 0
    for step in steps:
        if step == "push":
            run.tasks.observe(push(run.now, document=1))
        elif step == "closed":
            run.tasks.observe(DocumentClosed(at=run.now, document=1))
            begun = len(run.done)
        else:
            people = {"ada": roster(ADA), "ben": roster(SHOWN)}.get(step, roster())
            run.stay(25, people, lambda at, step=step: heard(7, at) if step == "voice" else QUIET)  # type: ignore[misc]
        here = [task for task, _ in run.done[begun:]]
        assert here.count(PageTask.WAKE_ROSTER) <= 1
        assert here.count(PageTask.STAY_ALONE) <= MOST_TRIES


def test_pushes_are_counted_where_the_platform_pushes() -> None:
    run = Run()
    for second in range(5):
        run.tasks.observe(push(T0 + second))
    run.tasks.observe(ChannelMessage(at=T0, document=1, connection=0, label="captions", payload=b""))
    assert run.tasks.pushes == 5
    assert PageTasks(PATIENT, "Notes", None, None).pushes is None
