"""Plays outcomes of joining a call, on any platform, and checks each: state, reason, the vendors' names for it, all states,
and the time from the page's showing it to the decision. The time until the bot asks to join is printed, and judged in
tests/benchmarks/test_joining.py. No output of any row may hold the meeting's passcode (tests/support/canaries.py), and
PUBLIC_OUTPUTS no name of a participant.

``MEETSTEMS_REPEAT`` is how often each is played. ``MEETSTEMS_OUTCOMES`` names a file to which every visit is appended, one JSON
object a line; tests/support/outcome_summary.py counts them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from fixtures.replica.entrance import Entrance
from fixtures.replica.host import SentToPage
from fixtures.replica.scenario import Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.links import PASSCODE
from tests.support.canaries import files_in, leaks
from tests.support.outcome_summary import Visit
from tests.support.record_process import settings_for
from tests.support.shared_chromium import shared_chromiums
from worker.contracts.parse_job import parse_job
from worker.contracts.vendor_words import outcome_words
from worker.jobs.job_outcome import judge, make_result
from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import LeavePolicy
from worker.manifest.merge import RecordedAttempt
from worker.monitoring.logs import JsonFormatter
from worker.monitoring.metrics import Metrics
from worker.platforms.links import parse_link
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.session import attend
from worker.rendering.renderer import Renderer
from worker.safe_text import Secret
from worker.states import State
from worker.tape.events import PageSeen, StateChanged, TapeEvent
from worker.tape.reader import TapeReader

REPEAT: Final = int(os.environ.get("MEETSTEMS_REPEAT", "1"))
RECORDS: Final = Path(named) if (named := os.environ.get("MEETSTEMS_OUTCOMES")) else None
"""Where every visit is recorded; None: nowhere."""
GROUPS: Final = 6
"""The number of tests that share the rows, so that they can run in several processes. Each launches PARALLEL_ROWS Chromiums."""
PARALLEL_ROWS: Final = 2
"""Rows that one test plays in parallel."""
ROW_TIMEOUT: Final = 60.0
"""Seconds that one row may take."""

MAX_DECISION: Final = 10.0
"""Maximum seconds from the page's showing it to the decision."""
MIN_DECISION: Final = -0.5
"""Minimum seconds; below 0, because page and worker read their clocks at different moments."""

BOT_NAME: Final = "Stems Vq8Zt"
"""Occurs nowhere else."""

BOT_TOKEN: Final = "eyJ0b2tlbiI6.Tq7-Wn4~Zk/9+x=="
"""Identifies the bot to Teams, and occurs nowhere else."""

PUBLIC_OUTPUTS: Final = ("log", "metrics", "failure")
"""Outputs that go to operators. Names belong into tape, manifest, timeline, files' names and result, and nowhere else."""

REFUSED: Final = ("joining", "leaving", "fatal")
NOT_LET_IN: Final = ("joining", "waiting_room", "leaving", "fatal")
RECORDED: Final = ("joining", "waiting_room", "in_call_not_recording", "in_call_recording", "leaving", "done")
ONLY_IN_CALL: Final = ("joining", "waiting_room", "in_call_not_recording", "leaving", "done")


Check: TypeAlias = Callable[[Replica, RecordingOutcome, list[TapeEvent]], Sequence[str]]
"""Returns further faults of a visit."""


class Row(NamedTuple):
    """One outcome: a scenario, and how the bot's visit must end.

    ``sub_code`` is Recall.ai's. ``shown`` is the message to the page that decides (the last such entry of
    Replica.sent_to_page), ``after`` the bot's patience from then on, in seconds. ``steer`` runs beside the bot. ``attempts``:
    how often the bot is sent to the same meeting; all but the last must end with a reason that is tried again. ``names``: the
    participants in the manifest; None: not checked.
    """

    name: str
    scenario: Scenario
    reason: Reason
    sub_code: str | None
    shown: str
    states: Sequence[str] = RECORDED
    policy: LeavePolicy = LeavePolicy()
    after: float = 0.0
    names: Sequence[str] | None = None
    announcement: str | None = None
    attempts: int = 1
    check: Check | None = None
    steer: Callable[[Replica], Coroutine[Any, Any, None]] | None = None


