from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest

from worker.browser.page_window import PageWindow
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.page_tasks import PageTask, PageTasks, TaskOutcome
from worker.lifecycle.page_view import Scene, View
from worker.lifecycle.state_machine import Lifecycle, Transition
from worker.reasons import Reason
from worker.recording import announcer, call_loop
from worker.recording.announcer import Announcer
from worker.recording.call_loop import CallLoop
from worker.recording.controls import Controls, Errand, Message, Screenshot
from worker.recording.errands import Errands
from worker.recording.steady_clock import SteadyClock
from worker.roster.chat import ChatMessage
from worker.roster.roster import Device, Roster, Status
from worker.states import State
from worker.tape.events import (
    Announced,
    ChannelMessage,
    ChatReceived,
    DocumentClosed,
    PageLost,
    PageSeen,
    RosterChanged,
    TapeEvent,
    TapeStarted,
    WorkerEvent,
)

T0 = 1_800_000_000.0
ROSTER_MESSAGE = ChannelMessage(at=T0, document=1, connection=0, label="collections", payload=b"")
CLOSED = DocumentClosed(at=T0, document=1)
STARTED = TapeStarted(at=T0, version=2, platform="google_meet", meeting_url="", bot_name="Notes")
OVER = View(scene=Scene.OVER, reason=Reason.MEETING_ENDED, detail="It is over.", evidence=("over.ended",))


class ScriptedCall:
    """Shows one view after another; the last one stays."""

    platform = "google_meet"

    def __init__(self, views: Iterable[View]) -> None:
        self._views = list(views)
        self.actions: list[str] = []
        self.thorough: list[bool] = []
        self.outcome = TaskOutcome.DONE

    async def open(self) -> None:
        self.actions.append("open")

    async def look(self, *, thorough: bool) -> View:
        self.thorough.append(thorough)
        return self._views.pop(0) if len(self._views) > 1 else self._views[0]

    async def act(self) -> None:
        self.actions.append("act")

    async def announce(self, message: str) -> NotAnnounced | None:
        self.actions.append(message)
        return None

    async def carry_out(self, task: PageTask) -> TaskOutcome:
        self.actions.append(task)
        return self.outcome

    async def leave(self) -> None:
        self.actions.append("leave")


class ScriptedRoster:
    undecodable = 0
    harvested = 0

    def __init__(self, *, alone: bool = False) -> None:
        self._alone = alone
        self.observed: list[TapeEvent] = []

    def observe(self, event: TapeEvent) -> None:
        assert event in (ROSTER_MESSAGE, CLOSED, STARTED)
        self.observed.append(event)

    def roster(self) -> Roster:
        us = Device(device_id="us", is_us=True, status=Status.IN)
        ana = Device(device_id="ana", name="Ana", status=Status.IN)
        return Roster(devices={"us": us} if self._alone else {"us": us, "ana": ana})

    def tenure(self, source: int, at: float) -> int:
        raise NotImplementedError


class Run:
    """A call loop, and the transitions and events that it made."""

    def __init__(
        self,
        call: ScriptedCall,
        announcement: str | None = None,
        *,
        policy: LeavePolicy | None = None,
        clock: Callable[[], float] | None = None,
        last_heartbeat: Callable[[], float | None] = lambda: None,
        longest_alone: float | None = None,
        alone: bool = False,
    ) -> None:
        self.now = T0
        self.controls = Controls()
        self.pictures: list[Path] = []
        self.rests: list[State] = []
        """The state of each call of rest(), for which the run takes the place of the page's window."""
        self.transitions: list[Transition] = []
        self.written: list[WorkerEvent] = []
        self.decoder = ScriptedRoster(alone=alone)
        self.media = media = MediaMonitor()
        self.lifecycle = Lifecycle(policy or LeavePolicy(), "Notes", T0)
        self.call_loop = CallLoop(
            call,
            cast(PageWindow, self),
            self.decoder,
            media,
            self.lifecycle,
            Announcer(call, announcement, write=self.written.append, clock=self._clock),
            PageTasks(policy or LeavePolicy(), "Notes", longest_alone, None),
            on_transition=self.transitions.append,
            write=self.written.append,
            clock=clock or self._clock,
            last_heartbeat=last_heartbeat,
            errands=Errands(self.controls, call, self._take_screenshot),
        )
        media.observe(ROSTER_MESSAGE, T0)
        self.call_loop.observe(ROSTER_MESSAGE)

    async def _take_screenshot(self, path: Path) -> None:
        self.pictures.append(path)

    async def rest(self) -> None:
        self.rests.append(self.transitions[-1].state)

    def _clock(self) -> float:
        self.now += 0.5
        return self.now


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_loop, "JOINING_INTERVAL", 0.0)
    monkeypatch.setattr(announcer, "CONFIRM_TIMEOUT", 0.001)
    monkeypatch.setattr(call_loop, "IN_CALL_INTERVAL", 0.0)


