from __future__ import annotations

from collections.abc import Iterable

import pytest

from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.leave_policy import LeavePolicy
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.page_view import Scene, View
from worker.lifecycle.state_machine import Lifecycle, Transition
from worker.reasons import Reason
from worker.recording import call_loop
from worker.recording.announcer import Announcer
from worker.recording.call_loop import CallLoop
from worker.roster.roster import Device, Roster, Status
from worker.states import State
from worker.tape.events import ChannelMessage, PageSeen, RosterChanged, TapeEvent, WorkerEvent

T0 = 1_800_000_000.0
ROSTER_MESSAGE = ChannelMessage(at=T0, document=1, connection=0, label="collections", payload=b"")
OVER = View(scene=Scene.OVER, reason=Reason.MEETING_ENDED, detail="It is over.", evidence=("over.ended",))


class ScriptedCall:
    """Shows one view after another; the last one stays."""

    platform = "google_meet"

    def __init__(self, views: Iterable[View]) -> None:
        self._views = list(views)
        self.actions: list[str] = []
        self.thorough: list[bool] = []

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

    async def leave(self) -> None:
        self.actions.append("leave")


class ScriptedRoster:
    undecodable = 0
    harvested = 0

    def observe(self, event: TapeEvent) -> None:
        assert event is ROSTER_MESSAGE

    def roster(self) -> Roster:
        us = Device(device_id="us", is_us=True, status=Status.IN)
        return Roster(devices={"us": us, "ana": Device(device_id="ana", name="Ana", status=Status.IN)})


class Run:
    """A call loop, and the transitions and events that it made."""

    def __init__(self, call: ScriptedCall, announcement: str | None = None) -> None:
        self.now = T0
        self.transitions: list[Transition] = []
        self.written: list[WorkerEvent] = []
        media = MediaMonitor()
        self.call_loop = CallLoop(
            call,
            ScriptedRoster(),
            media,
            Lifecycle(LeavePolicy(), "Notes", T0),
            Announcer(call, announcement, write=self.written.append, clock=self._clock),
            on_transition=self.transitions.append,
            write=self.written.append,
            clock=self._clock,
            last_heartbeat=lambda: None,
        )
        media.observe(ROSTER_MESSAGE, T0)
        self.call_loop.observe(ROSTER_MESSAGE)

    def _clock(self) -> float:
        self.now += 0.5
        return self.now


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_loop, "JOINING_INTERVAL", 0.0)
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


async def test_every_fourth_look_in_the_call_reads_the_pages_text() -> None:
    call = ScriptedCall([*scenes(*[Scene.CALL] * 9), OVER])
    await Run(call).call_loop.until_leaving()
    assert call.thorough[:9] == [True, False, False, False, True, False, False, False, True]
