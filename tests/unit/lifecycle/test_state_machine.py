from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.lifecycle.broken_capture import DEAF_TIMEOUT, DISCONNECTED_TIMEOUT
from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import LeavePolicy, Patience, StartOn
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.page_loss import LOST_TIMEOUT, NOTICED_AFTER
from worker.lifecycle.page_view import Scene, View
from worker.lifecycle.shown_ending import _REFUSALS_TO_JOIN, UNKNOWN_DEBOUNCE
from worker.lifecycle.state_machine import (
    IN_CALL,
    LONGEST,
    OPENING_TIMEOUT,
    STALE_WAITING,
    Lifecycle,
    Transition,
)
from worker.reasons import Reason
from worker.roster.roster import CallOver, Device, Evidence, Roster, SourceOwner, Status
from worker.states import State

T0 = 1_800_000_000.0
US = Device(device_id="us", name="Notes", is_us=True, status=Status.IN)
ANA = Device(device_id="ana", name="Ana", status=Status.IN)
BOT = Device(device_id="bot", name="Acme Notetaker", status=Status.IN)
ALIVE = MediaState(receivers=True, messages=True)


def view(scene: Scene, **more: Any) -> View:
    return View(scene=scene, **more)


def roster(*devices: Device, over: CallOver | None = None) -> Roster:
    owner = SourceOwner(device_id="ana", evidence=(Evidence.COLLECTIONS,))
    return Roster(devices={device.device_id: device for device in devices}, sources={7: owner}, over=over)


def gone(device: Device) -> Device:
    return Device(device_id=device.device_id, name=device.name, status=Status.OUT)


class Life:
    """A lifecycle with its transitions and a clock."""

    def __init__(self, *, comes_back: bool = False, **policy: Any) -> None:
        self.at = T0
        self.lifecycle = Lifecycle(LeavePolicy(**policy), "Notes", T0, comes_back=comes_back)
        self.transitions: list[Transition] = []

    def see(self, scene: Scene, seconds: float = 0.5, **more: Any) -> Life:
        for _ in range(max(1, round(seconds / 0.5))):
            self.at += 0.5
            self.transitions += self.lifecycle.update_view(view(scene, **more), self.at)
        return self

    def meet(self, *devices: Device, over: CallOver | None = None) -> Life:
        self.transitions += self.lifecycle.update_roster(roster(*devices, over=over), self.at)
        return self

    def hear(self, media: MediaState) -> Life:
        self.transitions += self.lifecycle.update_media(media, self.at)
        return self

    def admitted(self, *people: Device) -> Life:
        return self.hear(ALIVE).meet(US, *people).see(Scene.CALL)

    @property
    def states(self) -> list[State]:
        return [transition.state for transition in self.transitions]

    @property
    def end(self) -> Ending:
        last = self.transitions[-1]
        assert last.state is State.LEAVING, self.transitions
        assert last.ending is not None
        assert last.evidence == last.ending.evidence
        return last.ending

    def wait(self, seconds: float, scene: Scene = Scene.CALL) -> Life:
        """Shows the scene until a transition happens, at most for ``seconds``."""
        transitions, until = len(self.transitions), self.at + seconds
        while self.at < until and len(self.transitions) == transitions:
            self.see(scene)
        return self


def test_a_bot_in_the_lobby_is_admitted_by_view_and_evidence() -> None:
    life = Life().see(Scene.OPENING).see(Scene.ASKED).see(Scene.LOBBY, 30).admitted(ANA)
    assert life.states == [State.WAITING_ROOM, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]
    assert life.transitions[1].evidence == ("roster.us_in_call", "media.messages")


def test_a_calls_view_without_evidence_admits_nobody() -> None:
    life = Life(in_call_not_recording=60.0).see(Scene.CALL, 50)
    assert life.states == []
    assert life.wait(20).end.reason is Reason.NOT_RECORDING
    assert life.lifecycle.left(life.at)[0].state is State.FATAL


def test_receivers_alone_confirm_a_calls_view_after_a_while() -> None:
    life = Life().hear(MediaState(receivers=True)).see(Scene.CALL, 5)
    assert life.states == []
    assert life.see(Scene.CALL).states == [State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]


def test_media_behind_a_gate_admit_nobody() -> None:
    life = Life(in_call_not_recording=None).hear(ALIVE).meet(US, ANA).see(Scene.GATED, 300)
    assert life.states == []


def test_media_in_a_lobby_admit_nobody() -> None:
    life = Life(waiting_room=None).hear(ALIVE).meet(US, ANA).see(Scene.LOBBY, 1200)
    assert life.states == [State.WAITING_ROOM]


