"""Every outcome of joining a Google Meet call, in a real Chromium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from fixtures.replica.meet.scenario import Language, Page, Refusal, Waiting
from fixtures.replica.scenario import Participant, Roster, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.words import PeoplesWords, Place
from tests.support.outcome_rows import (
    GROUPS,
    NOT_LET_IN,
    ONLY_IN_CALL,
    RECORDED,
    REFUSED,
    REPEAT,
    Check,
    Row,
    play_group,
)
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.lifecycle.state_machine import DENIAL_DEBOUNCE
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.tape.events import (
    ChannelMessage,
    ChatReceived,
    FrameBatch,
    PageSeen,
    ReceiverTapped,
    RosterChanged,
    StateChanged,
    TapeEvent,
    VideoBatch,
)

LOBBY = 1.2
LENGTH = 2.0
ADA = Participant(name="Ada Ray", voice="elif", csrc=7001, says=[(0.2, LENGTH)], host=True)
BEN = Participant(name="Ben Oak", voice="nuno", csrc=7002, says=[(0.4, LENGTH)])
BOTH = (ADA.name, BEN.name)
LONG = 40.0
MESSAGE = "I record this call. " * 40
FOREIGN: tuple[Language, ...] = ("pt", "ja", "ar")
STRAIGHT_IN = ("joining", "in_call_not_recording", "in_call_recording", "leaving", "done")


def meeting(
    page: Page | None = None,
    *people: Participant,
    duration: float = LENGTH,
    roster: Roster | None = None,
    removed: bool = False,
) -> Scenario:
    return Scenario(
        title="test",
        duration=duration,
        participants=list(people or (ADA, BEN)),
        page=page or Page(lobby=LOBBY),
        roster=roster or Roster(),
        ends="removed" if removed else "host_ended",
    )


def host_ends(name: str, scenario: Scenario, names: Sequence[str] | None = None) -> Row:
    """The bot records until the host ends the meeting."""
    return Row(name, scenario, Reason.MEETING_ENDED, "call_ended_by_host", "host_ended", names=names)


def refused_before_lobby(wall: Refusal, reason: Reason, sub_code: str) -> Row:
    """The bot is refused before it can ask to join."""
    return Row(wall.replace("_", "-"), meeting(Page(wall=wall)), reason, sub_code, wall, REFUSED)


def refused_in_lobby(verdict: Refusal, reason: Reason, sub_code: str) -> Row:
    """The bot is refused in the lobby."""
    page = Page(lobby=LOBBY, verdict=verdict)
    return Row(f"lobby-{verdict.replace('_', '-')}", meeting(page), reason, sub_code, verdict, NOT_LET_IN)


def bot_leaves(
    name: str,
    reason: Reason,
    sub_code: str,
    shown: str,
    after: float,
    policy: LeavePolicy,
    *people: Participant,
) -> Row:
    """The bot decides to leave a long meeting."""
    scenario = meeting(None, *people, duration=LONG)
    return Row(name, scenario, reason, sub_code, shown, after=after, policy=policy)


def recorded_with(name: str, page: Page) -> Row:
    return host_ends(name, meeting(page))


def ended_unknown(name: str, scenario: Scenario) -> Row:
    """The call ends, and its last page says so in unknown words."""
    return Row(name, scenario, Reason.ENDED_UNKNOWN, None, "host_ended")


def recorded_removal(name: str, scenario: Scenario) -> Row:
    """The last page's words are unknown, but the roster says that the bot was removed."""
    return Row(name, scenario, Reason.REMOVED, "bot_kicked_from_call", "unknown")