def scenes(*names: Scene) -> list[View]:
    return [View(scene=name) for name in names]


async def test_call_loop_goes_from_waiting_room_to_leaving() -> None:
    call = ScriptedCall([*scenes(Scene.OPENING, Scene.LOBBY, Scene.CALL, Scene.CALL), OVER])
    run = Run(call)
    await run.call_loop.until_leaving()
    assert [transition.state for transition in run.transitions] == [
        State.WAITING_ROOM,
        State.IN_CALL_NOT_RECORDING,
        State.IN_CALL_RECORDING,
        State.LEAVING,
    ]
    ending = run.transitions[-1].ending
    assert ending is not None
    assert ending.reason is Reason.MEETING_ENDED
    assert call.actions[0] == "open"
    assert "leave" not in call.actions


async def test_the_calls_media_begin_when_the_roster_showed_the_bot_in_not_at_the_next_look() -> None:
    lobby = View(scene=Scene.LOBBY, lobby_has_media=True)
    run = Run(ScriptedCall([lobby, lobby, *scenes(Scene.CALL, Scene.CALL), OVER]))
    await run.call_loop.until_leaving()
    assert run.lifecycle.lobby_media_until == ROSTER_MESSAGE.at


async def test_the_window_rests_only_while_the_call_is_recorded() -> None:
    call = ScriptedCall([*scenes(Scene.OPENING, Scene.LOBBY, Scene.CALL, Scene.CALL, Scene.CALL), OVER])
    run = Run(call)
    await run.call_loop.until_leaving()
    assert set(run.rests) == {State.IN_CALL_RECORDING}


async def test_page_seen_is_written_once_per_change() -> None:
    run = Run(ScriptedCall([*scenes(Scene.OPENING, Scene.OPENING, Scene.CALL), OVER]))
    await run.call_loop.until_leaving()
    pages = [event for event in run.written if isinstance(event, PageSeen)]
    assert [page.scene for page in pages] == ["opening", "call", "over"]
    assert (pages[-1].reason, pages[-1].detail, pages[-1].evidence) == (
        "meeting_ended",
        "It is over.",
        ["over.ended"],
    )


async def test_roster_changes_are_written() -> None:
    run = Run(ScriptedCall([*scenes(Scene.CALL), OVER]))
    await run.call_loop.until_leaving()
    changes = [event for event in run.written if isinstance(event, RosterChanged)]
    assert [(change.change, change.name) for change in changes] == [("join", "Ana")]


async def test_the_announcement_is_written_once_and_only_in_the_call() -> None:
    call = ScriptedCall([*scenes(Scene.LOBBY, Scene.CALL, Scene.CALL, Scene.CALL), OVER])
    await Run(call, "Hello, I record.").call_loop.until_leaving()
    assert call.actions.count("Hello, I record.") == 1
    assert call.actions.index("Hello, I record.") > 2


async def test_every_second_look_in_the_call_reads_the_pages_text() -> None:
    call = ScriptedCall([*scenes(*[Scene.CALL] * 9), OVER])
    await Run(call).call_loop.until_leaving()
    assert call.thorough[:9] == [True, False] * 4 + [True]


@pytest.mark.parametrize("name", ["Ana", None])
async def test_chat_is_written_once_and_only_in_the_call_with_the_rosters_name(name: str | None) -> None:
    message = ChatMessage(message_id="1", participant_id="ana", name=name, text="Hello", sent_at=T0)
    run = Run(ScriptedCall([*scenes(Scene.LOBBY, Scene.CALL, Scene.CALL), OVER]))
    run.call_loop._chat_in = lambda event: [message]
    for _ in range(2):
        run.call_loop.observe(ROSTER_MESSAGE)
    await run.call_loop.until_leaving()
    (chat,) = [event for event in run.written if isinstance(event, ChatReceived)]
    assert (chat.message_id, chat.participant_id, chat.name, chat.text) == ("1", "ana", "Ana", "Hello")
    assert chat.sent_at == T0 < chat.at
    (admitted,) = [move.at for move in run.transitions if move.state is State.IN_CALL_NOT_RECORDING]
    assert chat.at >= admitted