LOBBY_MEDIA = MediaState(receivers=True, messages=True, last_frame=T0, last_speech=T0, sources={201: T0})


def test_media_that_a_lobby_has_too_admit_nobody() -> None:
    life = Life(waiting_room=60.0).hear(LOBBY_MEDIA)
    life.meet().see(Scene.CALL, 50, lobby_has_media=True)
    assert life.states == []
    for _ in range(40):
        life.see(Scene.CALL, lobby_has_media=True)
    assert life.end.reason is Reason.WAITING_ROOM_TIMEOUT


@pytest.mark.parametrize(
    ("us", "more", "evidence"),
    [(US, {}, "roster.us_in_call"), (None, {"certain": True}, "page.certain")],
)
def test_an_endpoint_in_the_call_or_a_certain_page_admits(
    us: Device | None, more: dict[str, bool], evidence: str
) -> None:
    life = Life().hear(LOBBY_MEDIA).meet(*([us] if us else [])).see(Scene.CALL, lobby_has_media=True, **more)
    assert life.states == [State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]
    assert life.transitions[0].evidence == (evidence,)


@pytest.mark.parametrize("scene", [Scene.ASKED, Scene.CALL, Scene.GATED])
def test_a_roster_that_shows_the_bot_waiting_makes_any_page_a_lobby(scene: Scene) -> None:
    waiting = replace(US, status=Status.WAITING)
    life = Life(waiting_room=None).hear(ALIVE).meet(waiting)
    life.see(scene, 600, lobby_has_media=True).see(scene, STALE_WAITING, lobby_has_media=True, certain=True)
    assert life.states == [State.WAITING_ROOM]
    assert life.transitions[0].evidence == ("roster.us_waiting",)
    assert life.lifecycle.waited_until == life.at
    life.meet(US).see(Scene.CALL)
    assert life.states == [State.WAITING_ROOM, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]


def test_a_page_that_goes_on_showing_what_no_lobby_has_outweighs_a_roster_that_was_not_updated() -> None:
    life = Life(waiting_room=None).hear(ALIVE).meet(replace(US, status=Status.WAITING))
    life.see(Scene.CALL, STALE_WAITING, lobby_has_media=True, certain=True).see(
        Scene.CALL, lobby_has_media=True
    )
    life.see(Scene.CALL, STALE_WAITING, lobby_has_media=True, certain=True)
    assert life.states == [State.WAITING_ROOM]
    life.see(Scene.CALL, lobby_has_media=True, certain=True)
    assert life.states == [State.WAITING_ROOM, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]


def test_once_admitted_a_waiting_entry_of_the_bot_means_nothing() -> None:
    life = Life(start_on="participant_speak").admitted(ANA).meet(replace(US, status=Status.WAITING), ANA)
    life.see(Scene.CALL, lobby_has_media=True)
    life.hear(ALIVE._replace(last_frame=life.at, last_speech=life.at))
    assert life.states == [State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]


def test_where_media_confirm_a_call_a_waiting_entry_does_not_contradict_them() -> None:
    life = Life().hear(ALIVE).meet(replace(US, status=Status.WAITING)).see(Scene.CALL)
    assert life.states == [State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING]


@pytest.mark.parametrize(("first_frame", "after"), [(None, 0.0), (T0 + 0.4, 0.5), (T0 + 0.7, 0.0)])
def test_what_arrived_until_the_lobby_was_gone_may_be_the_lobbys(
    first_frame: float | None, after: float
) -> None:
    life = Life().see(Scene.LOBBY, lobby_has_media=True)
    shown = life.at
    life.hear(MediaState(first_frame=first_frame, last_frame=first_frame))
    life.see(Scene.ASKED, lobby_has_media=True).see(Scene.CALL, lobby_has_media=True, certain=True)
    assert life.lifecycle.lobby_media_until == shown + after
    assert Life().see(Scene.LOBBY).admitted(ANA).lifecycle.lobby_media_until is None


