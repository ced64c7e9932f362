from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.lifecycle.page_view import Scene
from worker.platforms.page_actions import Click, FillName, Step, press
from worker.platforms.signs import Sign, button, plain
from worker.platforms.teams import signs as teams
from worker.platforms.teams.facts import Facts, Notice
from worker.platforms.teams.rules import (
    HELD_AS_BOT,
    NAME_FIELD_PATIENCE,
    Past,
    asks,
    layout_steps,
    steps,
    view,
)
from worker.reasons import Reason

LIGHT = "https://teams.microsoft.com/light-meetings/launch?coords=eyJ9"
FULL = "https://teams.microsoft.com/v2/?meetingjoin=true"
NOTHING = Past()
ASKED = Past(asked=True)
ENTERED = Past(asked=True, entered=True)


def elements(*signs: Sign) -> frozenset[str]:
    return frozenset(sign.name for sign in signs)


PRE_JOIN = Facts(
    url=LIGHT,
    language="en-US",
    name="",
    elements=elements(teams.MICROPHONE_ON, teams.CAMERA_ON, teams.JOIN, teams.CANCEL, teams.SIGN_IN_LINK),
    text="Weekly\nJoin now\nSign in",
)
LOBBY = Facts(url=LIGHT, elements=elements(teams.CANCEL), text="Hi, Notes. Someone will let you in soon.")
CALL = Facts(url=LIGHT, elements=elements(*teams.CALL_VIEW))
RETRY = Facts(url=LIGHT, elements=elements(teams.LAST_PAGE))


def todo(facts: Facts, past: Past = NOTHING, *, with_video: bool = False) -> list[Step]:
    return list(steps(facts, past, with_video=with_video))


def without(facts: Facts, *signs: Sign) -> Facts:
    return replace(facts, elements=facts.elements - elements(*signs))


def beside(facts: Facts, *signs: Sign) -> Facts:
    return replace(facts, elements=facts.elements | elements(*signs))


def test_steps_lead_through_the_pre_join_page() -> None:
    facts = PRE_JOIN
    taken = [todo(facts)[0]]
    facts = without(facts, teams.MICROPHONE_ON)
    taken.append(todo(facts)[0])
    facts = without(facts, teams.CAMERA_ON)
    assert todo(facts) == [FillName(teams.NAME_FIELD.selector)]
    taken += todo(facts)
    facts = replace(facts, name="Notes")
    taken += todo(facts)
    assert taken == [
        press(teams.MICROPHONE_ON),
        press(teams.CAMERA_ON),
        FillName(teams.NAME_FIELD.selector),
        press(teams.JOIN),
    ]
    assert [asks(step) for step in taken] == [False, False, False, True]


def test_the_launcher_is_pressed_first() -> None:
    launcher = Facts(
        url="https://teams.microsoft.com/dl/launcher/launcher.html", elements=elements(teams.LAUNCHER)
    )
    assert todo(launcher) == [press(teams.LAUNCHER)]
    assert view(launcher).scene is Scene.OPENING
    assert view(launcher).variant == "launcher"


def test_a_join_button_without_a_name_field_waits_for_one() -> None:
    facts = replace(without(PRE_JOIN, teams.MICROPHONE_ON, teams.CAMERA_ON), name=None)
    assert todo(facts, Past(nameless_for=60.0)) == []
    signed_in = without(facts, teams.SIGN_IN_LINK)
    assert todo(signed_in) == []
    assert todo(signed_in, Past(nameless_for=NAME_FIELD_PATIENCE)) == [press(teams.JOIN)]


def test_the_question_about_media_is_answered_after_asking_too() -> None:
    for facts in (PRE_JOIN, replace(PRE_JOIN, name="Notes")):
        assert todo(beside(facts, teams.WITHOUT_MEDIA), ASKED)[0] == press(teams.WITHOUT_MEDIA)


def test_a_dialog_about_the_app_is_declined() -> None:
    dialog = Notice(text="Get the Teams app", buttons=["Get it", "Not now"], modal=True)
    assert todo(replace(PRE_JOIN, notices=[dialog]))[0] == Click(
        f"{teams.NOTICE_BOX.selector} >> {button('Not now')}"
    )


