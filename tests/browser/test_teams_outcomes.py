"""Every way that a join of a Microsoft Teams call can go, in a real Chromium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals, Verdict, Wall
from tests.support.outcome_rows import (
    GROUPS,
    NOT_LET_IN,
    RECORDED,
    REFUSED,
    REPEAT,
    Row,
    play_group,
)
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.tape.events import PageSeen, TapeEvent, TapeStarted

LOBBY = 1.2
LENGTH = 1.8
FOR_LONG = 40.0
ADA = Participant(name="Ada Ray", voice="elif", csrc=401, says=[(0.2, 0.9)], host=True)
BEN = Participant(name="Ben Oak", voice="nuno", csrc=402, says=[(1.0, LENGTH)])
BOTH = (ADA.name, BEN.name)
MESSAGE = "I record this call. " * 300
STRAIGHT_IN = ("joining", "in_call_not_recording", "in_call_recording", "leaving", "done")
KICKED = "bot_kicked_from_waiting_room"


def meeting(*people: Participant, duration: float = LENGTH, removed: bool = False, **page: Any) -> Scenario:
    return Scenario(
        title="test",
        platform="microsoft_teams",
        duration=duration,
        participants=list(people or (ADA, BEN)),
        teams=TeamsPage(**{"lobby": LOBBY, **page}),
        ends="removed" if removed else "host_ended",
    )


def ended(name: str, scenario: Scenario, **more: Any) -> Row:
    """Recorded until the host ends the meeting."""
    row = Row(name, scenario, Reason.MEETING_ENDED, "call_ended_by_host", "host_ended", check=behaved)
    return row._replace(**more)


def walled(wall: Wall, reason: Reason, sub_code: str, shown: str = "", **page: Any) -> Row:
    """Refused before anybody could let the bot in."""
    name = "-".join([wall.replace("_", "-"), *map(str, page.values())])
    return Row(name, meeting(wall=wall, **page), reason, sub_code, shown or wall, REFUSED)


def turned_away(verdict: Verdict, reason: Reason, sub_code: str, **page: Any) -> Row:
    """Refused from the lobby."""
    name = "-".join(["lobby", verdict.replace("_", "-"), *map(str, page.values())])
    return Row(name, meeting(verdict=verdict, **page), reason, sub_code, verdict, NOT_LET_IN)


def left(
    name: str, reason: Reason, sub_code: str, shown: str, after: float, *people: Participant, **policy: Any
) -> Row:
    """Left by the bot's own decision, in a meeting that goes on for long."""
    scenario = meeting(*people, duration=FOR_LONG)
    return Row(name, scenario, reason, sub_code, shown, after=after, policy=LeavePolicy(**policy))