@pytest.mark.parametrize("words_stand", [0.5, 7.0])
def test_what_arrived_after_the_roster_showed_the_bot_in_the_call_is_the_calls(words_stand: float) -> None:
    life = Life().see(Scene.LOBBY, lobby_has_media=True)
    life.hear(MediaState(first_frame=T0 + 0.4, last_frame=T0 + 0.4))
    life.lifecycle.note_us(US, T0 + 0.1)
    life.lifecycle.note_us(replace(US, status=Status.WAITING), T0 + 0.2)
    life.see(Scene.LOBBY, lobby_has_media=True)
    admitted = life.at + 0.1
    life.lifecycle.note_us(US, admitted)
    life.lifecycle.note_us(US, admitted + 0.1)
    life.see(Scene.LOBBY, words_stand, lobby_has_media=True)
    life.see(Scene.CALL, lobby_has_media=True, certain=True)
    assert life.lifecycle.lobby_media_until == admitted


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (Scene.LOBBY, Reason.WAITING_ROOM_TIMEOUT),
        (Scene.ASKED, Reason.WAITING_ROOM_TIMEOUT),
        (Scene.HOST_ABSENT, Reason.MEETING_NOT_STARTED),
    ],
)
def test_waiting_ends_when_its_time_is_up(scene: Scene, reason: Reason) -> None:
    life = Life(waiting_room=60.0).see(Scene.ASKED).wait(100, scene)
    if scene is not Scene.ASKED:
        life.wait(100, scene)
    assert life.end.reason is reason
    assert 60 <= life.at - T0 <= 61.5


def test_a_wait_that_is_over_says_what_the_lobby_said() -> None:
    life = Life(waiting_room=10.0)
    while not life.states or life.states[-1] is not State.LEAVING:
        life.see(Scene.LOBBY, detail="an organizer has to approve it")
    assert life.end.detail == "nobody answered within 10 s (an organizer has to approve it)"


def test_a_page_that_shows_nothing_known_ends_as_not_understood() -> None:
    life = Life().wait(OPENING_TIMEOUT + 5, Scene.OPENING)
    assert life.end.reason is Reason.PAGE_NOT_UNDERSTOOD
    assert life.lifecycle.left(life.at)[0].state is State.FATAL


def test_a_refusal_counts_only_once_it_has_lasted() -> None:
    refusal: dict[str, Any] = {
        "reason": Reason.DENIED_BY_HOST,
        "detail": "Denied.",
        "evidence": ("refused.denied",),
    }
    life = Life().see(Scene.LOBBY).see(Scene.REFUSED, **refusal).see(Scene.LOBBY, 5)
    assert life.states == [State.WAITING_ROOM]
    life.see(Scene.REFUSED, 1.5, **refusal)
    assert life.end == Ending(Reason.DENIED_BY_HOST, "Denied.", life.at - 1, ("refused.denied",))


LOBBY_MEDIA = MediaState(receivers=True, messages=True)


def test_signs_that_a_waiting_room_has_too_do_not_show_an_admission() -> None:
    life = Life().hear(LOBBY_MEDIA).see(Scene.ASKED).see(Scene.CALL, 60, lobby_like=True)
    assert life.states == []
    life.see(Scene.CALL)
    assert (life.states, life.transitions[0].evidence) == (
        [State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING],
        ("media.messages",),
    )


@pytest.mark.parametrize("confirm", ["roster", "frames"])
def test_what_no_waiting_room_has_admits_a_bot_that_is_alone(confirm: str) -> None:
    life = Life().hear(LOBBY_MEDIA).see(Scene.CALL, lobby_like=True)
    life = life.meet(US) if confirm == "roster" else life.hear(LOBBY_MEDIA._replace(last_frame=life.at))
    life.see(Scene.CALL, lobby_like=True)
    assert life.states[0] is State.IN_CALL_NOT_RECORDING


def test_a_page_that_may_be_a_waiting_room_ends_as_one() -> None:
    life = Life(waiting_room=30.0).hear(LOBBY_MEDIA).see(Scene.CALL, 29, lobby_like=True)
    assert life.states == []
    life.see(Scene.CALL, 2, lobby_like=True)
    assert life.end.reason is Reason.WAITING_ROOM_TIMEOUT


def test_a_refusal_in_unknown_words_has_to_last_longer() -> None:
    unknown: dict[str, Any] = {"reason": Reason.PAGE_NOT_UNDERSTOOD, "detail": "Better luck next time"}
    life = Life().see(Scene.ASKED).see(Scene.REFUSED, UNKNOWN_DEBOUNCE - 0.5, **unknown)
    assert life.states == []
    life.see(Scene.REFUSED, 1, **unknown)
    assert (life.end.reason, life.end.detail) == (Reason.PAGE_NOT_UNDERSTOOD, "Better luck next time")