@pytest.mark.parametrize(
    ("facts", "variant"),
    [
        (PRE_JOIN, "light-guest"),
        (replace(PRE_JOIN, url=FULL), "full-guest"),
        (replace(PRE_JOIN, name=None, url=FULL), "full-signed-in"),
        (replace(PRE_JOIN, url="https://teams.live.com/v2/?lightExperience=true"), "light-guest"),
        (CALL, "light"),
        (replace(CALL, url=FULL), "full"),
        (Facts(url="https://login.microsoftonline.com/common/"), "sign-in"),
        (Facts(), ""),
    ],
)
def test_view_names_the_form_of_the_page(facts: Facts, variant: str) -> None:
    assert view(facts).variant == variant


LOBBY_WORDS = "Someone will let you in soon"
ON_STAGE = beside(CALL, teams.STREAM)


@pytest.mark.parametrize(
    ("facts", "past", "scene"),
    [
        (replace(ON_STAGE, announced=LOBBY_WORDS), ASKED, Scene.CALL),
        (replace(ON_STAGE, text=LOBBY_WORDS), ASKED, Scene.LOBBY),
        (replace(ON_STAGE, text=LOBBY_WORDS), ENTERED, Scene.CALL),
        (replace(CALL, announced=LOBBY_WORDS), ENTERED, Scene.LOBBY),
        (replace(beside(ON_STAGE, teams.LOBBY_SCREEN), text=LOBBY_WORDS), ENTERED, Scene.LOBBY),
        (Facts(url=LIGHT, announced=LOBBY_WORDS), ASKED, Scene.LOBBY),
    ],
)
def test_a_lobbys_words_count_where_the_page_shows_no_stage(facts: Facts, past: Past, scene: Scene) -> None:
    assert view(facts, past).scene is scene


@pytest.mark.parametrize("language", ["en", "pt-br", "ja"])
@pytest.mark.parametrize("past", [ASKED, ENTERED])
def test_the_lobbys_screen_is_a_lobby_in_every_language(language: str, past: Past) -> None:
    facts = Facts(
        url=LIGHT, language=language, elements=elements(teams.LOBBY_SCREEN), text="\u3061\u3087\u3063\u3068"
    )
    for shown in (facts, beside(facts, teams.HANG_UP), beside(facts, *teams.CALL_VIEW, *teams.CERTAIN)):
        assert view(shown, past).scene is Scene.LOBBY
    assert view(beside(facts, teams.JOIN)).scene is Scene.OPENING


def test_a_connecting_client_is_in_no_call_before_it_was() -> None:
    connecting = beside(CALL, teams.CONNECTING_SCREEN, teams.DURATION)
    assert view(connecting, ASKED).scene is Scene.ASKED
    assert view(connecting, ENTERED).scene is Scene.CALL


@pytest.mark.parametrize("sign", teams.CERTAIN, ids=lambda sign: sign.name)
def test_only_what_no_lobby_has_makes_a_call_certain(sign: Sign) -> None:
    assert not view(CALL, ASKED).certain
    seen = view(beside(CALL, sign), ASKED)
    assert (seen.scene, seen.certain, seen.lobby_has_media) == (Scene.CALL, True, True)
    assert not view(Facts(url=LIGHT, elements=elements(sign)), ASKED).certain


def test_after_the_call_was_entered_only_a_last_page_or_a_heading_refuses() -> None:
    hidden = Facts(
        url=LIGHT, text="Eve: we couldn't connect you", announced="you were denied access to the meeting"
    )
    assert view(hidden, ASKED).scene is Scene.REFUSED
    assert view(hidden, ENTERED).scene is Scene.ASKED
    assert view(beside(hidden, teams.LAST_PAGE), ENTERED).reason is Reason.DENIED_BY_HOST
    heading = replace(hidden, headings=["We couldn't connect you"])
    assert view(heading, ENTERED).reason is Reason.CONNECTION_FAILED