async def test_chat_of_the_call_has_the_time_at_which_it_came() -> None:
    message = ChatMessage(message_id="1", participant_id="ana", name="Ana", text="Hello", sent_at=None)
    arrived = ChannelMessage(at=T0 + 9, document=1, connection=0, label="collections", payload=b"")
    run = Run(ScriptedCall([*scenes(*[Scene.CALL] * 30), OVER]))
    run.call_loop._chat_in = lambda event: [message] if event is arrived else []
    run.call_loop._decoder.observe = lambda event: None  # type: ignore[method-assign]
    run.call_loop.observe(arrived)
    await run.call_loop.until_leaving()
    (chat,) = [event for event in run.written if isinstance(event, ChatReceived)]
    assert chat.at == arrived.at


@pytest.mark.parametrize(
    ("message", "confirmed_by"),
    [
        (ChatMessage(message_id="1", participant_id="us", name=None, text="Hi", sent_at=None), "echo"),
        (ChatMessage(message_id="1", participant_id="ana", name=None, text="Hi", sent_at=None), ""),
        (
            ChatMessage(message_id="1", participant_id="", name=None, text="Hi", sent_at=T0, sent=True),
            "sent",
        ),
    ],
)
async def test_only_the_bots_own_words_confirm_its_announcement(
    message: ChatMessage, confirmed_by: str
) -> None:
    class Answering(ScriptedCall):
        async def announce(self, message: str) -> NotAnnounced | None:
            run.call_loop.observe(ROSTER_MESSAGE)
            return await super().announce(message)

    run = Run(Answering([*scenes(Scene.CALL, Scene.CALL, Scene.CALL), OVER]), "Hi")
    run.call_loop._chat_in = lambda event: [message] if run.written else []
    await run.call_loop.until_leaving()
    (announced,) = [event for event in run.written if isinstance(event, Announced)]
    assert announced.confirmed_by == confirmed_by
    said = [event.text for event in run.written if isinstance(event, ChatReceived)]
    assert said == ([] if message.sent else ["Hi"])


@pytest.mark.parametrize("outcome", list(TaskOutcome))
async def test_what_is_due_in_the_page_is_done_in_the_call_and_costs_nothing(
    outcome: TaskOutcome, caplog: pytest.LogCaptureFixture
) -> None:
    call = ScriptedCall([*scenes(*[Scene.CALL] * 60), OVER])
    call.outcome = outcome
    run = Run(call, policy=LeavePolicy(noone_joined=600.0), longest_alone=300.0, alone=True)
    await run.call_loop.until_leaving()
    assert call.actions.count(PageTask.STAY_ALONE) == 1
    assert ("a task in the page, stay_alone: failed" in caplog.text) == (outcome is TaskOutcome.FAILED)
    ending = run.transitions[-1].ending
    assert ending is not None
    assert ending.reason is Reason.MEETING_ENDED


async def test_a_task_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_loop, "TASK_TIMEOUT", 0.001)

    class Hanging(ScriptedCall):
        async def carry_out(self, task: PageTask) -> TaskOutcome:
            await asyncio.Event().wait()
            return await super().carry_out(task)

    call = Hanging([*scenes(*[Scene.CALL] * 60), OVER])
    run = Run(call, policy=LeavePolicy(noone_joined=600.0), longest_alone=300.0, alone=True)
    await run.call_loop.until_leaving()
    assert run.transitions[-1].state is State.LEAVING


async def test_the_bots_name_and_a_closed_document_reach_the_roster() -> None:
    run = Run(ScriptedCall([OVER]))
    run.call_loop.observe(STARTED)
    run.call_loop.observe(CLOSED)
    assert run.decoder.observed == [ROSTER_MESSAGE, STARTED, CLOSED]


async def test_a_lost_page_is_written_to_the_tape_once_and_ends_the_attempt() -> None:
    run = Run(ScriptedCall(scenes(Scene.CALL, Scene.CALL, Scene.OPENING)))
    await run.call_loop.until_leaving()
    (lost,) = [event for event in run.written if isinstance(event, PageLost)]
    assert lost.lost
    assert lost.detail == "the page shows no call and no packet arrives"
    ending = run.transitions[-1].ending
    assert ending is not None
    assert ending.reason is Reason.CONNECTION_LOST


async def test_a_page_that_is_back_is_written_to_the_tape() -> None:
    run = Run(ScriptedCall([*scenes(*[Scene.CALL] * 2, *[Scene.OPENING] * 15, *[Scene.CALL] * 2), OVER]))
    await run.call_loop.until_leaving()
    assert [event.lost for event in run.written if isinstance(event, PageLost)] == [True, False]


async def test_a_page_whose_heartbeat_stops_is_lost() -> None:
    run = Run(ScriptedCall(scenes(Scene.CALL)), last_heartbeat=lambda: T0)
    await run.call_loop.until_leaving()
    ending = run.transitions[-1].ending
    assert ending is not None
    assert ending.evidence == ("page.no_heartbeat", "media.no_packets")