@pytest.mark.parametrize(
    ("told", "before", "in_call"),
    [
        (Reason.MEETING_ENDED, Reason.MEETING_OVER, Reason.MEETING_ENDED),
        (Reason.REMOVED, Reason.REMOVED_FROM_WAITING_ROOM, Reason.REMOVED),
        (Reason.DENIED_BY_HOST, Reason.DENIED_BY_HOST, Reason.REMOVED),
        (Reason.CONNECTION_FAILED, Reason.CONNECTION_FAILED, Reason.CONNECTION_LOST),
        (Reason.ENDED_UNKNOWN, Reason.PAGE_NOT_UNDERSTOOD, Reason.ENDED_UNKNOWN),
        (Reason.PAGE_NOT_UNDERSTOOD, Reason.PAGE_NOT_UNDERSTOOD, Reason.ENDED_UNKNOWN),
    ],
)
def test_the_same_words_have_another_reason_before_the_call_and_in_it(
    told: Reason, before: Reason, in_call: Reason
) -> None:
    assert Life().see(Scene.OVER, 4, reason=told).end.reason is before
    assert Life().admitted(ANA).see(Scene.OVER, 4, reason=told).end.reason is in_call


def test_an_end_that_is_shown_only_briefly_is_ignored() -> None:
    life = Life().admitted(ANA).see(Scene.OVER, 2.5, reason=Reason.REMOVED).see(Scene.CALL, 60)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


def test_an_end_shown_by_page_and_connection_counts_at_once() -> None:
    life = Life().admitted(ANA)
    life.hear(ALIVE._replace(disconnected_since=life.at)).see(Scene.OVER, reason=Reason.MEETING_ENDED)
    assert life.end.reason is Reason.MEETING_ENDED


def test_an_end_shown_by_the_roster_alone_counts_after_a_while() -> None:
    over = CallOver(reason=Reason.REMOVED, detail="removed", evidence=("collections.status",))
    life = Life().admitted(ANA).meet(US, over=over).see(Scene.CALL, 2.5)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.see(Scene.CALL).end.reason is Reason.REMOVED


def test_a_roster_that_says_over_is_ignored_while_packets_come() -> None:
    over = CallOver(reason=Reason.REMOVED, detail="removed", evidence=("collections.status",))
    life = Life().admitted(ANA).meet(US, ANA, over=over)
    for _ in range(20):
        life.hear(ALIVE._replace(last_frame=life.at)).see(Scene.CALL)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


@pytest.mark.parametrize(
    ("policy", "people", "later", "reason", "seconds"),
    [
        ({"noone_joined": 60.0}, [], [], Reason.NOONE_JOINED, 60),
        ({"everyone_left": Patience(30.0)}, [ANA], [gone(ANA)], Reason.EVERYONE_LEFT, 30),
        ({"everyone_left": Patience(2.0, 100.0)}, [ANA], [gone(ANA)], Reason.EVERYONE_LEFT, 102),
        (
            {"only_bots_by_names": Patience(20.0), "bot_names": ("notetaker",)},
            [BOT],
            [BOT],
            Reason.ONLY_BOTS_BY_NAMES,
            20,
        ),
        ({"only_bots_by_events": Patience(20.0)}, [BOT], [BOT], Reason.ONLY_BOTS_BY_EVENTS, 20),
        ({"silence": Patience(40.0)}, [ANA], [ANA], Reason.SILENCE, 40),
        ({"max_duration": 600.0}, [ANA], [ANA], Reason.MAX_DURATION, 600),
    ],
)
def test_the_bot_leaves_when_its_policy_says_so(
    policy: dict[str, Any], people: list[Device], later: list[Device], reason: Reason, seconds: float
) -> None:
    life = Life(**policy).admitted(*people).meet(US, *later)
    since = life.at
    assert life.wait(seconds + 10).end.reason is reason
    assert seconds <= life.at - since <= seconds + 1
    assert life.lifecycle.left(life.at)[0].state is State.DONE


def test_an_empty_call_is_not_silent() -> None:
    life = Life(silence=Patience(20.0), noone_joined=100.0).admitted().wait(95)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.wait(10).end.reason is Reason.NOONE_JOINED


def test_a_participant_who_rejoins_restarts_everyone_left() -> None:
    life = Life(everyone_left=Patience(30.0)).admitted(ANA).meet(US, gone(ANA)).wait(25)
    life.meet(US, ANA).wait(5).meet(US, gone(ANA)).wait(25)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


def test_speakers_count_as_present_against_the_roster() -> None:
    life = Life(noone_joined=30.0, everyone_left=Patience(2.0)).admitted()
    for _ in range(200):
        life.hear(ALIVE._replace(last_speech=life.at)).see(Scene.CALL)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


def test_a_participant_that_spoke_is_not_taken_for_a_bot() -> None:
    life = Life(only_bots_by_events=Patience(10.0)).admitted(ANA)
    life.hear(ALIVE._replace(last_speech=life.at, sources={7: life.at})).wait(60)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