def page_is_quoted(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    detail = outcome.ending.detail
    return [] if detail == "So much for this one It was a pleasure." else [f"gave the detail {detail!r}"]


def refused_in_unknown_words(language: Language) -> Row:
    """The page refuses the bot in words that nobody knows, in a page of ``language``."""
    page = Page(wall="unknown_refusal", language=language)
    words = "Better luck next time Nobody comes in here today."
    return Row(
        f"unknown-refusal-{language}",
        meeting(page),
        Reason.PAGE_NOT_UNDERSTOOD,
        "bot_errored",
        "unknown_refusal",
        REFUSED,
        check=lambda _, outcome, events: (
            [] if language != "en" or outcome.ending.detail == words else [f"gave {outcome.ending.detail!r}"]
        ),
    )


def chat_message_is_cut(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    (text,) = replica.chat
    said = [event.text for event in events if isinstance(event, ChatReceived)]
    faults = [] if said == replica.chat else [f"chat on the tape: {said}"]
    cut = 480 < len(text) <= 500 and text.endswith("call.…")
    return faults if cut else [*faults, f"the chat got {text!r}"]


def call_is_never_seen(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    seen = {event.scene for event in events if isinstance(event, PageSeen)}
    return [f"took the page for {seen}"] if "call" in seen else []


def only_the_call_is_seen(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    """Once the call was seen: nothing else, until its last page."""
    scenes = [event.scene for event in events if isinstance(event, PageSeen)]
    others = set(scenes[scenes.index("call") :]) - {"call", "over", *NO_CALL}
    return [f"took the call for {others}"] if others else []


def nothing_of_the_lobby_is_the_call(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    admitted = next((at for at, what in replica.sent_to_page if what == "call"), float("inf"))
    early = [
        e.state for e in events if isinstance(e, StateChanged) and "in_call" in e.state and e.at < admitted
    ]
    heard = {ReceiverTapped, ChannelMessage} <= {
        type(event) for event in events if event_time(event) < admitted
    }
    return [*(f"was {state} in the lobby" for state in early), *([] if heard else ["the lobby had no media"])]


def event_time(event: TapeEvent) -> float:
    return event.frames[0].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at


def notes_and_chats(language: Language) -> Check:
    """The check that the page's language is on the tape, and that the bot wrote into the chat."""

    def check(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
        languages = {event.language for event in events if isinstance(event, PageSeen)}
        faults = [] if language in languages else [f"noted the languages {languages}"]
        return faults if replica.chat else [*faults, "wrote nothing into the chat"]

    return check


def roster_changes_are_noted(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    noted = [(event.change, event.name) for event in events if isinstance(event, RosterChanged)]
    expected = [("join", "Late Lin"), ("mute", "Ben Oak"), ("unmute", "Ben Oak"), ("leave", "Late Lin")]
    return [f"noted {noted}, expected {change}" for change in expected if change not in noted]


def leaving(person: Participant, at: float) -> Participant:
    return Participant(name=person.name, voice=person.voice, csrc=person.csrc, says=[(0.2, at)], leaves=at)


def silent(name: str, csrc: int) -> Participant:
    return Participant(name=name, voice="elif", csrc=csrc)


LOBBY_LIKE_A_CALL = Page(lobby=LONG, lobby_text="unknown", lobby_tile=True)
"""It has the call's controls, the bot's tile, receivers, a channel with messages, and no words that are known."""

NO_CALL = ("asked", "lobby", "host_absent")
"""Scenes of a call that hides itself; they end nothing."""
KICKED = "bot_kicked_from_waiting_room"
ROWS = [
    # Let in, and recorded.
    host_ends("admitted", meeting(), BOTH)._replace(announcement=MESSAGE, check=chat_message_is_cut),
    recorded_with(
        "lobby-straight", Page(lobby=LOBBY, lobby_text="asking_straight", join_label="Ask to join anyway")
    ),
    recorded_with("lobby-host-brings", Page(lobby=LOBBY, lobby_text="host_brings")),
    recorded_with("host-comes", Page(lobby=LOBBY, host_comes=1.5)),
    recorded_with("tips", Page(lobby=LOBBY, tips=["Got it", "Dismiss", "Use without an account"])),
    recorded_with(
        "no-devices", Page(lobby=LOBBY, tips=["Continue without microphone and camera", "effects"])
    ),
    recorded_with("consent", Page(lobby=LOBBY, consent_modal=True)),
    recorded_with("notices", Page(lobby=LOBBY, recording_notice=True, notices=["transcript", "gemini"])),
    recorded_with("still-there", Page(lobby=LOBBY, still_there=0.5, still_there_patience=3600.0)),
    host_ends("signed-in", meeting(Page(signed_in=True, join_label="Join now", lobby=0.0)))._replace(
        states=STRAIGHT_IN
    ),
    recorded_with("waiting-room-anyway", Page(lobby=LOBBY, join_label="Join the waiting room anyway")),
    recorded_with(
        "moderated",
        Page(
            lobby=LOBBY,
            join_label="Join the waiting room as a moderated contributor",
            lobby_text="sent_back",
        ),
    ),
    host_ends("signed-in-elsewhere", meeting(Page(signed_in=True, join_label="Switch here", lobby=LOBBY))),
    *(
        ended_unknown(f"foreign-{language}", meeting(Page(lobby=LOBBY, language=language)))._replace(
            names=BOTH, announcement=MESSAGE, check=notes_and_chats(language)
        )
        for language in FOREIGN
    ),
    ended_unknown("made-up-language", meeting(Page(lobby=LOBBY, language="x-backwards"))),
    ended_unknown("unknown-end", meeting(Page(lobby=LOBBY, unknown_end=True)))._replace(
        shown="unknown", check=page_is_quoted
    ),
    recorded_removal("unknown-removal", meeting(Page(lobby=LOBBY, unknown_end=True), removed=True)),
    host_ends("connection-retry", meeting(Page(lobby=LOBBY, connection_failures=1)))._replace(attempts=2),
    host_ends(
        "comings-and-goings",
        meeting(
            None,
            ADA,
            replace(BEN, mutes=[(0.5, 2.0)]),
            replace(silent("Late Lin", 7004), joins=0.3, leaves=2.0),
            duration=3.0,
        ),
    )._replace(check=roster_changes_are_noted),
    host_ends(
        "peoples-words",
        meeting(
            Page(
                lobby=LOBBY,
                words=[
                    PeoplesWords(at=4.5 if place == "hidden_call" else 2.0, place=place, text=text)
                    for place in get_args(Place)
                    for text in (
                        "Recording is not allowed in this call",
                        "Asking to be let in",
                        "You've been removed from the meeting",
                    )
                ],
            ),
            duration=8.5,
        ),
    )._replace(check=only_the_call_is_seen),
    host_ends("out-of-a-lobby-like-a-call", meeting(replace(LOBBY_LIKE_A_CALL, lobby=6.0)))._replace(
        states=STRAIGHT_IN, check=nothing_of_the_lobby_is_the_call
    ),
    host_ends("lingering-lobby", meeting(Page(lobby=LOBBY, lobby_lingers=3.0), duration=5.0), BOTH)._replace(
        check=nothing_of_the_lobby_is_the_call
    ),
    host_ends("call-of-its-own", meeting(Page(lobby=LOBBY, reconnects_on_admission=True)), BOTH),
    host_ends(
        "presentation-and-waiting",
        meeting(
            Page(lobby=LOBBY, waiting=[Waiting(name="Eve Ash")]),
            ADA,
            replace(BEN, presents=[(0.3, LENGTH)]),
            roster=Roster(rpc_after=None, collections_after=None),
        ),
        BOTH,
    ),
    # A roster that shows nobody is no evidence of an empty room.
    host_ends(
        "unreadable-roster",
        meeting(
            None,
            replace(ADA, says=[(0.2, 1.0), (8.2, 8.8)]),
            duration=9.0,
            roster=Roster(rpc_after=None, collections_after=None, tiles_after=None, announced_after=None),
        ),
    )._replace(policy=LeavePolicy(everyone_left=Patience(1.0), noone_joined=2.0)),
    # Names from one source of the roster alone.
    host_ends("collections-alone", meeting(roster=Roster(rpc_after=None, tiles_after=None)), BOTH),
    host_ends("tiles-alone", meeting(roster=Roster(rpc_after=None, collections_after=None)), BOTH),
    host_ends("rpc-and-bare-tiles", meeting(roster=Roster(collections_after=None, tile_names=False)), BOTH),
    host_ends(
        "moved-schema",
        meeting(roster=Roster(rpc_after=None, tiles_after=None, moved_schema=True)),
        names=BOTH,
    ),
    # Not let in.
    refused_in_lobby("denied", Reason.DENIED_BY_HOST, KICKED),
    refused_in_lobby(
        "unanswered", Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM, "call_ended_by_platform_waiting_room_timeout"
    ),
    refused_in_lobby("removed", Reason.REMOVED_FROM_WAITING_ROOM, KICKED),
    refused_in_lobby("host_ended", Reason.MEETING_OVER, "meeting_ended"),
    refused_in_lobby("blocked", Reason.BLOCKED_BY_PLATFORM, "google_meet_bot_blocked"),
    Row(
        "second-queue",
        meeting(Page(lobby=LOBBY, lobby_text="host_admits", verdict="not_allowed")),
        Reason.DENIED_BY_HOST,
        KICKED,
        "not_allowed",
        NOT_LET_IN,
    ),
    Row(
        "foreign-denied",
        meeting(Page(lobby=LOBBY, language="ar", verdict="denied")),
        Reason.PAGE_NOT_UNDERSTOOD,
        "bot_errored",
        "denied",
        NOT_LET_IN,
    ),
    Row(
        "lobby-timeout",
        meeting(Page(lobby=LONG)),
        Reason.WAITING_ROOM_TIMEOUT,
        "timeout_exceeded_waiting_room",
        "lobby",
        NOT_LET_IN,
        LeavePolicy(waiting_room=1.5),
        after=1.5,
        check=call_is_never_seen,
    ),
    Row(
        "lobby-like-a-call",
        meeting(LOBBY_LIKE_A_CALL),
        Reason.WAITING_ROOM_TIMEOUT,
        "timeout_exceeded_waiting_room",
        "lobby",
        REFUSED,
        LeavePolicy(waiting_room=6.5),
        after=6.5,
        check=nothing_of_the_lobby_is_the_call,
    ),
    Row(
        "host-never-comes",
        meeting(Page(host_comes=None)),
        Reason.MEETING_NOT_STARTED,
        "meeting_not_started",
        "lobby",
        NOT_LET_IN,
        LeavePolicy(waiting_room=1.5),
        after=1.5,
    ),
    # Refused before the lobby.
    refused_before_lobby("problem_connecting", Reason.BLOCKED_BY_PLATFORM, "google_meet_bot_blocked"),
    refused_before_lobby("problem_joining", Reason.CONNECTION_FAILED, "google_meet_internal_error"),
    refused_before_lobby("not_found", Reason.MEETING_NOT_FOUND, "meeting_not_found"),
    refused_before_lobby("code_wrong", Reason.MEETING_NOT_FOUND, "meeting_not_found"),
    refused_before_lobby("expired", Reason.LINK_EXPIRED, "meeting_link_expired"),
    refused_before_lobby("invalid", Reason.LINK_INVALID, "meeting_link_invalid"),
    refused_before_lobby("not_started", Reason.MEETING_NOT_STARTED, "meeting_not_started"),
    refused_before_lobby("call_ended", Reason.MEETING_OVER, "meeting_ended"),
    refused_before_lobby("already_ended", Reason.MEETING_OVER, "meeting_ended"),
    refused_before_lobby("full", Reason.MEETING_FULL, "meeting_full"),
    refused_before_lobby("cannot_join_call", Reason.BLOCKED_BY_PLATFORM, "google_meet_bot_blocked"),
    refused_before_lobby("not_allowed_call", Reason.BLOCKED_BY_PLATFORM, "google_meet_bot_blocked"),
    refused_before_lobby("app_collecting", Reason.BLOCKED_BY_PLATFORM, "google_meet_bot_blocked"),
    refused_before_lobby("elsewhere", Reason.CONNECTION_FAILED, "google_meet_internal_error"),
    refused_in_unknown_words("en"),
    refused_in_unknown_words("pt"),
    refused_in_unknown_words("x-backwards"),
    refused_before_lobby("sign_in", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in"),
    refused_before_lobby("choose_account", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in"),
    refused_before_lobby("captcha", Reason.CAPTCHA, "google_meet_sign_in_captcha_failed"),
    Row(
        "sign-in-redirect",
        meeting(Page(wall="sign_in_redirect")),
        Reason.SIGN_IN_REQUIRED,
        "meeting_requires_sign_in",
        "sign_in",
        REFUSED,
    ),
    Row(
        "landing-redirect",
        meeting(Page(wall="landing_redirect")),
        Reason.MEETING_NOT_FOUND,
        "meeting_not_found",
        "landing",
        REFUSED,
    ),
    # Out of the call.
    Row("removed", meeting(removed=True), Reason.REMOVED, "bot_kicked_from_call", "removed"),
    Row(
        "closed-as-idle",
        meeting(Page(lobby=LOBBY, still_there=2.0, still_there_patience=0.0), duration=LONG),
        Reason.ENDED_IDLE,
        "call_ended_by_platform_idle",
        "idle",
    ),
    Row(
        "consent-stuck",
        meeting(Page(lobby=LOBBY, consent_modal=True, consent_stuck=True)),
        Reason.NOT_RECORDING,
        "timeout_exceeded_in_call_not_recording",
        "call",
        NOT_LET_IN,
        LeavePolicy(in_call_not_recording=1.5),
        after=1.5,
    ),
    Row(
        "recording-denied",
        meeting(Page(lobby=LOBBY, recording_denied=True), duration=LONG),
        Reason.RECORDING_DENIED,
        "timeout_exceeded_recording_permission_denied",
        "call",
        ONLY_IN_CALL,
        LeavePolicy(recording_denied=1.0),
        after=1.0,
    ),
    Row(
        "recording-denied-later",
        meeting(Page(lobby=LOBBY, recording_denied_at=2.0), duration=LONG),
        Reason.RECORDING_DENIED,
        "timeout_exceeded_recording_permission_denied",
        "recording_denied",
        after=DENIAL_DEBOUNCE,
    ),
    bot_leaves(
        "everyone-left",
        Reason.EVERYONE_LEFT,
        "timeout_exceeded_everyone_left",
        "tiles",
        1.0,
        LeavePolicy(everyone_left=Patience(1.0)),
        replace(silent(ADA.name, 7001), leaves=1.2),
        replace(silent(BEN.name, 7002), leaves=1.5),
    ),
    bot_leaves(
        "only-bots-by-names",
        Reason.ONLY_BOTS_BY_NAMES,
        "timeout_exceeded_only_bots_detected_using_participant_names",
        "tiles",
        1.0,
        LeavePolicy(only_bots_by_names=Patience(1.0), bot_names=("notetaker",)),
        leaving(ADA, 1.2),
        silent("Some Notetaker", 7003),
    ),
    bot_leaves(
        "only-bots-by-events",
        Reason.ONLY_BOTS_BY_EVENTS,
        "timeout_exceeded_only_bots_detected_using_participant_events",
        "tiles",
        1.0,
        LeavePolicy(only_bots_by_events=Patience(1.0)),
        leaving(ADA, 1.2),
        silent("Quiet One", 7003),
    ),
    bot_leaves(
        "silence",
        Reason.SILENCE,
        "timeout_exceeded_silence_detected",
        "call",
        1.5,
        LeavePolicy(silence=Patience(1.5)),
        silent("Quiet One", 7003),
    ),
    bot_leaves(
        "max-duration",
        Reason.MAX_DURATION,
        "timeout_exceeded_in_call_recording",
        "call",
        1.5,
        LeavePolicy(max_duration=1.5),
        ADA,
    ),
    Row(
        "noone-joined",
        Scenario(title="test", duration=LONG, page=Page(lobby=LOBBY)),
        Reason.NOONE_JOINED,
        "timeout_exceeded_noone_joined",
        "call",
        policy=LeavePolicy(noone_joined=1.5),
        after=1.5,
    ),
]


@pytest.mark.parametrize("repetition", range(REPEAT))
@pytest.mark.parametrize("group", range(GROUPS))
async def test_every_outcome_is_as_expected(tmp_path: Path, group: int, repetition: int) -> None:
    await play_group(ROWS, group, tmp_path)


def test_the_table_has_unique_names_and_known_state_sequences() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 20
    assert all(row.states in (RECORDED, STRAIGHT_IN, NOT_LET_IN, REFUSED, ONLY_IN_CALL) for row in ROWS)