def test_the_pre_join_page_counts_as_asked_after_asking() -> None:
    assert view(PRE_JOIN).scene is Scene.OPENING
    assert view(PRE_JOIN).evidence == ("prejoin.name_field", "prejoin.join")
    assert view(PRE_JOIN, ASKED).scene is Scene.ASKED
    assert view(Facts(), ASKED).scene is Scene.ASKED


@pytest.mark.parametrize(
    "text",
    [
        "Someone will let you in soon",
        "Hi, Notes!\nSomeone will let you in shortly.",
        "Someone in the meeting should let you in soon",
    ],
)
def test_the_lobby_has_precedence_over_evidence_of_the_call(text: str) -> None:
    for facts in (LOBBY, CALL, beside(CALL, teams.JOIN)):
        seen = view(replace(facts, text=text), ASKED)
        assert (seen.scene, seen.evidence) == (Scene.LOBBY, ("lobby.let_in",))
        assert todo(replace(facts, text=text), ASKED, with_video=True) == []


def test_devices_are_turned_off_in_the_lobby_too() -> None:
    facts = beside(LOBBY, teams.MICROPHONE_ON, teams.CAMERA_ON)
    assert todo(facts, ASKED) == [press(teams.MICROPHONE_ON), press(teams.CAMERA_ON)]


def test_a_bot_that_is_held_waits_and_says_why() -> None:
    text = "You were identified as a bot. Someone will let you in soon, if the organizer allows bots."
    seen = view(replace(LOBBY, text=text), ASKED)
    assert (seen.scene, seen.evidence, seen.detail) == (Scene.LOBBY, ("lobby.suspected",), HELD_AS_BOT)
    assert view(LOBBY, ASKED).detail == ""


def test_a_lobby_without_a_host_is_recognised() -> None:
    for text in (
        "When the meeting starts, we\u2019ll let people know you\u2019re waiting.",
        "We'll let you in when the meeting starts",
    ):
        assert view(replace(LOBBY, text=text), ASKED).scene is Scene.HOST_ABSENT


def test_a_lobby_in_another_language_is_known_by_its_buttons() -> None:
    facts = Facts(
        url=LIGHT,
        language="de",
        elements=elements(teams.CANCEL),
        text="Gleich geht es los",
    )
    assert view(facts, ASKED).scene is Scene.LOBBY
    assert view(facts).scene is Scene.OPENING
    assert view(replace(facts, language="en-GB"), ASKED).scene is Scene.ASKED


def test_each_sign_of_the_call_shows_it() -> None:
    for sign in teams.CALL_VIEW:
        assert view(Facts(elements=elements(sign))).evidence == (sign.name,)
    assert view(CALL).scene is Scene.CALL
    assert todo(CALL, ENTERED) == []


def test_steps_lead_through_the_menu_that_turns_video_off() -> None:
    ways = [teams.VIDEO_MENU, teams.VIEW_MORE, teams.VIDEO_OFF]
    for count in range(1, 4):
        assert todo(beside(CALL, *ways[:count]), ENTERED, with_video=True) == [press(ways[count - 1])]
        assert todo(beside(CALL, *ways[:count]), ENTERED) == []


def test_notices_of_a_recording_are_acknowledged() -> None:
    notice = Notice(
        text="Recording and transcription have started. By attending you consent.",
        buttons=["Privacy", "Dismiss"],
    )
    facts = replace(CALL, notices=[notice])
    assert todo(facts, ENTERED) == [Click(f"{teams.NOTICE_BOX.selector} >> {button('Dismiss')}")]
    assert view(facts, ENTERED).scene is Scene.CALL
    assert todo(replace(facts, notices=[replace(notice, text="Your microphone is off")]), ENTERED) == []


