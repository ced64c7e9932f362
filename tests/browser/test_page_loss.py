"""The page of a call is replaced in mid-call, or parts of it are, and the bot notices or goes on as it must."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page

from fixtures.replica.meet.scenario import Page as MeetPage
from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.scenario import TeamsPage
from tests.browser.test_run_faults import context_of, job_for
from tests.support.kills import conversation
from tests.support.record_process import assert_complete, meeting, settings_for
from tests.support.worker_process import Cloud, cloud
from worker.browser.launch import BrowserSession, new_context
from worker.jobs.disposition import Disposition
from worker.jobs.job_run import run_job
from worker.lifecycle import broken_capture, page_loss, state_machine
from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording import session
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.session import attend
from worker.rendering.progress import Progress
from worker.rendering.renderer import Renderer
from worker.tape.events import DocumentClosed, FrameBatch, PageLost, PageSeen, TapeEvent

NOTICED_WITHIN = 30.0
"""Seconds from the loss of a page until the bot leaves, at most."""

GO_BLANK = "setTimeout(() => { location.href = 'about:blank'; })"
RELOAD = "setTimeout(() => location.reload())"
GO_NOWHERE = "setTimeout(() => { location.href = 'https://nowhere.invalid/'; })"
MEET_HOME = "setTimeout(() => { location.href = '/landing'; })"
MEET_PRODUCT = "setTimeout(() => { location.href = 'https://workspace.google.com/products/meet/'; })"
SIGN_IN = "setTimeout(() => { location.href = 'https://accounts.google.com/v3/signin/identifier'; })"

ADD_FRAME = """
  const frame = document.createElement("iframe");
  document.body.append(frame);
  frame.contentWindow.eval("new RTCPeerConnection()");
"""
REPLACE_FRAME = 'document.querySelector("iframe").src = "/landing"'
REMOVE_FRAME = 'document.querySelector("iframe").remove()'
EMPTY_PAGE = "document.body.replaceChildren()"
"""As where the page's own scripts broke: the document and its connection stay."""


STOP_TIMERS = "() => { for (let timer = 0; timer < 100000; timer++) clearInterval(timer); }"

IMPATIENT = LeavePolicy(silence=Patience(8.0), everyone_left=Patience(8.0))
"""A lost page must not be taken for silence."""


@dataclass
class Recorded(RecordingObserver):
    """A recording's events, and when packets have arrived."""

    interval = 0.1
    events: list[TapeEvent] = field(default_factory=list)
    packets_arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def event(self, event: TapeEvent) -> None:
        self.events.append(event)

    def update(self, progress: Progress) -> None:
        if sum(speaker.packets_received for speaker in progress.speakers) > 20:
            self.packets_arrived.set()

    @property
    def packets(self) -> int:
        return sum(len(event.frames) for event in self.events if isinstance(event, FrameBatch))


class Visit:
    """A bot in a call of a replica, and its page."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        replica: Replica,
        output: Path,
        policy: LeavePolicy = IMPATIENT,
    ) -> None:
        self.recorded = Recorded()
        self.output = output
        self.stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._contexts: list[BrowserContext] = []

        async def kept(browser: BrowserSession) -> BrowserContext:
            self._contexts.append(await new_context(browser))
            return self._contexts[-1]

        monkeypatch.setattr(session, "new_context", kept)
        link = parse_link(replica.meeting_url)
        request = RecordingRequest("bot-1", link, output, "Notes", policy)
        self.recording = asyncio.create_task(
            attend(
                request,
                settings_for(replica),
                self.recorded,
                lambda platform: Renderer(output, platform),
                self.stopped,
            )
        )

    @property
    def page(self) -> Page:
        return self._contexts[0].pages[0]

    async def until_packets_arrive(self) -> None:
        arrived = asyncio.create_task(self.recorded.packets_arrived.wait())
        done, _ = await asyncio.wait(
            {arrived, self.recording}, timeout=40, return_when=asyncio.FIRST_COMPLETED
        )
        assert arrived in done, f"no packets: {self.recorded.events[-5:]}"

    async def stop(self) -> RecordingOutcome:
        self.stopped.set_result(Ending(Reason.INTERRUPTED, "test", 0.0))
        return await self.recording


def teams_meeting(duration: float) -> Scenario:
    two = meeting(duration)
    return Scenario(
        title="a meeting of two",
        platform="microsoft_teams",
        duration=duration,
        participants=two.participants,
        teams=TeamsPage(lobby=0.8),
    )


@pytest.fixture
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits, so that many losses can be tried."""
    monkeypatch.setattr(broken_capture, "LOST_TIMEOUT", 4.0)
    monkeypatch.setattr(state_machine, "NOTICED_AFTER", 2.0)


async def lost(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Scenario,
    folder: Path,
    replace: str,
    shown: list[str] | None = None,
) -> tuple[float, RecordingOutcome, Recorded]:
    """Replaces the page while packets arrive; returns the seconds until the bot left, and the recording. Adds to ``shown`` what
    the replica sent to its pages.
    """
    async with Replica(scenario, folder / "truth.jsonl") as replica:
        visit = Visit(monkeypatch, replica, folder / "out")
        await visit.until_packets_arrive()
        replaced_at = time.time()
        await visit.page.evaluate(replace)
        outcome = await asyncio.wait_for(visit.recording, 60)
        if shown is not None:
            shown += [what for _, what in replica.sent_to_page]
    after = outcome.ending.at - replaced_at
    print(f"{replace[:60]}: noticed {after:.1f} s later: {outcome.ending.reason}: {outcome.ending.detail}")
    return after, outcome, visit.recorded


