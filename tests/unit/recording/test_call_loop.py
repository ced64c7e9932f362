from __future__ import annotations

from collections.abc import Iterable

import pytest

from worker.lifecycle.leave_policy import LeavePolicy
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.page_view import Scene, View
from worker.lifecycle.state_machine import Lifecycle, Transition
from worker.reasons import Reason
from worker.recording import call_loop
from worker.recording.call_loop import CallLoop
from worker.roster.roster import Device, Roster, Status
from worker.states import State
from worker.tape.events import ChannelMessage, PageSeen, RosterChanged, TapeEvent, WorkerEvent

T0 = 1_800_000_000.0
TOLD = ChannelMessage(at=T0, document=1, connection=0, label="collections", payload=b"")
OVER = View(scene=Scene.OVER, reason=Reason.MEETING_ENDED, detail="It is over.", evidence=("over.ended",))


class ScriptedCall:
    """Shows one view after another; the last one stays."""

    platform = "google_meet"

    def __init__(self, views: Iterable[View], *, chat: bool = True) -> None:
        self._views = list(views)
        self._chat = chat
        self.done: list[str] = []
        self.thorough: list[bool] = []

    async def open(self) -> None:
        self.done.append("open")

    async def look(self, *, thorough: bool) -> View:
        self.thorough.append(thorough)
        return self._views.pop(0) if len(self._views) > 1 else self._views[0]

    async def act(self) -> None:
        self.done.append("act")

    async def announce(self, message: str) -> bool:
        self.done.append(message)
        return self._chat

    async def leave(self) -> None:
        self.done.append("leave")


class ScriptedRoster:
    undecodable = 0
    harvested = 0

    def observe(self, event: TapeEvent) -> None:
        assert event is TOLD

    def roster(self) -> Roster:
        us = Device(device_id="us", is_us=True, status=Status.IN)
        return Roster(devices={"us": us, "ana": Device(device_id="ana", name="Ana", status=Status.IN)})


class Stay:
    """A call loop with all that it told."""

    def __init__(self, call: ScriptedCall, announcement: str | None = None) -> None:
        self.now = T0
        self.transitions: list[Transition] = []
        self.noted: list[WorkerEvent] = []
        media = MediaMonitor()
        self.call_loop = CallLoop(
            call,
            ScriptedRoster(),
            media,
            Lifecycle(LeavePolicy(), "Notes", T0),
            announcement,
            moved=self.transitions.append,
            note=self.noted.append,
            clock=self._clock,
        )
        media.observe(TOLD)
        self.call_loop.observe(TOLD)

    def _clock(self) -> float:
        self.now += 0.5
        return self.now


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_loop, "JOINING_INTERVAL", 0.0)
    monkeypatch.setattr(call_loop, "IN_CALL_INTERVAL", 0.0)


def scenes(*names: Scene) -> list[View]:
    return [View(scene=name) for name in names]


async def test_from_the_door_to_the_end() -> None:
    call = ScriptedCall([*scenes(Scene.OPENING, Scene.LOBBY, Scene.CALL, Scene.CALL), OVER])
    stay = Stay(call)
    await stay.call_loop.until_leaving()
    assert [transition.state for transition in stay.transitions] == [
        State.WAITING_ROOM,
        State.IN_CALL_NOT_RECORDING,
        State.IN_CALL_RECORDING,
        State.LEAVING,
    ]
    ending = stay.transitions[-1].ending
    assert ending is not None
    assert ending.reason is Reason.MEETING_ENDED
    assert call.done[0] == "open"
    assert "leave" not in call.done


async def test_what_the_page_showed_stands_on_the_tape_once() -> None:
    stay = Stay(ScriptedCall([*scenes(Scene.OPENING, Scene.OPENING, Scene.CALL), OVER]))
    await stay.call_loop.until_leaving()
    pages = [event for event in stay.noted if isinstance(event, PageSeen)]
    assert [page.scene for page in pages] == ["opening", "call", "over"]
    assert (pages[-1].reason, pages[-1].detail, pages[-1].evidence) == (
        "meeting_ended",
        "It is over.",
        ["over.ended"],
    )


async def test_who_came_stands_on_the_tape() -> None:
    stay = Stay(ScriptedCall([*scenes(Scene.CALL), OVER]))
    await stay.call_loop.until_leaving()
    changes = [event for event in stay.noted if isinstance(event, RosterChanged)]
    assert [(change.change, change.name) for change in changes] == [("join", "Ana")]


async def test_the_announcement_is_made_once_and_only_in_the_call() -> None:
    call = ScriptedCall([*scenes(Scene.LOBBY, Scene.CALL, Scene.CALL, Scene.CALL), OVER])
    await Stay(call, "Hello, I record.").call_loop.until_leaving()
    assert call.done.count("Hello, I record.") == 1
    assert call.done.index("Hello, I record.") > 2


async def test_a_call_without_a_chat_is_no_reason_to_leave(caplog: pytest.LogCaptureFixture) -> None:
    stay = Stay(ScriptedCall([*scenes(Scene.CALL), OVER], chat=False), "Hello")
    await stay.call_loop.until_leaving()
    assert "could not be written into the chat" in caplog.text


async def test_the_text_of_the_page_is_read_seldom_in_the_call() -> None:
    call = ScriptedCall([*scenes(*[Scene.CALL] * 9), OVER])
    await Stay(call).call_loop.until_leaving()
    assert call.thorough[:9] == [True, False, False, False, True, False, False, False, True]
