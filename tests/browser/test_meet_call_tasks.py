"""What a bot does in a call's page beside joining: it stays alone, wakes a roster that stays away, and follows the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from fixtures.replica.meet.chat_messages import ChatLine
from fixtures.replica.meet.scenario import Page, Waiting
from fixtures.replica.report import PageReport
from fixtures.replica.scenario import Participant, Roster, Scenario
from fixtures.replica.server import Replica
from tests.support.outcome_rows import Row, play, worker_log
from worker.lifecycle import page_tasks
from worker.lifecycle.leave_policy import LeavePolicy
from worker.lifecycle.page_tasks import PageTask, TaskOutcome
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.tape.events import Announced, ChatReceived, TapeEvent

LONG = 40.0
ADA = Participant(name="Ada Ray", voice="elif", csrc=7001, says=[(0.2, LONG)], host=True)
SAID = ChatLine(at=1.0, participant=0, text="Who are you?", times=3)
MESSAGE = "I record this call."
PATIENT = LeavePolicy(noone_joined=3600.0)


def row(name: str, meeting: Scenario, announcement: str | None = None) -> Row:
    return Row(
        name,
        meeting,
        Reason.MEETING_ENDED,
        "call_ended_by_host",
        "host_ended",
        policy=PATIENT,
        announcement=announcement,
    )


def scenario(
    page: Page, *people: Participant, duration: float = LONG, roster: Roster | None = None
) -> Scenario:
    return Scenario(
        title="test", duration=duration, participants=list(people), page=page, roster=roster or Roster()
    )


def ends_once(
    condition: Callable[[Replica, PageReport], bool],
) -> Callable[[Replica], Coroutine[Any, Any, None]]:
    """The host ends the meeting once the page's report meets the condition."""

    async def wait(replica: Replica) -> None:
        while not (replica.page_reports and condition(replica, replica.page_reports[-1])):  # noqa: ASYNC110 - reports are a list
            await asyncio.sleep(0.1)
        replica.end_meeting()

    return wait


def was_asked_and_left(replica: Replica, report: PageReport) -> bool:
    asked = any(what == "still_there" for _, what in replica.sent_to_page)
    return asked and bool(report.settings_opened) and not report.dialogs


def page_is_as_it_was(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    report = replica.page_reports[-1]
    return [] if not report.dialogs and not report.errors else [f"reported {report}"]


def roster_and_chat_are_there(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    said = [event.text for event in events if isinstance(event, ChatReceived)]
    faults = [] if said == [SAID.text] else [f"chat on the tape: {said}"]
    told = [event.confirmed_by for event in events if isinstance(event, Announced)]
    if told != ["sent"] or replica.chat != [MESSAGE]:
        faults.append(f"announced {told}, wrote {replica.chat}")
    if outcome.manifest is None or [p.participant_name for p in outcome.manifest.participants] != [ADA.name]:
        faults.append("the participant has no name")
    opened = replica.page_reports[-1].people_opened
    return faults if opened == 1 else [*faults, f"opened the people {opened} times"]


ROWS = [
    row("empty-call", scenario(Page(lobby=2.0)))._replace(
        steer=ends_once(lambda _, report: not report.leaves_empty_calls and not report.dialogs),
        check=page_is_as_it_was,
    ),
    row(
        "foreign-empty-call",
        scenario(Page(lobby=2.0, still_there=0.5, still_there_patience=LONG, language="x-backwards")),
    )._replace(
        reason=Reason.ENDED_UNKNOWN,
        sub_code=None,
        steer=ends_once(was_asked_and_left),
        check=page_is_as_it_was,
    ),
    row(
        "roster-behind-the-panel",
        scenario(
            Page(
                lobby=2.0,
                collections_need_panel=True,
                waiting=[Waiting(name="Zoe Knock", at=0.0, until=LONG)],
                chat=[SAID],
            ),
            ADA,
            roster=Roster(rpc_after=None, tile_names=False),
        ),
        MESSAGE,
    )._replace(
        steer=ends_once(
            lambda replica, report: bool(replica.chat) and report.collections_messages > SAID.times
        ),
        check=roster_and_chat_are_there,
    ),
]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_tasks, "ALONE_FOR", 0.3)
    monkeypatch.setattr(page_tasks, "PUSH_WINDOW", 2.0)
    monkeypatch.setattr(page_tasks, "UNSEEN_FOR", 0.5)
    monkeypatch.setattr(page_tasks, "RETRY_AFTER", 0.5)


async def test_what_is_due_in_a_call_is_done_and_the_page_is_left_as_it_was(tmp_path: Path) -> None:
    slots = asyncio.Semaphore(2)

    async def play_in_slot(each: Row) -> list[str]:
        async with slots, asyncio.timeout(60.0):
            (played,) = await play(each, tmp_path / each.name)
        return [f"{each.name}: {fault}" for fault in played.faults]

    with worker_log() as log:
        wrong = [fault for faults in await asyncio.gather(*map(play_in_slot, ROWS)) for fault in faults]
    logged = "\n".join(log.lines)
    for line in (
        f"a task in the page, {PageTask.STAY_ALONE}: {TaskOutcome.DONE}",
        f"a task in the page, {PageTask.STAY_ALONE}: {TaskOutcome.ABSENT}",
        f"a task in the page, {PageTask.WAKE_ROSTER}: {TaskOutcome.DONE}",
        "the settings show no switch for empty calls",
    ):
        if line not in logged:
            wrong.append(f"the log does not say: {line}")
    assert not wrong, "\n".join([*wrong, logged])