class PlayedRow(NamedTuple):
    """The result of a row. The times are in seconds; None: not known. ``admitted_after`` is from being let in to the first
    state in the call; a negative one is a false admission. ``left_early``: the bot left before it had a reason to.
    """

    row: Row
    outcome: RecordingOutcome
    states: tuple[str, ...]
    asked_after: float | None
    admitted_after: float | None
    decided_after: float | None
    left_early: bool
    faults: Sequence[str]

    @property
    def admitted_early(self) -> bool:
        """Whether the bot took itself for admitted before it was."""
        return self.admitted_after is not None and self.admitted_after < MIN_DECISION

    def line(self) -> str:
        """One line of the table."""
        return (
            f"{self.row.name:24} {self.states[-1]:6} {self.outcome.ending.reason:34} asked {_shown(self.asked_after)} "
            f"admitted {_shown(self.admitted_after)} decided {_shown(self.decided_after)} {'; '.join(self.faults)}"
        )

    def record(self) -> bytes:
        """The same for outcome_summary.py, as a line of JSON."""
        visit = Visit(
            row=self.row.name,
            platform=self.row.scenario.platform,
            reason=self.outcome.ending.reason,
            asked_after=self.asked_after,
            admitted_after=None if self.admitted_after == -inf else self.admitted_after,
            decided_after=self.decided_after,
            admitted_early=self.admitted_early,
            left_early=self.left_early,
            faults=list(self.faults),
        )
        return msgspec.json.encode(visit) + b"\n"


class EventLog(RecordingObserver):
    """Keeps the events of the tape, and counts them in metrics."""

    def __init__(self) -> None:
        self.seen: list[TapeEvent] = []
        self.registry = CollectorRegistry()
        self._metrics = Metrics(self.registry)

    def event(self, event: TapeEvent) -> None:
        self.seen.append(event)
        self._metrics.observe(event)


class LogLines(logging.Handler):
    """Keeps what the worker logs, as it is logged without knowing the job's secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter("outcome", 1))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def worker_log() -> Iterator[LogLines]:
    """What the worker logs in the block."""
    log, logger = LogLines(), logging.getLogger("worker")
    before = logger.level
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(before)


async def play_group(rows: Sequence[Row], group: int, folder: Path) -> None:
    """Plays every GROUPS-th of ``rows``, PARALLEL_ROWS at a time; fails with a list of all faults."""
    async with shared_chromiums(rows[0].scenario, PARALLEL_ROWS) as entrances:

        async def play_in_turn(row: Row) -> list[PlayedRow]:
            entrance = await entrances.get()
            try:
                async with asyncio.timeout(ROW_TIMEOUT):
                    return await play(row, folder / row.name, entrance)
            finally:
                entrances.put_nowait(entrance)

        with worker_log() as log:
            by_row = await asyncio.gather(*map(play_in_turn, rows[group::GROUPS]))
    played = [attempt for attempts in by_row for attempt in attempts]
    if RECORDS is not None:
        with RECORDS.open("ab") as records:
            records.write(b"".join(attempt.record() for attempt in played))
    print(*(attempt.line() for attempt in played), sep="\n")
    wrong = [f"{attempt.row.name}: {fault}" for attempt in played for fault in attempt.faults]
    names = {person.name for row in rows for person in row.scenario.participants}
    wrong += leaks({"log": "\n".join(log.lines).encode()}, [PASSCODE, BOT_TOKEN, BOT_NAME, *names])
    assert not wrong, "\n".join(wrong)


async def play(row: Row, folder: Path, entrance: Entrance | None = None) -> list[PlayedRow]:
    """Sends the bot to the row's meeting, ``attempts`` times; with a Chromium of its own unless ``entrance`` has one."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    played: list[PlayedRow] = []
    async with Replica(row.scenario, folder / "truth.jsonl", entrance=entrance) as replica:
        for attempt in range(row.attempts):
            steering = asyncio.create_task(row.steer(replica)) if row.steer else None
            sent_before = len(replica.sent_to_page)
            observer = EventLog()
            output = folder / f"out-{attempt}"
            outcome = await _attend(row, replica, output, observer)
            events = observer.seen
            if steering is not None:
                await steering
            last = attempt == row.attempts - 1
            sent_to_page = replica.sent_to_page[sent_before:]
            played.append(judged(row, outcome, events, sent_to_page, replica.admitted_at, last=last))
            leaked = _leaks(row, outputs_of(replica, outcome, output, observer))
            played[-1] = played[-1]._replace(faults=[*played[-1].faults, *leaked])
            if last and row.check is not None:
                faults = [*played[-1].faults, *row.check(replica, outcome, events)]
                played[-1] = played[-1]._replace(faults=faults)
    return played


async def _attend(row: Row, replica: Replica, output: Path, observer: EventLog) -> RecordingOutcome:
    request = RecordingRequest(
        "outcome",
        parse_link(replica.meeting_url),
        output,
        BOT_NAME,
        row.policy,
        row.announcement,
        output / "failure",
    )
    never: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    settings = msgspec.structs.replace(settings_for(replica), teams_bot_token=Secret(BOT_TOKEN))
    return await attend(request, settings, observer, lambda platform: Renderer(output, platform), never)