def test_a_dead_capture_is_not_silence() -> None:
    life = Life(silence=Patience(20.0), everyone_left=None).admitted(ANA)
    life.hear(ALIVE._replace(last_speech=life.at)).wait(15)
    dead = ALIVE._replace(last_speech=life.at - 15, disconnected_since=life.at)
    life.hear(dead).wait(60)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    life.hear(dead._replace(disconnected_since=None)).wait(19)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.wait(5).end.reason is Reason.SILENCE


@pytest.mark.parametrize(
    ("field", "timeout", "reason"),
    [
        ("deaf_since", DEAF_TIMEOUT, Reason.TAP_DEAF),
        ("disconnected_since", DISCONNECTED_TIMEOUT, Reason.CONNECTION_LOST),
    ],
)
def test_a_capture_that_stays_dead_ends_the_recording(field: str, timeout: float, reason: Reason) -> None:
    life = Life().admitted(ANA)
    dead: dict[str, Any] = {field: life.at}
    life.hear(ALIVE._replace(**dead)).wait(timeout - 1)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.wait(2).end.reason is reason
    assert life.lifecycle.left(life.at)[0].state is State.FATAL


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_capture_that_misses_what_is_said_is_left_where_another_attempt_follows(comes_back: bool) -> None:
    life = Life(comes_back=comes_back).admitted(ANA)
    life.hear(ALIVE._replace(missed_since=life.at)).wait(DEAF_TIMEOUT - 1)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    life.hear(ALIVE).wait(5)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    life.hear(ALIVE._replace(missed_since=life.at, last_speech=life.at)).wait(DEAF_TIMEOUT + 1)
    if comes_back:
        assert life.end.reason is Reason.TAP_DEAF
        assert life.end.evidence == ("media.partly_untapped",)
    else:
        assert life.lifecycle.state is State.IN_CALL_RECORDING


@pytest.mark.parametrize("start_on", ["participant_join", "participant_speak"])
def test_recording_waits_for_another_participant(start_on: StartOn) -> None:
    life = Life(start_on=start_on).admitted().see(Scene.CALL, 10)
    assert life.states == [State.IN_CALL_NOT_RECORDING]
    life.meet(US, ANA).see(Scene.CALL)
    assert (life.lifecycle.state is State.IN_CALL_RECORDING) == (start_on == "participant_join")
    life.hear(ALIVE._replace(last_speech=life.at)).see(Scene.CALL)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


@pytest.mark.parametrize("start_on", ["manual", "participant_join", "participant_speak"])
def test_recording_begins_when_told_to_unless_it_is_denied(start_on: StartOn) -> None:
    life = Life(start_on=start_on).admitted().see(Scene.CALL, 10)
    if start_on == "manual":
        life.meet(US, ANA).hear(ALIVE._replace(last_speech=life.at)).see(Scene.CALL)
    assert life.states == [State.IN_CALL_NOT_RECORDING]
    life.see(Scene.CALL, recording_denied=True)
    life.lifecycle.start_recording()
    assert life.see(Scene.CALL, recording_denied=True).states == [State.IN_CALL_NOT_RECORDING]
    assert life.see(Scene.CALL).lifecycle.state is State.IN_CALL_RECORDING


def test_a_bot_that_is_told_to_record_before_the_call_records_in_it() -> None:
    life = Life(start_on="manual")
    life.lifecycle.start_recording()
    assert life.admitted().see(Scene.CALL).lifecycle.state is State.IN_CALL_RECORDING


def test_a_bot_leaves_when_recording_is_not_permitted_for_long_enough() -> None:
    life = Life(recording_denied=30.0).hear(ALIVE).meet(US, ANA)
    life.see(Scene.CALL, 20, recording_denied=True, detail="No recording, please.")
    assert life.states == [State.IN_CALL_NOT_RECORDING]
    life.see(Scene.CALL, 11, recording_denied=True, detail="No recording, please.")
    assert life.end.reason is Reason.RECORDING_DENIED
    assert life.end.detail == "No recording, please."


def test_a_permission_that_is_taken_back_ends_the_recording_once_confirmed() -> None:
    life = Life(recording_denied=30.0).admitted(ANA).see(Scene.CALL, 3, recording_denied=True)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.see(Scene.CALL, recording_denied=True).end.reason is Reason.RECORDING_DENIED