async def test_a_page_that_left_the_call_does_not_ask_to_join_again() -> None:
    outside = View(scene=Scene.ASKED, joinable=True)
    call = ScriptedCall([View(scene=Scene.OPENING, joinable=True), *scenes(Scene.CALL, Scene.CALL), outside])
    run = Run(call)
    await run.call_loop.until_leaving()
    assert call.actions == ["open", "act", "act", "act"]
    ending = run.transitions[-1].ending
    assert ending is not None
    assert (ending.reason, ending.evidence) == (
        Reason.CONNECTION_LOST,
        ("page.joinable", "media.no_packets"),
    )


async def test_an_unknown_page_in_the_call_is_still_acted_on() -> None:
    call = ScriptedCall([*scenes(Scene.CALL, Scene.CALL, Scene.ASKED), OVER])
    await Run(call).call_loop.until_leaving()
    assert call.actions.count("act") >= 3


@pytest.mark.parametrize("step", [3600.0, -3600.0])
async def test_a_step_of_the_systems_clock_moves_no_wait(
    monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """A simulated hour of looks, in whose middle the system's clock is set; the bot leaves after the same number of looks."""

    async def looks_until_leaving(step: float) -> tuple[int, Reason, float]:
        passed, wall = 0.0, T0
        monkeypatch.setattr(time, "time", lambda: wall + passed)
        clock = SteadyClock(time.time, lambda: passed)

        class Ticking(ScriptedCall):
            looks = 0

            async def look(self, *, thorough: bool) -> View:
                nonlocal passed, wall
                passed += 0.5
                self.looks += 1
                if passed == 300.0:
                    wall += step
                return await super().look(thorough=thorough)

        call = Ticking(scenes(Scene.CALL))
        run = Run(call, policy=LeavePolicy(silence=Patience(900.0)), clock=clock, last_heartbeat=clock)
        await run.call_loop.until_leaving()
        ending = run.transitions[-1].ending
        assert ending is not None
        return call.looks, ending.reason, ending.at - T0

    looks, reason, seconds = await looks_until_leaving(step)
    assert (looks, reason, seconds) == await looks_until_leaving(0.0)
    assert reason is Reason.SILENCE
    assert 900 <= seconds <= 902


async def test_errands_are_done_in_the_call_and_their_failures_cost_nothing_else() -> None:
    call = ScriptedCall([*scenes(Scene.LOBBY, Scene.CALL), *scenes(Scene.CALL) * 4, OVER])
    run = Run(call)
    ends: dict[str, str] = {}

    def ask(name: str, errand: Errand) -> None:
        run.controls.ask(errand, lambda failure: ends.update({name: failure}))

    async def broken(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    ask("message", Message("Hello"))
    ask("picture", Screenshot(Path("one.png")))
    await run.call_loop.until_leaving()
    assert ends == {"message": "", "picture": ""}
    assert run.pictures == [Path("one.png")]
    states = [transition.state for transition in run.transitions]
    assert (states[-1], call.actions.count("Hello")) == (State.LEAVING, 1)
    ask("late", Screenshot(Path("two.png")))
    await Errands(run.controls, call, broken).do_next()
    assert "No space left" in ends["late"]


async def test_an_errand_that_is_interrupted_is_reported_and_not_repeated() -> None:
    ends: list[str] = []
    controls = Controls()
    begun = asyncio.Event()

    async def hangs(path: Path) -> None:
        begun.set()
        await asyncio.Event().wait()

    controls.ask(Screenshot(Path("one.png")), ends.append)
    doing = asyncio.create_task(Errands(controls, ScriptedCall([OVER]), hangs).do_next())
    await begun.wait()
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    assert (len(ends), bool(ends[0]), list(controls.errands)) == (1, True, [])


async def test_a_command_wakes_the_loop() -> None:
    controls = Controls()
    errands = Errands(controls, ScriptedCall([OVER]), lambda path: asyncio.sleep(0))
    resting = asyncio.create_task(errands.rest(3600.0))
    await asyncio.sleep(0)
    controls.start_recording()
    await asyncio.wait_for(resting, 30)


@pytest.mark.parametrize("turns", range(5))
async def test_a_rest_that_is_cancelled_as_something_wakes_it_is_cancelled(turns: int) -> None:
    """Otherwise a bot that has to leave would stay."""
    controls = Controls()
    errands = Errands(controls, ScriptedCall([OVER]), lambda path: asyncio.sleep(0))
    resting = asyncio.create_task(errands.rest(3600.0))
    for _ in range(3):
        await asyncio.sleep(0)
    controls.wake.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    was_resting = resting.cancel()
    await asyncio.gather(resting, return_exceptions=True)
    assert resting.cancelled() == was_resting