def behaved(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    """Neither heard nor seen, no passcode told, and the page's own errors none."""
    last = replica.page_reports[-1]
    undone = {"microphone_off", "camera_off"} - set(last.did)
    faults = [f"the page was left with {last.did}"] if undone else []
    shown = [event.meeting_url for event in events if isinstance(event, TapeStarted)]
    return [*faults, *last.errors, *(url for url in shown if "?" in url)]


def asked_for_no_video(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    """Beside all that, the page was told to show no video of others."""
    did = replica.page_reports[-1].did
    faults = [] if "incoming_video_off" in did else [f"the page was left with {did}"]
    return [*faults, *behaved(replica, outcome, events)]


def took_note(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    did = replica.page_reports[-1].did
    return (
        behaved(replica, outcome, events) if "notice_dismissed" in did else [f"the page was left with {did}"]
    )


def took_the_cut_message(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    (text,) = replica.chat
    cut = 4070 < len(text) <= 4096 and text.endswith("…")
    return behaved(replica, outcome, events) if cut else [f"the chat got {text!r}"]


def was_light(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    return behaved(replica, outcome, events) or _missing({"light-guest", "light"}, "variant", events)


def was_full(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    return behaved(replica, outcome, events) or _missing(
        {"launcher", "full-guest", "full"}, "variant", events
    )


def noted_german(replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]) -> Sequence[str]:
    return _missing({"de"}, "language", events)


def _missing(wanted: set[str], field: str, events: list[TapeEvent]) -> Sequence[str]:
    seen = {getattr(event, field) for event in events if isinstance(event, PageSeen)}
    return [] if wanted <= seen else [f"noted {field} {seen}"]


def never_seen_as_the_call(
    replica: Replica, outcome: RecordingOutcome, events: list[TapeEvent]
) -> Sequence[str]:
    seen = {event.scene for event in events if isinstance(event, PageSeen)}
    return [f"took the page for {seen}"] if "call" in seen else []


def gone(person: Participant, at: float) -> Participant:
    return Participant(name=person.name, voice=person.voice, csrc=person.csrc, says=[(0.2, at)], leaves=at)


def quiet(name: str, csrc: int, **more: Any) -> Participant:
    return Participant(name=name, voice="elif", csrc=csrc, **more)


ROWS = [
    # Let in, and recorded: every form of the link, of the page and of the lobby.
    ended("admitted", meeting(), names=BOTH, announcement=MESSAGE, check=took_the_cut_message),
    ended("no-lobby", meeting(lobby=0.0), states=STRAIGHT_IN, check=was_light),
    ended("full-client", meeting(client="full", launcher=True, link="meetup_join"), check=was_full),
    ended("noise", meeting(client="full", noise=True, recording_notice=True), check=took_note),
    ended("app-prompt", meeting(launcher=True, app_prompt=True, opens_app=True, lobby_text="shortly")),
    ended("live-and-notice", meeting(link="live", recording_notice=True), check=took_note),
    ended("short-and-late-modal", meeting(link="short", media_modal=True, client="full")),
    ended("light-and-detected", meeting(link="light", media_modal=True, lobby_text="detected_bot")),
    ended("organizer-comes", meeting(starts_after=1.0)),
    ended("no-video", meeting(client="full", duration=5.0), check=asked_for_no_video),
    ended("foreign", meeting(language="de", client="full", launcher=True), names=BOTH, check=noted_german),
    ended("connection-retry", meeting(connection_failures=1), attempts=2),
    # Names from one source of the roster alone.
    ended("frames-alone", meeting(signals=TeamsSignals(objects_after=None, other_call=True)), names=BOTH),
    ended("objects-alone", meeting(signals=TeamsSignals(frames_after=None)), names=BOTH),
    # Not let in: by what the page says, by what the transport says, by both.
    turned_away("denied", Reason.DENIED_BY_HOST, KICKED, told_by="page", client="full"),
    turned_away("denied", Reason.DENIED_BY_HOST, KICKED, told_by="frames"),
    turned_away("declined", Reason.DENIED_BY_HOST, KICKED, told_by="page"),
    turned_away(
        "unanswered", Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM, "call_ended_by_platform_waiting_room_timeout"
    ),
    turned_away("removed", Reason.REMOVED_FROM_WAITING_ROOM, KICKED, noise=True),
    turned_away("removed", Reason.REMOVED_FROM_WAITING_ROOM, KICKED, told_by="frames"),
    turned_away("anonymous_disabled", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in", told_by="frames"),
    turned_away("host_ended", Reason.MEETING_OVER, "meeting_ended"),
    Row(
        "lobby-timeout",
        meeting(lobby=FOR_LONG, noise=True),
        Reason.WAITING_ROOM_TIMEOUT,
        "timeout_exceeded_waiting_room",
        "lobby",
        NOT_LET_IN,
        LeavePolicy(waiting_room=1.5),
        after=1.5,
        check=never_seen_as_the_call,
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
    walled("wrong_link", Reason.LINK_INVALID, "meeting_link_invalid", wall_at="link"),
    walled("wrong_id", Reason.MEETING_NOT_FOUND, "meeting_not_found"),
    walled("wrong_passcode", Reason.PASSWORD_INCORRECT, "meeting_password_incorrect"),
    walled("sign_in_contact", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in", client="full"),
    walled("sign_in_needed", Reason.SIGN_IN_REQUIRED, "meeting_requires_sign_in", wall_at="link"),
    walled(
        "sign_in_redirect",
        Reason.SIGN_IN_REQUIRED,
        "meeting_requires_sign_in",
        "sign_in_page",
        wall_at="link",
    ),
    walled("not_before_start", Reason.MEETING_NOT_STARTED, "meeting_not_started"),
    walled("captcha", Reason.CAPTCHA, "microsoft_teams_captcha_detected"),
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
    ended("ended-page", meeting(told_by="page")),
    ended("ended-frames", meeting(told_by="frames", client="full")),
    left(
        "everyone-left",
        Reason.EVERYONE_LEFT,
        "timeout_exceeded_everyone_left",
        "call",
        3.0,
        gone(ADA, 0.8),
        gone(BEN, 1.2),
        everyone_left=Patience(1.0),
    ),
    left(
        "only-bots-by-names",
        Reason.ONLY_BOTS_BY_NAMES,
        "timeout_exceeded_only_bots_detected_using_participant_names",
        "call",
        1.8,
        gone(ADA, 0.8),
        quiet("Some Notetaker", 403),
        only_bots_by_names=Patience(1.0),
        bot_names=("notetaker",),
    ),
    left(
        "silence",
        Reason.SILENCE,
        "timeout_exceeded_silence_detected",
        "call",
        1.5,
        quiet("Quiet One", 403),
        silence=Patience(1.5),
    ),
    Row(
        "noone-joined",
        Scenario(title="test", platform="microsoft_teams", duration=FOR_LONG, teams=TeamsPage(lobby=LOBBY)),
        Reason.NOONE_JOINED,
        "timeout_exceeded_noone_joined",
        "call",
        policy=LeavePolicy(noone_joined=1.5),
        after=1.5,
    ),
]


@pytest.mark.parametrize("repetition", range(REPEAT))
@pytest.mark.parametrize("group", range(GROUPS))
async def test_every_way_ends_as_it_should(tmp_path: Path, group: int, repetition: int) -> None:
    await play_group(ROWS, group, tmp_path)


def test_the_table_is_long_enough() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 20
    assert all(row.states in (RECORDED, STRAIGHT_IN, NOT_LET_IN, REFUSED) for row in ROWS)