@pytest.mark.parametrize("recording_denied", [0.0, 30.0])
def test_a_denial_that_is_shown_only_briefly_ends_nothing(recording_denied: float) -> None:
    life = Life(recording_denied=recording_denied).hear(ALIVE).meet(US, ANA)
    for _ in range(10):
        life.see(Scene.CALL, 2.5, recording_denied=True).see(Scene.CALL)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


def test_a_device_with_the_bots_name_does_not_count_as_a_participant() -> None:
    tile = Device(device_id="x", name="Notes")
    life = Life(noone_joined=30.0).hear(ALIVE)
    life.transitions += life.lifecycle.update_roster(Roster(devices={"x": tile}), life.at)
    assert life.see(Scene.CALL).wait(40).end.reason is Reason.NOONE_JOINED


def test_the_first_stop_from_outside_decides_the_ending() -> None:
    life = Life().admitted(ANA)
    life.transitions += life.lifecycle.stop(Ending(Reason.DRAINED, "SIGTERM", life.at))
    assert life.end.reason is Reason.DRAINED
    assert life.lifecycle.stop(Ending(Reason.INTERRUPTED, "SIGINT", life.at)) == []
    assert life.see(Scene.OVER, 10, reason=Reason.REMOVED).end.reason is Reason.DRAINED


GONE = [
    # What the page shows in place of the call.
    {"scene": Scene.ASKED},
    {"scene": Scene.OPENING},
    {"scene": Scene.ASKED, "joinable": True},
    {"scene": Scene.REFUSED, "reason": Reason.SIGN_IN_REQUIRED},
    {"scene": Scene.REFUSED, "reason": Reason.MEETING_NOT_FOUND},
]


@pytest.mark.parametrize("shown", GONE)
@pytest.mark.parametrize("connected", [True, False])
def test_a_page_without_a_call_and_without_packets_is_a_lost_connection(
    shown: dict[str, Any], connected: bool
) -> None:
    life = Life(silence=Patience(6.0)).admitted(ANA)
    media = ALIVE._replace(last_frame=life.at, last_speech=life.at)
    life.hear(media if connected else media._replace(disconnected_since=life.at))
    since = life.at
    life.see(seconds=LOST_TIMEOUT - 1, **shown)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    life.see(seconds=2, **shown)
    assert life.end.reason is Reason.CONNECTION_LOST
    assert life.end.detail.endswith("no packet arrives for 20 s")
    assert LOST_TIMEOUT <= life.end.at - since <= LOST_TIMEOUT + 1
    assert life.lifecycle.left(life.at)[0].state is State.FATAL


def test_packets_keep_a_call_whose_page_is_unknown() -> None:
    life = Life().admitted(ANA)
    for _ in range(2 * 600):
        life.hear(ALIVE._replace(last_frame=life.at)).see(Scene.ASKED)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.lifecycle.page_lost is None


def test_a_calls_view_keeps_a_silent_meeting() -> None:
    life = Life().admitted(ANA)
    for _ in range(2 * 600):
        life.lifecycle.update_heartbeat(life.at)
        life.see(Scene.CALL)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.lifecycle.page_lost is None


def test_a_calls_view_without_heartbeat_and_packets_is_a_lost_connection() -> None:
    life = Life().admitted(ANA)
    life.lifecycle.update_heartbeat(life.at)
    assert life.wait(LOST_TIMEOUT + 2).end.evidence == ("page.no_heartbeat", "media.no_packets")
    assert life.end.reason is Reason.CONNECTION_LOST


def test_a_lost_page_is_reported_before_the_bot_leaves_and_while_it_lasts() -> None:
    life = Life().admitted(ANA).see(Scene.CALL).see(Scene.ASKED, NOTICED_AFTER - 0.5)
    assert life.lifecycle.page_lost is None
    life.see(Scene.ASKED)
    assert life.lifecycle.page_lost == "the page shows no call and no packet arrives"
    life.see(Scene.CALL)
    assert life.lifecycle.page_lost is None
    life.see(Scene.ASKED, LOST_TIMEOUT)
    assert life.lifecycle.state is State.LEAVING
    assert life.lifecycle.page_lost is None


def test_a_page_is_not_lost_before_the_call() -> None:
    life = Life().see(Scene.ASKED, 60)
    assert life.lifecycle.page_lost is None
    assert life.states == []


def test_heartbeats_that_were_missing_before_the_call_do_not_count_in_it() -> None:
    life = Life().see(Scene.LOBBY)
    life.lifecycle.update_heartbeat(life.at)
    life.see(Scene.LOBBY, 60).admitted(ANA).see(Scene.CALL)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.lifecycle.page_lost is None