REFUSED = [
    ("Sorry, but you were denied access to the meeting.", Reason.DENIED_BY_HOST),
    ("Your request to join was declined.", Reason.DENIED_BY_HOST),
    ("We need to verify your info before you can join", Reason.SIGN_IN_REQUIRED),
    ("Sign in to Teams to join, or contact the meeting organizer.", Reason.SIGN_IN_REQUIRED),
    ("To join this Teams meeting, you need to be signed in to an account.", Reason.SIGN_IN_REQUIRED),
    ("Verify you\u2019re a real person", Reason.CAPTCHA),
    ("Sorry, we couldn\u2019t connect you.", Reason.CONNECTION_FAILED),
    ("Looks like the meeting URL is incorrect. Please check the URL and try again.", Reason.LINK_INVALID),
    ("We couldn't find a meeting matching this ID and passcode.", Reason.MEETING_NOT_FOUND),
    (
        "External participants are not permitted to join before the event begins.",
        Reason.MEETING_NOT_STARTED,
    ),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_a_refusal_counts_on_a_page_without_a_way_to_join(text: str, reason: Reason) -> None:
    for facts in (Facts(url=FULL), RETRY):
        seen = view(replace(facts, text=f"Hello\n{text}\nDismiss"), ASKED)
        assert (seen.scene, seen.reason, seen.detail) == (Scene.REFUSED, reason, text)
        assert todo(replace(facts, text=text), ASKED) == []


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_beside_a_way_to_join_only_a_dialog_refuses(text: str, reason: Reason) -> None:
    assert view(replace(PRE_JOIN, text=text)).scene is Scene.OPENING
    alert = Notice(text=text)
    assert view(replace(PRE_JOIN, notices=[alert])).scene is Scene.OPENING
    seen = view(replace(PRE_JOIN, notices=[replace(alert, modal=True)]))
    assert (seen.scene, seen.reason, seen.detail) == (Scene.REFUSED, reason, text)


@pytest.mark.parametrize(("text", "reason"), [*REFUSED, ("You've been removed from this meeting", None)])
def test_no_text_ends_a_visible_call(text: str, reason: Reason | None) -> None:
    del reason
    facts = replace(
        CALL, text=text, headings=[text], notices=[Notice(text=text), Notice(text=text, modal=True)]
    )
    assert view(facts, ENTERED).scene is Scene.CALL


def test_after_asking_a_name_field_does_not_hide_a_refusal() -> None:
    facts = replace(without(PRE_JOIN, teams.JOIN), name="Notes", text="Verify you're a real person")
    assert view(facts, ASKED).reason is Reason.CAPTCHA
    assert view(facts).scene is Scene.OPENING


def test_a_phrase_matches_whole_words() -> None:
    assert (
        view(replace(RETRY, text="We couldn't connect your video", language="en"), ENTERED).scene
        is Scene.OVER
    )
    assert view(Facts(text="We couldn't connect your video"), ASKED).scene is Scene.ASKED


def test_only_a_connection_failure_is_retried() -> None:
    assert {
        sign.reason
        for sign in (*teams.REFUSALS, *teams.ENDS)
        if sign.reason is not None and sign.reason.is_retried
    } == {Reason.CONNECTION_FAILED}


def test_a_sign_in_page_is_known_by_its_host_or_its_form() -> None:
    site = Facts(url="https://login.microsoftonline.com/common/oauth2/v2.0/authorize?prompt=none")
    assert view(site).scene is Scene.OPENING  # every guest passes this page
    for facts in (
        replace(site, text="Sign in to your account"),
        Facts(url=FULL, elements=elements(teams.SIGN_IN_FORM)),
    ):
        assert view(facts).reason is Reason.SIGN_IN_REQUIRED


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("You\u2019ve been removed from this meeting", Reason.REMOVED),
        ("The meeting has ended", Reason.MEETING_ENDED),
        ("Did you leave by mistake?", Reason.MEETING_ENDED),
    ],
)
def test_an_end_counts_only_in_a_heading(title: str, reason: Reason) -> None:
    seen = view(replace(RETRY, headings=[title], text=f"{title}\nRejoin"), ENTERED)
    assert (seen.scene, seen.reason, seen.detail) == (Scene.OVER, reason, title)
    assert seen.evidence[1:] == ("last_page",)
    assert view(Facts(url=FULL, text=title), ENTERED).scene is Scene.ASKED
    assert view(replace(PRE_JOIN, headings=[title]), ASKED).scene is Scene.ASKED


