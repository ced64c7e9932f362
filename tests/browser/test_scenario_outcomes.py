"""The beginning and the end of each committed scenario, as an outcome of joining: whatever a call sends, nobody is admitted or
out before it is true. Played by ``make outcomes`` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from fixtures.replica.scenario import Scenario, load_scenario, scenario_names
from tests.support.outcome_rows import GROUPS, RECORDED, RECORDS, REPEAT, Row, judged, play_group
from tests.support.outcome_summary import Visit, summary
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.tape.events import StateChanged, TapeEvent

LENGTH = 4.0
"""Seconds of each scenario that are played."""
FOLDERS = {"google_meet": ("", "wire"), "microsoft_teams": ("teams", "teams-wire")}
"""Those whose scenarios are recordings from the lobby to the end."""


def row(name: str) -> Row:
    scenario = load_scenario(name)
    removed = scenario.ends == "removed"
    return Row(
        f"scenario-{name.replace('/', '-')}",
        shortened(scenario),
        Reason.REMOVED if removed else Reason.MEETING_ENDED,
        "bot_kicked_from_call" if removed else "call_ended_by_host",
        scenario.ends,
        RECORDED,
    )


def shortened(scenario: Scenario) -> Scenario:
    return replace(scenario, duration=min(scenario.duration, LENGTH))


ROWS = {
    platform: [row(name) for folder in folders for name in scenario_names(folder)]
    for platform, folders in FOLDERS.items()
    if RECORDS
}


@pytest.mark.parametrize("repetition", range(REPEAT))
@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("platform", ROWS)
async def test_no_scenario_admits_or_ends_too_early(
    tmp_path: Path, platform: str, group: int, repetition: int
) -> None:
    await play_group(ROWS[platform], group, tmp_path)


@pytest.mark.parametrize(
    ("admitted", "left", "early"),
    [
        (12.1, 20.2, (False, False)),
        (11.0, 20.2, (True, False)),
        (12.1, 19.0, (False, True)),
        (11.9, 19.9, (False, False)),
    ],
    ids=["in time", "false admission", "false end", "clocks apart"],
)
def test_what_comes_too_early_is_counted(admitted: float, left: float, early: tuple[bool, bool]) -> None:
    sent = [(10.0, "page"), (10.5, "lobby"), (12.0, "call"), (20.0, "host_ended")]
    times = zip((10.1, 10.6, admitted, admitted, left, left), RECORDED, strict=True)
    events: list[TapeEvent] = [StateChanged(at=at, state=state) for at, state in times]
    outcome = RecordingOutcome(Ending(Reason.MEETING_ENDED, "", left), True, None, None, None, None, None)
    played = judged(row("handover"), outcome, events, sent, 12.0, last=True)
    assert (played.admitted_early, played.left_early) == early
    assert bool(played.faults) is any(early)


def test_a_bot_that_was_never_let_in_is_a_false_admission() -> None:
    states: list[TapeEvent] = [StateChanged(at=11.0, state=state) for state in RECORDED]
    outcome = RecordingOutcome(Ending(Reason.MEETING_ENDED, "", 11.0), True, None, None, None, None, None)
    played = judged(row("handover"), outcome, states, [(10.0, "page"), (10.5, "lobby")], None, last=True)
    assert (played.admitted_early, played.left_early) == (True, True)


def visit(row: str, asked_after: float, *, faults: Sequence[str] = (), **early: bool) -> Visit:
    return Visit(
        row=row,
        platform="google_meet",
        reason="meeting_ended",
        asked_after=asked_after,
        admitted_after=0.5,
        decided_after=None,
        **{"admitted_early": False, "left_early": False, **early},
        faults=list(faults),
    )


def test_the_summary_counts_visits_and_compares_the_rows_of_both_versions() -> None:
    visits = [
        visit("a", 1.0),
        visit("a", 3.0, admitted_early=True, faults=["too early"]),
        visit("b", 9.0, left_early=True),
    ]
    lines = [
        " ".join(line.split()) for line in summary(visits, [visit("a", 5.0), visit("c", 8.0)]).splitlines()
    ]
    assert lines[:5] == [
        "3 visits of 2 rows",
        "false admissions: 1",
        "false ends: 1",
        "visits with any fault: 1",
        "google_meet a: too early",
    ]
    asked = [line for line in lines if "asked" in line]
    assert asked == [
        "google_meet asked after 3.00 / 9.00 (3 visits)",
        "google_meet asked after 2.00 / 3.00 (2 visits)",
        "google_meet asked after 5.00 / 5.00 (1 visits)",
    ]