def test_a_lost_page_says_nothing_about_silence() -> None:
    life = Life(silence=Patience(16.0)).admitted(ANA).hear(ALIVE._replace(last_speech=T0, last_frame=T0))
    life.see(Scene.ASKED, LOST_TIMEOUT - 1)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    assert life.see(Scene.ASKED, 2).end.reason is Reason.CONNECTION_LOST


def test_a_bot_that_is_sent_back_to_the_waiting_room_is_not_lost() -> None:
    life = Life().admitted(ANA).see(Scene.LOBBY, 60)
    assert life.lifecycle.state is State.IN_CALL_RECORDING


@pytest.mark.parametrize("packets", [True, False])
def test_an_unknown_end_ends_the_call_unless_packets_arrive(packets: bool) -> None:
    life = Life().admitted(ANA)
    shown: dict[str, Any] = {"reason": Reason.ENDED_UNKNOWN, "detail": "Adiaux!", "evidence": ("last_page",)}
    for _ in range(20):
        life.hear(ALIVE._replace(last_frame=life.at if packets else T0)).see(Scene.OVER, **shown)
    assert (life.lifecycle.state is State.IN_CALL_RECORDING) is packets
    if not packets:
        assert life.end[:2] == (Reason.ENDED_UNKNOWN, "Adiaux!")
        assert life.lifecycle.left(life.at)[0].state is State.DONE
        assert not life.end.reason.is_retried


def test_an_unknown_end_waits_for_better_evidence_even_without_a_connection() -> None:
    life = Life().admitted(ANA)
    life.hear(ALIVE._replace(disconnected_since=life.at))
    life.see(Scene.OVER, 3, reason=Reason.ENDED_UNKNOWN)
    assert life.lifecycle.state is State.IN_CALL_RECORDING
    over = CallOver(reason=Reason.REMOVED, detail="removed", evidence=("collections.status",))
    assert life.meet(US, over=over).end.reason is Reason.REMOVED


def test_the_rosters_reason_outranks_an_unknown_end() -> None:
    over = CallOver(reason=Reason.REMOVED, detail="removed", evidence=("collections.status",))
    life = Life().admitted(ANA).meet(US, over=over).see(Scene.OVER, reason=Reason.ENDED_UNKNOWN)
    assert life.end.reason is Reason.REMOVED


def test_the_rosters_reason_outranks_a_lost_page() -> None:
    over = CallOver(reason=Reason.REMOVED, detail="removed", evidence=("collections.status",))
    life = Life().admitted(ANA).see(Scene.ASKED, 10).meet(US, over=over).wait(10, Scene.ASKED)
    assert life.end.reason is Reason.REMOVED


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.is_retried])
def test_a_refusal_in_the_call_ends_it_or_is_a_lost_page(reason: Reason) -> None:
    """A refusal to join, in the call, is no outcome of the meeting."""
    life = Life().admitted(ANA).see(Scene.REFUSED, 4, reason=reason)
    assert (life.lifecycle.state is State.LEAVING) == (reason not in _REFUSALS_TO_JOIN)
    before = Life().see(Scene.REFUSED, 4, reason=reason)
    assert before.lifecycle.state is State.LEAVING


scenes = st.sampled_from(Scene)
OURS = {
    Reason.SILENCE,
    Reason.EVERYONE_LEFT,
    Reason.NOONE_JOINED,
    Reason.ONLY_BOTS_BY_NAMES,
    Reason.ONLY_BOTS_BY_EVENTS,
}
"""Reasons that no page gives."""
reasons = st.none() | st.sampled_from([reason for reason in Reason if reason not in OURS])
seconds = st.floats(0.1, 400.0)
times = st.none() | st.floats(T0 - 10, T0 + 5000)
observations = st.one_of(
    st.builds(View, scene=scenes, reason=reasons, recording_denied=st.booleans(), joinable=st.booleans()),
    st.builds(
        Roster,
        devices=st.lists(st.sampled_from([US, ANA, BOT, gone(ANA), gone(BOT)])).map(
            lambda devices: {device.device_id: device for device in devices}
        ),
        over=st.none()
        | st.builds(
            CallOver,
            reason=st.sampled_from([Reason.REMOVED, Reason.MEETING_ENDED]),
            detail=st.just(""),
            evidence=st.just(("roster",)),
        ),
    ),
    st.builds(
        MediaState,
        last_frame=times,
        last_speech=times,
        disconnected_since=times,
        deaf_since=times,
        missed_since=times,
        receivers=st.booleans(),
        messages=st.booleans(),
    ),
)
patience = st.none() | st.builds(Patience, st.floats(0, 2000), st.floats(0, 2000))
policies = st.builds(
    LeavePolicy,
    waiting_room=st.none() | st.floats(0, 2000),
    noone_joined=st.none() | st.floats(0, 2000),
    everyone_left=patience,
    only_bots_by_names=patience,
    bot_names=st.just(("note",)),
    only_bots_by_events=patience,
    silence=patience,
    in_call_not_recording=st.none() | st.floats(0, 4000),
    recording_denied=st.none() | st.floats(0, 100),
    max_duration=st.none() | st.floats(1, 2000),
    start_on=st.sampled_from(["call_join", "participant_join", "participant_speak", "manual"]),
)


