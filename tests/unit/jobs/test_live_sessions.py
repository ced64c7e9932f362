from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.event_sinks import ListSink
from tests.support.job_parts import context_with, job
from worker.contracts.live_endpoints import LiveForm, Transport
from worker.contracts.live_forms import LiveBot
from worker.jobs import attempt as attempt_module
from worker.jobs import live_sessions as module
from worker.jobs.live_sessions import LiveSessions, Streams, open_live
from worker.recording.steady_clock import SteadyClock
from worker.settings import LiveOptions, WorkerSettings
from worker.streaming.endpoint_state import EndpointState, Report
from worker.tape.events import RecordingEnded, RecordingStarted, TapeEvent

STARTED = RecordingStarted(at=1.0)
ENDED = RecordingEnded(at=9.0, reason="meeting_ended", detail="")
LIVE = job(
    recording_config={
        "realtime_endpoints": [
            {"type": "webhook", "url": "https://live.example/", "events": ["participant_events.join"]}
        ]
    },
    live_audio_required={"websocket_url": "wss://live.example/"},
)


class FakeStreams:
    """Live streams that note their calls. ``raises``: in these methods; ``hangs``: ``close`` never returns by itself."""

    def __init__(self, report: Report, raises: tuple[str, ...] = (), *, hangs: bool = False) -> None:
        self.report = report
        self.calls: list[object] = []
        self.is_closing = asyncio.Event()
        self.was_cancelled = False
        self._raises = raises
        self._hangs = hangs

    def start(self) -> None:
        self._note("start")

    def event(self, event: TapeEvent) -> None:
        self._note("event", event)

    async def close(self, within: float) -> None:
        self._note("close", within)
        self.is_closing.set()
        if self._hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise

    def _note(self, method: str, *args: object) -> None:
        self.calls.append(args[0] if method == "event" else method)
        if method in self._raises:
            raise RuntimeError(f"{method} fails at https://live.example/?key=s3cret")


class Reports:
    def __init__(self) -> None:
        self.reported: list[tuple[int, str, str]] = []
        self.attempts: list[int | None] = []
        """Of what was reported."""
        self.recording_started_at: float | None = 1.0

    def endpoint(self, number: int, code: str, message: str = "", attempt: int | None = None) -> None:
        self.reported.append((number, code, message))
        self.attempts.append(attempt)


class Room:
    """Sessions of LIVE, whose streams are in ``streams``."""

    def __init__(self, *raises: str, hangs: bool = False) -> None:
        self.reports = Reports()
        self.streams: list[FakeStreams] = []

        def open_streams(attempt: int, report: Report) -> Streams:
            if "open" in raises:
                raise ValueError("no")
            self.streams.append(FakeStreams(report, raises, hangs=hangs))
            return self.streams[-1]

        self.sessions = LiveSessions(LIVE, self.reports, open_streams)


async def test_a_job_without_endpoints_has_no_sessions() -> None:
    def open_streams(attempt: int, report: Report) -> Streams:
        raise AssertionError("opened")

    sessions = LiveSessions(job(), Reports(), open_streams)
    assert sessions.open(1) is None
    await sessions.ended()
    await sessions.close(wait=True)


async def test_a_session_begins_to_close_with_the_recordings_end_and_nothing_waits_for_it() -> None:
    room = Room(hangs=True)
    session = room.sessions.open(1)
    assert session is not None
    session.begin()
    session.event(STARTED)
    session.event(ENDED)
    session.event(STARTED)
    session.end()
    await asyncio.wait_for(room.streams[0].is_closing.wait(), 10)
    assert room.streams[0].calls == ["start", STARTED, ENDED, "close"]
    await room.sessions.close(wait=False)
    assert room.streams[0].was_cancelled


async def test_streams_that_do_not_close_are_cancelled_and_hold_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0.01)
    room = Room(hangs=True)
    assert room.sessions.open(1) is not None
    await asyncio.wait_for(room.sessions.ended(), 10)
    assert room.streams[0].was_cancelled
    await room.sessions.close(wait=True)


