from __future__ import annotations

import pytest
from msgspec.structs import replace

from worker.platforms import meet_page as look
from worker.platforms.meet_page import Dialog, Facts
from worker.platforms.meet_rules import (
    Attempts,
    Click,
    FillName,
    InCall,
    InLobby,
    Opening,
    Over,
    Refused,
    Step,
    situation,
    steps,
)

PRE_JOIN = Facts(
    name="", microphone_on=True, camera_on=True, buttons=["Ask to join", "Sign in"], text="What's your name?"
)
IN_CALL = Facts(call_controls=True, leave_button=True, tiles=2, buttons=["Leave call"])


def test_the_way_through_the_pre_join_page() -> None:
    taken = []
    facts = PRE_JOIN
    taken.append(next(steps(facts)))
    facts = replace(facts, microphone_on=False)
    taken.append(next(steps(facts)))
    facts = replace(facts, camera_on=False)
    taken.append(next(steps(facts)))
    facts = replace(facts, name="Notes")
    taken.append(next(steps(facts)))
    assert taken == [
        Click(look.MICROPHONE_ON),
        Click(look.CAMERA_ON),
        FillName(look.NAME_FIELD),
        Click(look.button("Ask to join")),
    ]


def test_asking_to_join_waits_for_the_name() -> None:
    facts = replace(PRE_JOIN, microphone_on=False, camera_on=False)
    assert list(steps(facts)) == [FillName(look.NAME_FIELD)]


@pytest.mark.parametrize("label", look.IN_THE_WAY)
def test_what_stands_in_the_way_goes_first(label: str) -> None:
    assert next(steps(replace(PRE_JOIN, buttons=["Ask to join", label]))) == Click(look.button(label))


@pytest.mark.parametrize("label", look.JOIN)
def test_every_join_button_is_known(label: str) -> None:
    assert next(steps(Facts(buttons=[label]))) == Click(look.button(label))


@pytest.mark.parametrize(
    "text",
    [
        "Asking to be let in...",
        "You'll join the call when someone lets you in",
        "You\u2019ll join the call\nwhen someone lets you in",
        "Please wait until a meeting host brings you into the call",
        "Please wait until a meeting host admits you",
        "Waiting for the host to join\nReturn to home screen",
    ],
)
def test_the_lobby_wins_over_evidence_of_the_call(text: str) -> None:
    assert situation(replace(IN_CALL, text=text)) == InLobby()


def test_in_the_call() -> None:
    assert isinstance(situation(IN_CALL), InCall)
    assert isinstance(situation(replace(IN_CALL, tiles=0)), Opening)
    assert isinstance(situation(PRE_JOIN), Opening)
    assert list(steps(IN_CALL)) == []


def test_a_consent_dialog_holds_the_call_back_until_it_is_answered() -> None:
    dialog = Dialog(
        text="Your audio and video will be shared with Example Inc.", buttons=["Cancel", "Join now"]
    )
    facts = replace(IN_CALL, dialogs=[dialog])
    assert isinstance(situation(facts), Opening)
    assert next(steps(facts)) == Click(f"{look.DIALOG} >> {look.button('Join now')}")


@pytest.mark.parametrize(
    "text", ["This video call is being recorded", "This call is being transcribed", "Gemini is taking notes"]
)
def test_notices_are_acknowledged(text: str) -> None:
    facts = replace(IN_CALL, dialogs=[Dialog(text=text, buttons=["Leave call", "Join now"])])
    assert next(steps(facts)) == Click(look.DIALOG_OK)
    assert isinstance(situation(facts), InCall)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Someone in the call denied your request to join", "denied_by_host"),
        ("You weren\u2019t allowed to join this meeting", "denied_by_host"),
        ("No one responded to your request to join the call", "waiting_room_timeout"),
        ("You can't join this video call", "blocked_by_platform"),
        ("There is a problem connecting to this video call", "blocked_by_platform"),
        ("Check your meeting code\nReturn to home screen", "meeting_not_found"),
        ("Invalid video call name", "meeting_not_found"),
        ("Your meeting code has expired", "meeting_not_found"),
        ("The meeting code you entered doesn\u2019t work", "meeting_not_found"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    assert situation(Facts(text=f"Hello\n{text}\nBye")) == Refused(reason, text.split("\n", maxsplit=1)[0])


def test_sign_in() -> None:
    page = Facts(headings=["Sign in"], text="Sign in\nUse your Google Account")
    assert isinstance(found := situation(page), Refused)
    assert found.reason == "sign_in_required"
    assert isinstance(situation(replace(page, headings=[])), Opening)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("You\u2019ve been removed from the meeting", "removed"),
        ("Your host ended the meeting for everyone", "meeting_ended"),
    ],
)
def test_the_end_counts_only_where_no_call_is_to_be_seen(text: str, reason: str) -> None:
    assert situation(Facts(text=text)) == Over(reason, text)
    chat = replace(IN_CALL, text=f"Mallory: {text}")
    assert isinstance(situation(chat), InCall)


MIC: Step = Click("microphone")
JOIN: Step = Click("join")


def test_a_step_gets_time_to_show_its_effect_before_the_next() -> None:
    attempts = Attempts()
    assert attempts.choose([MIC, JOIN], 0.0) == MIC
    assert attempts.choose([MIC, JOIN], 0.5) is None
    assert attempts.choose([JOIN], 0.6) == JOIN


def test_a_step_without_effect_does_not_block_the_way_for_ever() -> None:
    attempts = Attempts()
    assert [attempts.choose([MIC, JOIN], at) for at in (0.0, 1.0, 2.0)] == [MIC] * 3
    assert attempts.choose([MIC, JOIN], 2.5) is None
    assert attempts.choose([MIC, JOIN], 3.0) == JOIN
    assert attempts.choose([MIC], 4.0) is None
    assert attempts.choose([MIC], 12.0) == MIC
