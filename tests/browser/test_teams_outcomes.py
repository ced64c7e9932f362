"""Every outcome of joining a Microsoft Teams call, in a real Chromium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.mix_scenario import MixMedia
from fixtures.replica.teams.scenario import Language, LobbyForm, TeamsPage, TeamsSignals, Verdict, Wall
from fixtures.replica.teams.site import LOCALES
from fixtures.replica.words import PeoplesWords, Place
from tests.support.outcome_rows import (
    GROUPS,
    NOT_LET_IN,
    RECORDED,
    REFUSED,
    REPEAT,
    Check,
    Row,
    play_group,
)
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.platforms.teams.rules import HELD_AS_BOT
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.tape.events import ChatReceived, FrameBatch, PageSeen, RecordingStarted, TapeEvent, TapeStarted

LOBBY = 1.2
LENGTH = 1.8
LONG = 40.0
ADA = Participant(name="Ada Ray", voice="elif", csrc=201, says=[(0.2, 0.9)], host=True)
BEN = Participant(name="Ben Oak", voice="nuno", csrc=627, says=[(1.0, LENGTH)])
BOTH = (ADA.name, BEN.name)
MESSAGE = "I record this call. " * 300
WORDS = (
    "You've been removed from this meeting",
    "Someone will let you in soon",
    "we couldn't connect you",
)
STRAIGHT_IN = ("joining", "in_call_not_recording", "in_call_recording", "leaving", "done")
KICKED = "bot_kicked_from_waiting_room"
FOREIGN: tuple[Language, ...] = ("pt", "ja", "ar")


def meeting(*people: Participant, duration: float = LENGTH, removed: bool = False, **page: Any) -> Scenario:
    return Scenario(
        title="test",
        platform="microsoft_teams",
        duration=duration,
        participants=list(people or (ADA, BEN)),
        teams=TeamsPage(**{"lobby": LOBBY, **page}),
        ends="removed" if removed else "host_ended",
    )


def host_ends(name: str, scenario: Scenario, **more: Any) -> Row:
    """The bot records until the host ends the meeting."""
    row = Row(
        name,
        scenario,
        Reason.MEETING_ENDED,
        "call_ended_by_host",
        "host_ended",
        check=devices_are_off_and_no_errors,
    )
    return row._replace(**more)


def refused_before_lobby(wall: Wall, reason: Reason, sub_code: str, shown: str = "", **page: Any) -> Row:
    """The bot is refused before it reaches the lobby."""
    name = "-".join([wall.replace("_", "-"), *map(str, page.values())])
    return Row(name, meeting(wall=wall, **page), reason, sub_code, shown or wall, REFUSED)


def refused_in_lobby(verdict: Verdict, reason: Reason, sub_code: str, **page: Any) -> Row:
    """The bot is refused in the lobby."""
    name = "-".join(["lobby", verdict.replace("_", "-"), *map(str, page.values())])
    return Row(name, meeting(verdict=verdict, **page), reason, sub_code, verdict, NOT_LET_IN)


def bot_leaves(
    name: str, reason: Reason, sub_code: str, shown: str, after: float, *people: Participant, **policy: Any
) -> Row:
    """The bot decides to leave a long meeting."""
    scenario = meeting(*people, duration=LONG)
    return Row(name, scenario, reason, sub_code, shown, after=after, policy=LeavePolicy(**policy))


def devices_are_off_and_no_errors(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    """Microphone and camera are off, the tape has no passcode, and the page reports no errors."""
    last = replica.page_reports[-1]
    undone = {"microphone_off", "camera_off"} - set(last.did)
    faults = [f"the page was left with {last.did}"] if undone else []
    shown = [event.meeting_url for event in events if isinstance(event, TapeStarted)]
    return [*faults, *last.errors, *(url for url in shown if "?" in url)]


def incoming_video_is_off(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    """In addition, the page shows no video of others."""
    did = replica.page_reports[-1].did
    faults = [] if "incoming_video_off" in did else [f"the page was left with {did}"]
    return [*faults, *devices_are_off_and_no_errors(replica, outcome, events)]


def notice_is_dismissed(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    did = replica.page_reports[-1].did
    return (
        devices_are_off_and_no_errors(replica, outcome, events)
        if "notice_dismissed" in did
        else [f"the page was left with {did}"]
    )


def chat_message_is_cut(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    (text,) = replica.chat
    cut = 4070 < len(text) <= 4096 and text.endswith("…")
    return devices_are_off_and_no_errors(replica, outcome, events) if cut else [f"the chat got {text!r}"]


def client_is_light(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    return devices_are_off_and_no_errors(replica, outcome, events) or _missing(
        {"light-guest", "light"}, "variant", events
    )


def client_is_full(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    return devices_are_off_and_no_errors(replica, outcome, events) or _missing(
        {"launcher", "full-guest", "full"}, "variant", events
    )


def notes(language: Language) -> Check:
    """The check that the page's language is on the tape."""
    return lambda replica, outcome, events: _missing({LOCALES[language]}, "language", events)