@pytest.mark.parametrize("method", ["open", "start", "event", "close"])
async def test_a_fault_of_live_streams_is_logged_once_and_costs_nothing_else(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room(method)
    session = room.sessions.open(1)
    if session is not None:
        session.begin()
        session.event(STARTED)
        session.event(STARTED)
        session.event(ENDED)
    await room.sessions.ended()
    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text
    await room.sessions.close(wait=True)


async def test_what_fails_is_reported_at_once_and_what_is_done_once_the_job_is() -> None:
    room = Room()
    for attempt in (1, 2):
        session = room.sessions.open(attempt)
        assert session is not None
        report = room.streams[-1].report
        session.event(STARTED)
        report(0, EndpointState.RUNNING, "")
        report(1, EndpointState.FAILED, "refused")
        report(0, EndpointState.DONE, "")
        session.event(ENDED)
        assert (0, "done", "") not in room.reports.reported
    await room.sessions.ended()
    await room.sessions.ended()
    first = [(0, "running", ""), (1, "failed", "refused")]
    assert room.reports.reported == [*first, *first, (0, "done", "")]
    assert room.reports.attempts == [1, 1, 2, 2, 2]
    await room.sessions.close(wait=True)


RUNNING, FAILED, DONE = EndpointState.RUNNING, EndpointState.FAILED, EndpointState.DONE


@pytest.mark.parametrize(
    ("first", "second", "begins", "last"),
    [
        (FAILED, DONE, False, [(1, "failed")]),
        (FAILED, DONE, True, [(1, "failed"), (2, "done")]),
        (DONE, DONE, False, [(1, "done")]),
        (DONE, DONE, True, [(2, "done")]),
        (DONE, FAILED, True, [(2, "failed")]),
        # A fault before the recording.
        (DONE, FAILED, False, [(2, "failed"), (1, "done")]),
        # Its streams did not close in time.
        (DONE, RUNNING, True, [(2, "running")]),
    ],
)
async def test_the_last_session_that_recorded_says_what_became_of_an_endpoint(
    first: EndpointState, second: EndpointState, begins: bool, last: list[tuple[int, str]]
) -> None:
    room = Room()
    for attempt, state in ((1, first), (2, second)):
        session = room.sessions.open(attempt)
        assert session is not None
        if attempt == 1 or begins:
            session.event(STARTED)
        room.streams[-1].report(0, state, "")
    await room.sessions.ended()
    codes = [code for _, code, _ in room.reports.reported]
    assert list(zip(room.reports.attempts, codes, strict=True)) == last
    await room.sessions.close(wait=True)


async def test_what_an_earlier_session_says_late_is_not_taken_for_the_last_ones() -> None:
    room = Room()
    sessions = [room.sessions.open(attempt) for attempt in (1, 2)]
    assert sessions[0] is not None
    assert sessions[1] is not None
    sessions[0].event(STARTED)
    room.streams[0].report(0, RUNNING, "")
    sessions[1].event(STARTED)
    for state in EndpointState:
        room.streams[0].report(0, state, "")
    room.streams[1].report(0, RUNNING, "")
    await room.sessions.ended()
    assert room.reports.reported == [(0, "running", ""), (0, "running", "")]
    assert room.reports.attempts == [1, 2]
    await room.sessions.close(wait=True)


@pytest.mark.parametrize("ends", [True, False])
async def test_streams_are_closed_also_if_nothing_is_waited_for(ends: bool) -> None:
    room = Room()
    session = room.sessions.open(1)
    assert session is not None
    session.event(STARTED)
    if ends:
        session.end()
    await room.sessions.close(wait=False)
    assert room.streams[0].calls == [STARTED, "close"]
    room.streams[0].report(0, FAILED, "")
    assert room.reports.reported == []


async def test_a_job_that_is_handed_on_reports_nothing_as_done() -> None:
    room = Room()
    session = room.sessions.open(1)
    assert session is not None
    session.event(STARTED)
    room.streams[0].report(0, EndpointState.DONE, "")
    session.event(ENDED)
    await room.sessions.close(wait=True)
    assert room.streams[0].calls == [STARTED, ENDED, "close"]
    assert room.reports.reported == []


async def test_a_job_that_never_recorded_reports_nothing_as_done() -> None:
    room = Room()
    assert room.sessions.open(1) is not None
    room.streams[0].report(0, EndpointState.DONE, "")
    await room.sessions.ended()
    await room.sessions.close(wait=True)
    assert room.reports.reported == []


async def test_streams_get_the_jobs_endpoints_settings_and_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    class Noted(FakeStreams):
        def __init__(self, *args: Any, **named: Any) -> None:
            given.append((args, named))

    monkeypatch.setattr(module, "LiveStreams", Noted)
    context = context_with(ListSink())
    options = LiveOptions(connections="endpoint", allow_plain=True)
    settings = WorkerSettings(live=options, allowed_urls=("10.0.0.0/8",))
    object.__setattr__(context, "worker_settings", settings)
    reports = Reports()
    reports.recording_started_at = 7.0
    told: list[object] = []
    open_live(LIVE, context, reports)(3, lambda *what: told.append(what))
    (endpoints, bot, its_options, guard, metrics, report, clock), named = given[0]
    assert endpoints == LIVE.live
    assert bot == LiveBot(bot_id="bot-1", platform=LIVE.platform, metadata={}, attempt=3)
    assert (its_options, named) == (options, {"relative_zero": 7.0})
    guard.check("https://10.1.2.3/")
    assert metrics is context.metrics.live
    assert abs(clock() - SteadyClock()()) < 60
    report(1, EndpointState.FAILED, "refused")
    assert told == [(1, EndpointState.FAILED, "refused")]
    failed = context.metrics.live._failed[Transport.WEBHOOK, LiveForm.MEETSTREAM]
    assert failed._value.get() == 1


async def test_an_attempt_feeds_its_live_streams_with_each_event() -> None:
    events: list[TapeEvent] = []

    class Session:
        def event(self, event: TapeEvent) -> None:
            events.append(event)

    class Told:
        began: float | None = None

        def recording_began(self, at: float) -> None:
            self.began = at

    told, session = Told(), Session()
    metrics = context_with(ListSink()).metrics
    observer = attempt_module._AttemptObserver(
        lambda *_: None,
        told,  # type: ignore[arg-type]
        metrics,
        None,  # type: ignore[arg-type]
        set(),
        session,  # type: ignore[arg-type]
    )
    observer.event(STARTED)
    observer.event(ENDED)
    assert events == [STARTED, ENDED]
    assert told.began == STARTED.at