def test_an_encrypted_call_is_over() -> None:
    seen = view(Facts(url=FULL, elements=elements(teams.ENCRYPTED), text="No encryption here"), ASKED)
    assert (seen.scene, seen.reason) == (Scene.OVER, Reason.CALL_ENCRYPTED)


@pytest.mark.parametrize("language", ["de", "en", "x-made-up", ""])
def test_a_last_page_of_unknown_words_is_recognised_in_every_language(language: str) -> None:
    facts = replace(RETRY, language=language, text="Sie k\u00f6nnen nicht teilnehmen")
    seen = view(facts, ASKED)
    assert (seen.scene, seen.reason) == (Scene.REFUSED, Reason.PAGE_NOT_UNDERSTOOD)
    assert seen.detail == "Sie k\u00f6nnen nicht teilnehmen"
    over = view(facts, ENTERED)
    assert (over.scene, over.reason, over.detail) == (Scene.OVER, Reason.ENDED_UNKNOWN, seen.detail)
    assert view(replace(facts, headings=["Tschüs"]), ENTERED).detail == "Tschüs"


def test_a_page_that_offers_to_join_is_named_joinable() -> None:
    assert view(PRE_JOIN).joinable
    assert view(PRE_JOIN, ENTERED).joinable
    assert not view(CALL, ENTERED).joinable
    assert not view(Facts(), ENTERED).joinable


def test_every_sign_has_a_unique_name_and_something_to_match() -> None:
    assert len({sign.name for sign in teams.SIGNS}) == len(teams.SIGNS)
    for sign in teams.SIGNS:
        assert sign.phrases or sign.labels or sign.selectors or sign.hosts
        assert all(phrase == plain(phrase) for phrase in sign.phrases)
    assert all(sign.reason is not None for sign in (*teams.REFUSALS, *teams.ENDS, teams.ENCRYPTED))
    assert all(sign.selectors or sign.labels for sign in teams.ELEMENTS)


words = st.sampled_from([phrase for sign in teams.SIGNS for phrase in sign.phrases]) | st.text(max_size=20)
any_facts = st.builds(
    Facts,
    url=st.sampled_from(["", LIGHT, FULL, "https://login.live.com/"]),
    language=st.sampled_from(["", "en-US", "de"]),
    elements=st.frozensets(st.sampled_from([sign.name for sign in teams.ELEMENTS])),
    name=st.none() | st.sampled_from(["", "Notes"]),
    headings=st.lists(words, max_size=2),
    notices=st.lists(
        st.builds(Notice, text=words, buttons=st.just(["Dismiss"]), modal=st.booleans()),
        max_size=2,
    ),
    text=st.lists(words, max_size=3).map("\n".join),
)
any_past = st.builds(Past, st.booleans(), st.booleans(), st.sampled_from([0.0, 9.0]))


@given(any_facts, any_past, st.booleans())
def test_view_and_steps_are_consistent_for_any_facts(facts: Facts, past: Past, with_video: bool) -> None:
    seen = view(facts, past)
    assert (seen.reason is not None) == (seen.scene in (Scene.REFUSED, Scene.OVER))
    assert len(seen.detail) <= 200
    if seen.scene is Scene.CALL and not (past.entered and teams.STREAM.name in facts.elements):
        assert not any(sign.said_in(plain(facts.text)) for sign in teams.WAITING)
    todo = list(steps(facts, past, with_video=with_video))
    if seen.scene not in (Scene.OPENING, Scene.ASKED):
        assert not any(map(asks, todo))
    if facts.name == "":
        assert not any(map(asks, todo))


def test_steps_lead_through_the_menu_to_the_gallery() -> None:
    gallery = Facts(elements=elements(teams.VIEW, teams.GALLERY))
    assert list(layout_steps(Facts(elements=elements(teams.VIEW)))) == [press(teams.VIEW)]
    assert list(layout_steps(gallery)) == [press(teams.GALLERY)]
    assert list(layout_steps(replace(gallery, notices=[Notice(text="?", modal=True)]))) == []
    assert list(layout_steps(Facts())) == []