def played(
    lifecycle: Lifecycle, script: list[tuple[float, View | Roster | MediaState]]
) -> Iterator[tuple[View, MediaState, Transition]]:
    """Each transition with the last view and the last word on the media before it."""
    at, last, media = T0, View(scene=Scene.OPENING), MediaState()
    for step, observation in script:
        at += step
        if isinstance(observation, View):
            last = observation
            transitions = lifecycle.update_view(observation, at)
        elif isinstance(observation, Roster):
            transitions = lifecycle.update_roster(observation, at)
        else:
            media = observation
            transitions = lifecycle.update_media(observation, at)
        for transition in transitions:
            yield last, media, transition


@settings(max_examples=500)
@given(policies, st.lists(st.tuples(seconds, observations), max_size=40))
def test_any_observations_keep_the_invariants_and_time_ends_every_call(
    policy: LeavePolicy, script: list[tuple[float, View | Roster | MediaState]]
) -> None:
    lifecycle = Lifecycle(policy, "Notes", T0)
    admitted = False
    for last, media, transition in played(lifecycle, script):
        if transition.state in IN_CALL:
            admitted = True
            assert last.scene is Scene.CALL
        if transition.state is State.IN_CALL_RECORDING:
            assert not last.recording_denied
        if transition.state is State.LEAVING:
            assert transition.ending is not None
            reason = transition.ending.reason
            assert transition.ending.at <= transition.at
            if not admitted:
                assert reason not in {Reason.MEETING_ENDED, Reason.REMOVED, *OURS}
            if reason in OURS:
                assert media.alive
    # Time alone ends it, if nothing else does.
    end = T0 + sum(step for step, _ in script) + 2 * LONGEST + OPENING_TIMEOUT + 1
    transitions = [*lifecycle.tick(end), *lifecycle.tick(end + LONGEST), *lifecycle.tick(end + 2 * LONGEST)]
    assert lifecycle.state is State.LEAVING, transitions
    admitted |= any(transition.state in IN_CALL for transition in transitions)
    (final,) = lifecycle.left(end + 3 * LONGEST)
    assert final.ending is not None
    good = admitted and not final.ending.reason.is_cut_off
    assert final.state is (State.DONE if good else State.FATAL)
    assert lifecycle.left(end + 3 * LONGEST) == lifecycle.tick(end + 4 * LONGEST) == []


looks = st.tuples(st.sampled_from([0.25, 0.5, 1.0, 4.0]), scenes, st.booleans(), st.booleans())


@settings(max_examples=300)
@given(st.lists(looks, min_size=1, max_size=120))
def test_a_connection_is_lost_only_after_as_long_without_packets(
    script: list[tuple[float, Scene, bool, bool]],
) -> None:
    """For every page: packets within LOST_TIMEOUT keep the call, and so does a call's view with heartbeats."""
    lifecycle = Lifecycle(LeavePolicy(silence=None, everyone_left=None, noone_joined=None), "Notes", T0)
    lifecycle.update_media(ALIVE, T0)
    lifecycle.update_view(view(Scene.CALL), T0)
    at, last_frame, last_heartbeat, last_call = T0, T0, T0, T0
    for step, scene, packet, beat in script:
        at += step
        last_frame = at if packet else last_frame
        last_heartbeat = at if beat else last_heartbeat
        lifecycle.update_media(ALIVE._replace(last_frame=last_frame), at)
        lifecycle.update_heartbeat(last_heartbeat)
        transitions = lifecycle.update_view(view(scene, reason=Reason.SIGN_IN_REQUIRED), at)
        last_call = at if scene in (Scene.CALL, Scene.GATED) else last_call
        if transitions and transitions[-1].state is State.LEAVING:
            ending = transitions[-1].ending
            assert ending is not None
            if ending.reason is Reason.CONNECTION_LOST:
                assert at - last_frame >= LOST_TIMEOUT
                assert at - min(last_call, last_heartbeat) >= LOST_TIMEOUT
            break