def _missing(wanted: set[str], field: str, events: list[TapeEvent]) -> Sequence[str]:
    seen = {getattr(event, field) for event in events if isinstance(event, PageSeen)}
    return [] if wanted <= seen else [f"noted {field} {seen}"]


def lobby_is_not_recorded(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    """Packets came in the lobby, and what is recorded begins after it."""
    (begun,) = [event.at for event in events if isinstance(event, RecordingStarted)]
    shown = [at for at, what in replica.sent_to_page if what == "call"]
    arrivals = [frame.arrival for batch in events if isinstance(batch, FrameBatch) for frame in batch.frames]
    faults = [] if min(arrivals) < shown[0] else ["no packet came in the lobby"]
    return [*faults, *([] if begun >= shown[0] else [f"recorded {shown[0] - begun:.2f} s of the lobby"])]


def chat_is_on_the_tape(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    texts = [event.text for event in events if isinstance(event, ChatReceived) and event.name == "Eve"]
    faults = [] if sorted(texts) == sorted(WORDS) else [f"chat on the tape: {texts}"]
    return [*faults, *devices_are_off_and_no_errors(replica, outcome, events)]


def bot_is_held_and_says_why(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    """The bot identified itself, is held, and the tape says why it waits."""
    held = [
        event.detail
        for event in events
        if isinstance(event, PageSeen) and "lobby.suspected" in event.evidence
    ]
    faults = [] if set(held) == {HELD_AS_BOT} else [f"the lobby's details are {held}"]
    if "identified" not in replica.page_reports[-1].did:
        faults.append("the page got no token")
    return [*faults, *devices_are_off_and_no_errors(replica, outcome, events)]


def ending_names_the_approval(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    detail = outcome.ending.detail
    return [] if HELD_AS_BOT in detail else [f"the bot left with {detail!r}"]


def call_is_never_seen(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    seen = {event.scene for event in events if isinstance(event, PageSeen)}
    return [f"took the page for {seen}"] if "call" in seen else []


def leaving(person: Participant, at: float) -> Participant:
    return Participant(name=person.name, voice=person.voice, csrc=person.csrc, says=[(0.2, at)], leaves=at)


def silent(name: str, csrc: int, **more: Any) -> Participant:
    return Participant(name=name, voice="elif", csrc=csrc, **more)


ROWS = [
    # Let in, and recorded: every form of the link, of the page and of the lobby.
    host_ends("admitted", meeting(), names=BOTH, announcement=MESSAGE, check=chat_message_is_cut),
    host_ends("no-lobby", meeting(lobby=0.0), states=STRAIGHT_IN, check=client_is_light),
    host_ends("full-client", meeting(client="full", launcher=True, link="meetup_join"), check=client_is_full),
    host_ends("noise", meeting(client="full", noise=True, recording_notice=True), check=notice_is_dismissed),
    host_ends("app-prompt", meeting(launcher=True, app_prompt=True, opens_app=True, lobby_text="shortly")),
    host_ends("live-and-notice", meeting(link="live", recording_notice=True), check=notice_is_dismissed),
    host_ends("short-and-late-modal", meeting(link="short", media_modal=True, client="full")),
    host_ends(
        "light-and-detected",
        meeting(link="light", media_modal=True, lobby_text="detected_bot"),
        check=bot_is_held_and_says_why,
    ),
    host_ends("organizer-comes", meeting(starts_after=1.0)),
    host_ends("no-video", meeting(client="full", duration=5.0), check=incoming_video_is_off),
    *(
        host_ends(
            f"foreign-{language}",
            meeting(language=language, client="full", launcher=True),
            names=BOTH,
            check=notes(language),
        )
        for language in FOREIGN
    ),
    host_ends("lobby-until-it-starts", meeting(lobby_text="when_it_starts")),
    host_ends("connection-retry", meeting(connection_failures=1), attempts=2),
    # In the lobby there are connection, packets, messages and a roster; its first source is Ada's in the call.
    *(
        host_ends(
            f"lobby-media-{form}-{language}",
            meeting(lobby_form=form, language=language),
            names=BOTH,
            check=lobby_is_not_recorded,
        )
        for form in get_args(LobbyForm)
        for language in ("en", "ja")
    ),
    Row(
        "lobby-like-a-call",
        meeting(lobby=LONG, lobby_form="call", signals=TeamsSignals(frames_after=None)),
        Reason.WAITING_ROOM_TIMEOUT,
        "timeout_exceeded_waiting_room",
        "lobby",
        REFUSED,
        LeavePolicy(waiting_room=8.0),
        after=8.0,
    ),
    # Names from one source of the roster alone.
    host_ends(
        "frames-alone",
        meeting(signals=TeamsSignals(objects_after=None, whole_list="frames", other_call="first")),
        names=BOTH,
    ),
    host_ends("objects-alone", meeting(signals=TeamsSignals(frames_after=None)), names=BOTH),
    host_ends("list-alone", meeting(signals=TeamsSignals(objects_after=None)), names=BOTH),
    # Not let in: by what the page says, by what the transport says, by both.
    refused_in_lobby("denied", Reason.DENIED_BY_HOST, KICKED, told_by="page", client="full"),
    refused_in_lobby("denied", Reason.DENIED_BY_HOST, KICKED, told_by="frames"),
    refused_in_lobby("declined", Reason.DENIED_BY_HOST, KICKED, told_by="page"),
    refused_in_lobby("declined", Reason.PAGE_NOT_UNDERSTOOD, "bot_errored", told_by="page", language="ja"),
    refused_in_lobby(
        "unanswered", Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM, "call_ended_by_platform_waiting_room_timeout"
    ),
    refused_in_lobby("removed", Reason.REMOVED_FROM_WAITING_ROOM, KICKED, noise=True),
    refused_in_lobby("removed", Reason.REMOVED_FROM_WAITING_ROOM, KICKED, told_by="frames"),
    refused_in_lobby(
        "anonymous_disabled", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in", told_by="frames"
    ),
    refused_in_lobby("host_ended", Reason.MEETING_OVER, "meeting_ended"),
    Row(
        "lobby-timeout",
        meeting(lobby=LONG, noise=True),
        Reason.WAITING_ROOM_TIMEOUT,
        "timeout_exceeded_waiting_room",
        "lobby",
        NOT_LET_IN,
        LeavePolicy(waiting_room=1.5),
        after=1.5,
        check=call_is_never_seen,
    ),
    Row(
        "detected-timeout",
        meeting(lobby=LONG, lobby_text="detected_bot"),
        Reason.WAITING_ROOM_TIMEOUT,
        "timeout_exceeded_waiting_room",
        "lobby",
        NOT_LET_IN,
        LeavePolicy(waiting_room=1.5),
        after=1.5,
        check=ending_names_the_approval,
    ),
    Row(
        "organizer-never-comes",
        meeting(starts_after=None),
        Reason.MEETING_NOT_STARTED,
        "meeting_not_started",
        "lobby",
        NOT_LET_IN,
        LeavePolicy(waiting_room=1.5),
        after=1.5,
    ),
    # Refused before the lobby.
    refused_before_lobby("wrong_link", Reason.LINK_INVALID, "meeting_link_invalid", wall_at="link"),
    refused_before_lobby("wrong_id", Reason.MEETING_NOT_FOUND, "meeting_not_found"),
    refused_before_lobby(
        "wrong_passcode", Reason.PASSWORD_INCORRECT, "meeting_password_incorrect", link="short"
    ),
    refused_before_lobby(
        "sign_in_contact", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in", client="full"
    ),
    refused_before_lobby(
        "sign_in_needed", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in", wall_at="link"
    ),
    refused_before_lobby(
        "sign_in_redirect",
        Reason.SIGN_IN_REQUIRED,
        "meeting_requires_sign_in",
        "sign_in_page",
        wall_at="link",
    ),
    refused_before_lobby("not_before_start", Reason.MEETING_NOT_STARTED, "meeting_not_started"),
    *(
        refused_before_lobby("captcha", Reason.CAPTCHA, "microsoft_teams_captcha_detected", language=language)
        for language in ("en", "ar")
    ),
    refused_before_lobby("captcha_wrong", Reason.CAPTCHA, "microsoft_teams_captcha_detected"),
    Row(
        "encrypted",
        meeting(encrypted=True),
        Reason.CALL_ENCRYPTED,
        "bot_errored",
        "encrypted",
        NOT_LET_IN,
    ),
    # Out of the call.
    Row(
        "removed-page",
        meeting(removed=True, told_by="page", client="full", noise=True),
        Reason.REMOVED,
        "bot_kicked_from_call",
        "removed",
    ),
    Row(
        "removed-frames",
        meeting(removed=True, told_by="frames"),
        Reason.REMOVED,
        "bot_kicked_from_call",
        "removed",
    ),
    host_ends("ended-page", meeting(told_by="page")),
    host_ends("ended-frames", meeting(told_by="frames", client="full")),
    host_ends("ended-leg", meeting(told_by="frames", ends_by="leg", end_sub_code=5002)),
    host_ends("ended-unknown", meeting(told_by="nothing"), reason=Reason.ENDED_UNKNOWN, sub_code=None),
    host_ends(
        "ended-unknown-foreign",
        meeting(told_by="nothing", language="ar", removed=True),
        reason=Reason.ENDED_UNKNOWN,
        sub_code=None,
        shown="removed",
        check=None,
    ),
    bot_leaves(
        "everyone-left",
        Reason.EVERYONE_LEFT,
        "timeout_exceeded_everyone_left",
        "call",
        1.8,
        silent(ADA.name, 201, leaves=0.8),
        silent(BEN.name, 627, leaves=1.2),
        everyone_left=Patience(1.0),
    ),
    bot_leaves(
        "only-bots-by-names",
        Reason.ONLY_BOTS_BY_NAMES,
        "timeout_exceeded_only_bots_detected_using_participant_names",
        "call",
        1.8,
        leaving(ADA, 0.8),
        silent("Some Notetaker", 840),
        only_bots_by_names=Patience(1.0),
        bot_names=("notetaker",),
    ),
    host_ends(
        "peoples-words",
        meeting(
            words=[
                PeoplesWords(at=4.5 if place == "hidden_call" else 2.0, place=place, text=text)
                for place in get_args(Place)
                for text in WORDS
            ],
            duration=8.5,
        ),
        check=chat_is_on_the_tape,
    ),
    host_ends(
        "unreadable-roster",
        replace(
            meeting(
                replace(ADA, says=[(0.2, 1.0), (8.2, 8.8)]),
                duration=9.0,
                signals=TeamsSignals(frames_after=None, objects_after=None),
            ),
            mix=MixMedia(csrcs=False, pauses="comfort_noise"),
        ),
    )._replace(policy=LeavePolicy(everyone_left=Patience(1.0), noone_joined=2.0)),
    Row(
        "comfort-noise-is-silence",
        replace(
            meeting(replace(ADA, says=[(0.2, 1.0)]), duration=LONG),
            mix=MixMedia(csrcs=False, pauses="comfort_noise"),
        ),
        Reason.SILENCE,
        "timeout_exceeded_silence_detected",
        "call",
        policy=LeavePolicy(silence=Patience(5.0)),
        after=5.0,
    ),
    bot_leaves(
        "silence",
        Reason.SILENCE,
        "timeout_exceeded_silence_detected",
        "call",
        1.5,
        silent("Quiet One", 840),
        silence=Patience(1.5),
    ),
    Row(
        "noone-joined",
        Scenario(title="test", platform="microsoft_teams", duration=LONG, teams=TeamsPage(lobby=LOBBY)),
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
    assert all(row.states in (RECORDED, STRAIGHT_IN, NOT_LET_IN, REFUSED) for row in ROWS)