def assert_lost(after: float, outcome: RecordingOutcome, recorded: Recorded, folder: Path) -> None:
    assert outcome.ending.reason is Reason.CONNECTION_LOST, outcome.ending
    assert after < NOTICED_WITHIN
    assert [event.lost for event in recorded.events if isinstance(event, PageLost)] == [True]
    closed = [event.document for event in recorded.events if isinstance(event, DocumentClosed)]
    sent = {event.document for event in recorded.events if isinstance(event, FrameBatch)}
    assert sent <= set(closed)
    assert assert_complete(folder / "out").recording.ended_reason == "connection_lost"


async def test_a_page_that_goes_blank_is_noticed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the timeouts of production."""
    after, outcome, recorded = await lost(monkeypatch, meeting(80), tmp_path, GO_BLANK)
    assert after >= page_loss.LOST_TIMEOUT - 1
    assert_lost(after, outcome, recorded, tmp_path)


@pytest.mark.parametrize("replace", [MEET_HOME, MEET_PRODUCT, SIGN_IN, GO_NOWHERE])
async def test_a_meet_page_that_is_replaced_is_a_lost_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sooner: None, replace: str
) -> None:
    after, outcome, recorded = await lost(monkeypatch, meeting(60), tmp_path, replace)
    assert_lost(after, outcome, recorded, tmp_path)


@pytest.mark.parametrize("replace", [RELOAD, GO_NOWHERE])
async def test_a_teams_page_that_is_replaced_is_a_lost_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sooner: None, replace: str
) -> None:
    after, outcome, recorded = await lost(monkeypatch, teams_meeting(60), tmp_path, replace)
    assert_lost(after, outcome, recorded, tmp_path)


async def test_a_reloaded_page_is_a_lost_connection_and_does_not_ask_to_join_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sooner: None
) -> None:
    shown: list[str] = []
    after, outcome, recorded = await lost(monkeypatch, meeting(60), tmp_path, RELOAD, shown)
    assert_lost(after, outcome, recorded, tmp_path)
    assert outcome.ending.evidence == ("page.joinable", "media.no_packets")
    assert shown.count("pre_join") == 2
    assert shown.count("lobby") == 1, "the reloaded page asked to join"


@pytest.mark.parametrize("scenario", [meeting(60), teams_meeting(60)], ids=["meet", "teams"])
async def test_frames_that_come_and_go_and_an_unknown_view_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sooner: None, scenario: Scenario
) -> None:
    async with Replica(scenario, tmp_path / "truth.jsonl") as replica:
        visit = Visit(monkeypatch, replica, tmp_path / "out")
        await visit.until_packets_arrive()
        await visit.page.evaluate(f"() => {{ {ADD_FRAME} }}")
        for change in (REPLACE_FRAME, REMOVE_FRAME, EMPTY_PAGE):
            before = visit.recorded.packets
            await visit.page.evaluate(change)
            await asyncio.wait({visit.recording}, timeout=2.0 if change != EMPTY_PAGE else 7.0)
            assert not visit.recording.done(), (change, await visit.recording)
            assert visit.recorded.packets > before
        outcome = await visit.stop()
    assert outcome.ending.reason is Reason.INTERRUPTED
    scenes = [event.scene for event in visit.recorded.events if isinstance(event, PageSeen)]
    assert scenes[-1] == "asked", "the page was to be unknown"
    closed = [event for event in visit.recorded.events if isinstance(event, DocumentClosed)]
    call = {event.document for event in visit.recorded.events if isinstance(event, FrameBatch)}
    assert len(call) == 1
    assert not call & {event.document for event in closed if event.at < outcome.ending.at}
    assert not any(isinstance(event, PageLost) for event in visit.recorded.events)


async def test_a_silent_meeting_is_kept_by_its_view_and_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sooner: None
) -> None:
    ada = Participant(name="Ada Ray", voice="elif", csrc=7001, says=[(0.2, 3.0)], host=True)
    silent = Scenario(title="silence", duration=60, participants=[ada], page=MeetPage(lobby=0.8))
    async with Replica(silent, tmp_path / "truth.jsonl") as replica:
        visit = Visit(monkeypatch, replica, tmp_path / "out", LeavePolicy())
        await visit.until_packets_arrive()
        await asyncio.wait({visit.recording}, timeout=10.0)
        assert not visit.recording.done()
        before = visit.recorded.packets
        assert not any(isinstance(event, PageLost) for event in visit.recorded.events)
        await visit.page.evaluate(STOP_TIMERS)
        outcome = await asyncio.wait_for(visit.recording, 30)
    assert visit.recorded.packets == before, "the meeting was to be silent"
    assert outcome.ending.reason is Reason.CONNECTION_LOST
    assert outcome.ending.evidence == ("page.no_heartbeat", "media.no_packets")


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as embedded:
        yield embedded


async def test_a_bot_whose_page_was_replaced_joins_again(
    aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sooner: None
) -> None:
    contexts = 0

    async def leaves_once(browser: BrowserSession) -> BrowserContext:
        nonlocal contexts
        contexts += 1
        context = await new_context(browser)
        if contexts == 1:
            await context.add_init_script(f"if (location.host) setTimeout(() => {{ {GO_BLANK} }}, 6000);")
        return context

    monkeypatch.setattr(session, "new_context", leaves_once)
    async with (
        Replica(conversation(35), tmp_path / "truth.jsonl") as replica,
        context_of(replica, aws, tmp_path / "work") as worker_context,
    ):
        disposition = await run_job(
            job_for(replica), worker_context, sent_at=time.time(), ends_by=None, give_up=False
        )
    assert disposition is Disposition.DONE
    (result,) = aws.results()
    assert (result.outcome, result.reason, result.attempt) == ("recorded", "meeting_ended", 2)
    parts = aws.manifest().recording.parts
    assert isinstance(parts, list)
    assert [part.ended_reason for part in parts] == ["connection_lost", "meeting_ended"]