def outputs_of(
    replica: Replica, outcome: RecordingOutcome, output: Path, observer: EventLog
) -> dict[str, bytes]:
    """Everything that is written about the attempt, by name."""
    body = {"bot_id": "outcome", "meeting_link": replica.meeting_url, "bot_name": BOT_NAME}
    recorded = [] if outcome.manifest is None else [RecordedAttempt(1, outcome.manifest, "attempts/0001")]
    result = make_result(
        parse_job(msgspec.json.encode(body), lambda: "other"),
        judge(recorded, outcome.ending, [outcome]),
        outcome.manifest,
        files=[],
        tape_bytes=0,
        tape_parts=0,
        audio_streams=None,
        attempt=1,
        sequence=1,
        at=0.0,
    )
    payloads = b"\n".join(getattr(event, "payload", b"") for event in TapeReader(output / "tape"))
    return {
        **files_in(output),
        "payloads": payloads,
        "ending": repr(outcome.ending).encode(),
        "metrics": generate_latest(observer.registry),
        "result": msgspec.json.encode(result),
    }


def _leaks(row: Row, outputs: dict[str, bytes]) -> list[str]:
    names = [BOT_NAME, *(person.name for person in row.scenario.participants)]
    public = {name: data for name, data in outputs.items() if name.startswith(PUBLIC_OUTPUTS)}
    return [*leaks(outputs, [PASSCODE, BOT_TOKEN]), *leaks(public, names)]


def judged(
    row: Row,
    outcome: RecordingOutcome,
    events: list[TapeEvent],
    sent_to_page: SentToPage,
    admitted_at: float | None,
    *,
    last: bool,
) -> PlayedRow:
    """Compares a visit with what the row expects. ``admitted_at``: when the bot was let in; ``last``: no attempt follows."""
    states = tuple(event.state for event in events if isinstance(event, StateChanged))
    asked_after = _asked_after(events, sent_to_page)
    decided_after = _decided_after(row, events, sent_to_page)
    admitted_after = _admitted_after(events, admitted_at)
    faults = []
    reason = outcome.ending.reason
    if admitted_after is not None and admitted_after < MIN_DECISION:
        faults.append(f"took itself for admitted {-admitted_after:.2f} s before it was")
    if not last:
        if not reason.is_retried:
            faults.append(f"ended with {reason} ({outcome.ending.detail}), expected a reason that is retried")
        return PlayedRow(row, outcome, states, asked_after, admitted_after, None, False, faults)
    if reason != row.reason:
        faults.append(f"ended with {reason} ({outcome.ending.detail}), expected {row.reason}")
    if states != tuple(row.states):
        faults.append(f"states {states}, expected {tuple(row.states)}")
    sub_code = outcome_words(State(states[-1]), reason, Platform(row.scenario.platform)).sub_code
    if sub_code != row.sub_code:
        faults.append(f"sub-code {sub_code}, expected {row.sub_code}")
    if decided_after is None:
        faults.append(f"the page was never sent {row.shown!r}: {[what for _, what in sent_to_page]}")
    elif not MIN_DECISION <= decided_after <= MAX_DECISION:
        faults.append(f"decided {decided_after:.2f} s after {row.shown!r}, expected 0 to {MAX_DECISION:g} s")
    faults += _names_fault(row, outcome)
    left_early = decided_after is None or decided_after < MIN_DECISION
    return PlayedRow(row, outcome, states, asked_after, admitted_after, decided_after, left_early, faults)


def _asked_after(events: list[TapeEvent], sent_to_page: SentToPage) -> float | None:
    """Seconds from serving the page to the first look that saw the request to join, or a later page; None: never."""
    asked = ("asked", "lobby", "host_absent", "call", "gated")
    seen = next((event.at for event in events if isinstance(event, PageSeen) and event.scene in asked), None)
    return None if seen is None or not sent_to_page else seen - sent_to_page[0][0]


def _admitted_after(events: list[TapeEvent], admitted_at: float | None) -> float | None:
    """Seconds from being let in to the first state in the call; -inf: it never was; None: there is no such state."""
    believed = next(
        (e.at for e in events if isinstance(e, StateChanged) and e.state.startswith("in_call")), None
    )
    return None if believed is None else believed - (inf if admitted_at is None else admitted_at)


def _decided_after(row: Row, events: list[TapeEvent], sent_to_page: SentToPage) -> float | None:
    shown = [at for at, what in sent_to_page if what == row.shown]
    decided = [event.at for event in events if isinstance(event, StateChanged) and event.state == "leaving"]
    return decided[0] - (shown[-1] + row.after) if shown and decided else None


def _names_fault(row: Row, outcome: RecordingOutcome) -> list[str]:
    if row.names is None:
        return []
    found = sorted(p.participant_name for p in outcome.manifest.participants) if outcome.manifest else []
    return [] if found == sorted(row.names) else [f"names {found}, expected {sorted(row.names)}"]


def _shown(seconds: float | None) -> str:
    return "    –" if seconds is None else f"{seconds:5.2f}"
