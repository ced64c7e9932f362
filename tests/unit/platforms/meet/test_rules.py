from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.lifecycle.page_view import Scene
from worker.platforms.meet import signs as meet
from worker.platforms.meet.facts import Dialog, Facts, Layout, Slider
from worker.platforms.meet.rules import (
    Past,
    asks,
    has_most_tiles,
    is_unanswerable,
    layout_steps,
    opens_layouts,
    steps,
    view,
)
from worker.platforms.page_actions import Click, FillName, MoveSlider
from worker.platforms.signs import Sign, button, plain
from worker.reasons import Reason

DEVICES_ON = frozenset({meet.MICROPHONE_ON.name, meet.CAMERA_ON.name})
PRE_JOIN = Facts(elements=DEVICES_ON, name="", buttons=["Ask to join", "Sign in"], text="What's your name?")
IN_CALL = Facts(
    elements=frozenset({meet.CALL_CONTROLS.name, meet.LEAVE.name}), tiles=2, buttons=["Leave call"]
)
ASKED = Past(asked=True)
ENTERED = Past(asked=True, entered=True)
CONSENT = Dialog(text="Your audio and video will be shared with Example Inc.", buttons=["Cancel", "Join now"])


def test_steps_lead_through_the_pre_join_page() -> None:
    facts = PRE_JOIN
    taken = [next(steps(facts))]
    facts = replace(facts, elements=frozenset({meet.CAMERA_ON.name}))
    taken.append(next(steps(facts)))
    facts = replace(facts, elements=frozenset())
    taken.append(next(steps(facts)))
    facts = replace(facts, name="Notes")
    taken.append(next(steps(facts)))
    assert taken == [
        Click(meet.MICROPHONE_ON.selector),
        Click(meet.CAMERA_ON.selector),
        FillName(meet.NAME_FIELD.selector),
        Click(button("Ask to join")),
    ]
    assert [asks(step, facts) for step in taken] == [False, False, False, True]


def test_asking_to_join_waits_for_the_name() -> None:
    assert list(steps(replace(PRE_JOIN, elements=frozenset()))) == [FillName(meet.NAME_FIELD.selector)]


@pytest.mark.parametrize("label", [*meet.IN_THE_WAY.labels, *meet.WITHOUT_ACCOUNT.labels])
def test_questions_before_the_join_button_are_answered_first(label: str) -> None:
    assert next(steps(replace(PRE_JOIN, buttons=["Ask to join", label]))) == Click(button(label))


@pytest.mark.parametrize("label", [*meet.ASK.labels, *meet.JOIN.labels])
def test_every_join_button_is_known(label: str) -> None:
    signed_in = Facts(buttons=[label])
    step = next(steps(signed_in))
    assert step == Click(button(label))
    assert asks(step, signed_in)
    assert view(signed_in).variant == "prejoin-signed-in"


@pytest.mark.parametrize("label", [*meet.ASK.labels, *meet.JOIN.labels])
@pytest.mark.parametrize(
    "more",
    [
        " without microphone & camera",
        " without camera",
        " without microphone and camera",
        " (ctrl + j)",
        ", 2 people are here",
        " - New",
        " without microphone & camera (ctrl + j)",
        ': "Weekly"',
    ],
)
def test_a_join_button_is_known_with_what_follows_its_label(label: str, more: str) -> None:
    facts = Facts(buttons=["Sign in", label + more])
    step = next(steps(facts))
    assert step == Click(button(label + more))
    assert asks(step, facts)
    assert next(steps(replace(facts, buttons=[label + more, label]))) == Click(button(label))


@pytest.mark.parametrize(
    "label",
    ["Join with a phone", "Join now or later", "Join nowhere", "Join", "Ask to joiner", "Switch here (1)"],
)
def test_other_buttons_do_not_join(label: str) -> None:
    facts = Facts(buttons=[label])
    assert list(steps(facts)) == []
    assert not asks(Click(button(label)), facts)


@pytest.mark.parametrize("elements", [frozenset(), frozenset({meet.JOIN_BUTTON.name})])
def test_the_accounts_other_session_is_never_thrown_out(elements: frozenset[str]) -> None:
    page = Facts(elements=elements, buttons=["Switch here"], text="You can't join this call")
    assert list(steps(page)) == []
    assert view(page).scene is Scene.OPENING
    assert view(page).joinable
    more = replace(page, buttons=["Switch here", "Other ways to join"])
    assert list(steps(more)) == [Click(button("Other ways to join"))]
    assert not asks(next(steps(more)), more)
    opened = replace(more, buttons=[*more.buttons, "Join here too"])
    assert next(steps(opened)) == Click(button("Join here too"))
    assert asks(next(steps(opened)), opened)


def test_the_join_button_of_a_foreign_page_is_known_by_its_attributes() -> None:
    facts = Facts(
        language="de-DE",
        name="Notes",
        buttons=["Teilnahme anfragen"],
        elements=frozenset({meet.JOIN_BUTTON.name}),
    )
    step = next(steps(facts))
    assert step == Click(meet.JOIN_BUTTON.selector)
    assert asks(step, facts)
    assert (view(facts).variant, view(facts).language) == ("prejoin-foreign", "de-DE")


def test_view_names_the_form_of_the_pre_join_page() -> None:
    assert (view(Facts()).scene, view(Facts()).variant) == (Scene.OPENING, "loading")
    assert (view(PRE_JOIN).scene, view(PRE_JOIN).variant) == (Scene.OPENING, "prejoin-name")
    assert view(PRE_JOIN).evidence == (meet.NAME_FIELD.name, meet.ASK.name)
    assert view(PRE_JOIN, ASKED).scene is Scene.ASKED
    assert view(Facts(), ASKED).scene is Scene.ASKED


@pytest.mark.parametrize(
    ("text", "scene"),
    [
        ("Asking to be let in...", Scene.LOBBY),
        ("You'll join the call when someone lets you in", Scene.LOBBY),
        ("You\u2019ll join the call\nwhen someone lets you in", Scene.LOBBY),
        ("Please wait until a meeting host brings you into the call", Scene.LOBBY),
        ("Please wait until a meeting host admits you", Scene.LOBBY),
        ("Waiting for the host to join\nReturn to home screen", Scene.HOST_ABSENT),
    ],
)
def test_the_lobby_has_precedence_over_evidence_of_the_call(text: str, scene: Scene) -> None:
    seen = view(replace(IN_CALL, text=text))
    assert seen.scene is scene
    assert seen.evidence[0].startswith("lobby.")


def test_controls_and_a_tile_show_the_call() -> None:
    seen = view(IN_CALL)
    assert (seen.scene, seen.evidence) == (Scene.CALL, ("call.controls", "call.tile"))
    assert not seen.recording_denied
    assert view(replace(IN_CALL, tiles=0)).scene is Scene.OPENING
    assert list(steps(IN_CALL)) == []


@pytest.mark.parametrize("past", [Past(), ASKED, ENTERED])
@pytest.mark.parametrize(("tiles", "lobby_like"), [(1, True), (2, False), (3, False)])
def test_a_call_with_one_tile_may_be_a_lobby(tiles: int, lobby_like: bool, past: Past) -> None:
    seen = view(replace(IN_CALL, tiles=tiles), past)
    assert (seen.scene, seen.lobby_like) == (Scene.CALL, lobby_like)


def test_a_foreign_lobby_is_known_by_its_missing_tiles() -> None:
    foreign = replace(IN_CALL, language="de", elements=frozenset({meet.LEAVE.name}))
    assert view(foreign, ASKED).scene is Scene.CALL
    lobby = replace(foreign, tiles=0)
    assert view(lobby, ASKED).scene is Scene.LOBBY
    assert view(lobby).scene is Scene.OPENING


@pytest.mark.parametrize("language", ["", "en", "de"])
def test_controls_without_tiles_are_the_call_once_it_was_entered(language: str) -> None:
    """Tiles go away for a while when the layout changes; the call is silent then, not lost."""
    seen = view(replace(IN_CALL, tiles=0, language=language), ENTERED)
    assert (seen.scene, seen.evidence) == (Scene.CALL, (meet.CALL_CONTROLS.name,))


EVERY_LANGUAGE = pytest.mark.parametrize("language", ["", "en", "en-GB", "de", "x-made-up"])
STRUCTURES = pytest.mark.parametrize(
    ("elements", "buttons"),
    [
        ({meet.LAST_PAGE.name}, []),
        ({meet.COUNTDOWN.name, meet.HOME.name}, ["Zur\u00fcck"]),
        ({meet.COUNTDOWN.name}, ["Return to home screen"]),
    ],
    ids=["last page", "countdown", "countdown beside a label"],
)


@EVERY_LANGUAGE
@STRUCTURES
@pytest.mark.parametrize("past", [Past(), ASKED], ids=["opening", "asked"])
def test_a_last_page_of_unknown_words_refuses_before_the_call(
    language: str, elements: set[str], buttons: list[str], past: Past
) -> None:
    page = Facts(
        language=language,
        elements=frozenset(elements),
        buttons=buttons,
        text="Du bist drau\u00dfen\nZur\u00fcck",
    )
    refused = view(page, past)
    assert (refused.scene, refused.reason) == (Scene.REFUSED, Reason.PAGE_NOT_UNDERSTOOD)
    assert refused.detail == "Du bist drau\u00dfen Zur\u00fcck"


@pytest.mark.parametrize(
    "elements", [{meet.COUNTDOWN.name}, {meet.HOME.name}, set()], ids=["countdown", "button", "label"]
)
def test_a_countdown_or_a_way_home_alone_refuses_nobody(elements: set[str]) -> None:
    buttons = [] if elements == {meet.COUNTDOWN.name} else ["Return to home screen"]
    page = Facts(language="en", elements=frozenset(elements), buttons=buttons, text="Hold the line")
    assert view(page, ASKED).scene is Scene.ASKED


def test_the_detail_of_a_last_page_is_its_title_and_what_is_below() -> None:
    page = Facts(
        elements=frozenset({meet.LAST_PAGE.name}),
        headings=["So much  for this"],
        buttons=["Return to home screen", "Submit feedback"],
        text="Meet\nSo much for this\n\nOnly invited people\ncan join\nReturn to home screen 60\nYour meeting is safe",
    )
    assert view(page).detail == "So much for this Only invited people can join"
    assert view(replace(page, text="Meet")).detail == "So much for this"


@pytest.mark.parametrize(
    ("below", "detail"),
    [
        ("RejoinReturn to home screen 60", ""),
        ("RejoinRejoin", ""),
        ("Rejoin", ""),
        ("Rejoining does not help\nRejoin", " Rejoining does not help"),
    ],
)
def test_the_detail_ends_at_the_first_button_also_where_buttons_touch(below: str, detail: str) -> None:
    page = Facts(
        elements=frozenset({meet.LAST_PAGE.name}),
        headings=["So much for this"],
        buttons=["", "Rejoin", "Return to home screen"],
        text=f"So much for this\n{below}",
    )
    assert view(page).detail == f"So much for this{detail}"


def test_buttons_of_which_one_begins_another_are_read_in_no_time() -> None:
    line = "a" * 100 + "b"
    page = Facts(
        elements=frozenset({meet.LAST_PAGE.name}),
        headings=["Over"],
        buttons=["a", "aa", "aaa"],
        text=f"Over\n{line}",
    )
    assert view(page).detail == f"Over {line}"


@EVERY_LANGUAGE
def test_a_last_page_of_unknown_words_ends_a_call_that_was_entered_in_every_language(language: str) -> None:
    page = Facts(
        language=language,
        elements=frozenset({meet.LAST_PAGE.name}),
        headings=["Du bist draußen"],
        text="Du bist draußen\nZurück",
    )
    over = view(page, ENTERED)
    assert (over.scene, over.reason) == (Scene.OVER, Reason.ENDED_UNKNOWN)
    assert over.detail == "Du bist draußen Zurück"
    assert over.evidence == ("last_page", "page.no_call", "page.no_way_in")


@pytest.mark.parametrize("label", meet.LAST_PAGE.labels)
def test_a_button_of_the_last_page_is_enough(label: str) -> None:
    page = Facts(language="en", buttons=[label], text=f"Off you go\n{label}")
    assert view(page, ENTERED).reason is Reason.ENDED_UNKNOWN
    assert view(page, ASKED).scene is Scene.ASKED


LAST = Facts(language="en", elements=frozenset({meet.LAST_PAGE.name}), text="Off you go")


@pytest.mark.parametrize(
    ("facts", "scene"),
    [
        (replace(LAST, tiles=1), Scene.CALL),
        (replace(LAST, elements=LAST.elements | {meet.LEAVE.name}), Scene.CALL),
        (replace(LAST, name="Notes"), Scene.ASKED),
        (replace(LAST, buttons=["Ask to join"]), Scene.ASKED),
        (replace(LAST, text="Waiting for the host to join"), Scene.HOST_ABSENT),
        (replace(LAST, text="Asking to be let in..."), Scene.LOBBY),
        (Facts(language="en", text="Off you go"), Scene.ASKED),
        (Facts(host="", language="", text=""), Scene.ASKED),
        (Facts(host="chromewebdata", language="en", text="No internet"), Scene.ASKED),
    ],
)
def test_no_other_page_is_taken_for_an_unknown_end(facts: Facts, scene: Scene) -> None:
    assert view(facts, ENTERED).scene is scene


def test_a_page_that_offers_to_join_is_named_joinable() -> None:
    assert view(PRE_JOIN).joinable
    assert view(PRE_JOIN, ENTERED).joinable
    assert not view(IN_CALL, ENTERED).joinable
    assert not view(replace(IN_CALL, dialogs=[CONSENT], buttons=["Join now"]), ENTERED).joinable
    assert not view(Facts(), ENTERED).joinable


def test_a_consent_dialog_gates_the_call_until_it_is_answered() -> None:
    facts = replace(IN_CALL, dialogs=[CONSENT])
    assert view(facts).scene is Scene.GATED
    assert meet.CONSENT.name in view(facts).evidence
    assert next(steps(facts)) == Click(f"{meet.DIALOG.selector} >> {button('Join now')}")


NOTICES = ["This video call is being recorded", "This call is being transcribed", "Gemini is taking notes"]


@pytest.mark.parametrize("text", NOTICES)
def test_notices_are_acknowledged(text: str) -> None:
    dialog = Dialog(text=text, buttons=["Leave call", "Join now"], ok=True)
    assert next(steps(replace(IN_CALL, dialogs=[dialog]))) == Click(meet.DIALOG_OK.selector)
    assert view(replace(IN_CALL, dialogs=[dialog])).scene is Scene.CALL
    without = replace(dialog, ok=False)
    assert next(steps(replace(IN_CALL, dialogs=[without]))) == Click(
        f"{meet.DIALOG.selector} >> {button('Join now')}"
    )


def test_the_recording_banner_is_not_dismissed() -> None:
    banner = replace(IN_CALL, buttons=["Dismiss", "Leave call"], text="Recording")
    assert list(steps(banner)) == []


def test_the_question_whether_we_are_still_there_is_answered() -> None:
    dialog = Dialog(text="Are you still there?", buttons=["Leave now", "Stay in the call"])
    facts = replace(IN_CALL, dialogs=[dialog])
    assert next(steps(facts)) == Click(f"{meet.DIALOG.selector} >> {button('Stay in the call')}")


def test_a_text_that_denies_recording_is_recognised() -> None:
    text = "Recording is not allowed in this call"
    assert view(replace(IN_CALL, dialogs=[Dialog(text=text, buttons=[])])).recording_denied
    assert not view(replace(IN_CALL, text=text, announced=text)).recording_denied


def test_a_dialog_that_denies_recording_is_not_dismissed() -> None:
    dialog = Dialog(text="Recording is not allowed in this call\nSorry", buttons=["Got it"])
    facts = replace(IN_CALL, dialogs=[dialog], buttons=["Got it"])
    assert (view(facts).recording_denied, view(facts).detail) == (
        True,
        "Recording is not allowed in this call",
    )
    assert list(steps(facts)) == []


def test_a_name_in_a_dialog_denies_nothing() -> None:
    name = "Recording is not allowed in this call"
    dialog = Dialog(text=f"{name} asks you to unmute", buttons=["Cancel"])
    assert not view(replace(IN_CALL, dialogs=[dialog], names=["Ana", name])).recording_denied
    denial = Dialog(text=name, buttons=["Got it"])
    assert view(replace(IN_CALL, dialogs=[denial], names=["call", "Recording"])).recording_denied


LOBBY_WORDS = "Asking to be let in"


@pytest.mark.parametrize(
    ("facts", "past", "scene"),
    [
        (replace(IN_CALL, announced=LOBBY_WORDS), ASKED, Scene.CALL),
        (replace(IN_CALL, text=LOBBY_WORDS), ASKED, Scene.LOBBY),
        (replace(IN_CALL, text=LOBBY_WORDS), ENTERED, Scene.CALL),
        (replace(IN_CALL, tiles=1, announced=LOBBY_WORDS), ASKED, Scene.LOBBY),
        (replace(IN_CALL, tiles=1, text=LOBBY_WORDS), ENTERED, Scene.LOBBY),
        (replace(IN_CALL, tiles=0, announced=LOBBY_WORDS), ENTERED, Scene.LOBBY),
        (Facts(tiles=3, announced=LOBBY_WORDS), ENTERED, Scene.CALL),
        (Facts(announced=LOBBY_WORDS), ASKED, Scene.LOBBY),
    ],
)
def test_a_lobbys_words_count_where_no_two_participants_are_shown(
    facts: Facts, past: Past, scene: Scene
) -> None:
    assert view(facts, past).scene is scene


def test_after_the_call_was_entered_only_a_last_page_or_a_heading_ends_it() -> None:
    hidden = Facts(
        text="Eve: You've been removed from the meeting", announced="Your meeting code has expired"
    )
    assert view(hidden, ASKED).scene is Scene.OVER
    assert view(hidden, ENTERED).scene is Scene.ASKED
    title = "You've been removed from the meeting"
    assert view(replace(hidden, headings=[title]), ENTERED).reason is Reason.REMOVED
    last = replace(hidden, elements=frozenset({meet.LAST_PAGE.name}))
    assert view(last, ENTERED).reason is Reason.REMOVED


REFUSALS = [
    ("Someone in the call denied your request to join", Reason.DENIED_BY_HOST),
    ("You weren\u2019t allowed to join this meeting", Reason.DENIED_BY_HOST),
    ("No one responded to your request to join the call", Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM),
    ("You can't join this video call", Reason.BLOCKED_BY_PLATFORM),
    ("There is a problem connecting to this video call", Reason.BLOCKED_BY_PLATFORM),
    ("Check your meeting code\nReturn to home screen", Reason.MEETING_NOT_FOUND),
    ("The meeting code you entered doesn\u2019t work", Reason.MEETING_NOT_FOUND),
    ("Invalid video call name", Reason.LINK_INVALID),
    ("Your meeting code has expired", Reason.LINK_EXPIRED),
    ("You can't create a meeting yourself.", Reason.MEETING_NOT_STARTED),
    ("Verify it's you", Reason.CAPTCHA),
    ("Couldn\u2019t start the video call because of an error", Reason.CONNECTION_FAILED),
    ("There was a problem joining this video call", Reason.CONNECTION_FAILED),
    ("Choose an account to continue to Google Meet", Reason.SIGN_IN_REQUIRED),
    ("You can\u2019t join this call", Reason.BLOCKED_BY_PLATFORM),
    ("You aren't allowed to join this video call", Reason.BLOCKED_BY_PLATFORM),
    ("You\u2019re not allowed to join this call.", Reason.BLOCKED_BY_PLATFORM),
    ("Bu video g\u00f6r\u00fc\u015fmesine kat\u0131lamazs\u0131n\u0131z", Reason.BLOCKED_BY_PLATFORM),
    ("This call has reached the maximum of 100 participants", Reason.MEETING_FULL),
    ("This meeting has already ended", Reason.MEETING_OVER),
    ("You\u2019re currently in a video call in another window", Reason.CONNECTION_FAILED),
]


@pytest.mark.parametrize(("text", "reason"), REFUSALS)
def test_a_refusal_counts_only_without_a_way_to_join(text: str, reason: Reason) -> None:
    facts = Facts(text=f"Hello\n{text}\nBye")
    seen = view(facts)
    assert (seen.scene, seen.reason) == (Scene.REFUSED, reason)
    assert seen.detail == text.split("\n", maxsplit=1)[0]
    assert seen.evidence[0].startswith("refused.")
    for way_in in (replace(facts, name=""), replace(facts, buttons=["Join now"])):
        assert view(way_in).scene is Scene.OPENING, "a way to join contradicts the refusal"


def test_a_denial_has_precedence_over_the_title_of_its_page() -> None:
    for title in ("You can't join this video call", "You can't join this call"):
        text = f"{title}\nSomeone in the call denied your request to join."
        assert view(Facts(text=text)).reason is Reason.DENIED_BY_HOST


def test_only_what_may_pass_is_retried() -> None:
    again = {sign.name for sign in meet.REFUSALS if sign.reason is not None and sign.reason.is_retried}
    assert again == {meet.CONNECTION.name, meet.ELSEWHERE.name}


def test_a_sign_in_page_is_known_by_its_heading_or_its_host() -> None:
    page = Facts(headings=["Sign in"], text="Sign in\nUse your Google Account")
    assert view(page).reason is Reason.SIGN_IN_REQUIRED
    assert view(replace(page, headings=[])).scene is Scene.OPENING
    redirected = Facts(host="accounts.google.com", text="Anmelden")
    assert view(redirected).evidence[0] == meet.SIGN_IN_SITE.name
    assert view(Facts(host="accounts.google.com.example.org")).scene is Scene.OPENING


def test_a_sign_in_that_is_optional_is_skipped() -> None:
    page = Facts(headings=["Sign in"], text="Use your Google Account", buttons=["Use without an account"])
    assert view(page).scene is Scene.OPENING
    assert next(steps(page)) == Click(button("Use without an account"))


def test_a_captcha_is_known_by_its_frame() -> None:
    assert view(Facts(elements=frozenset({meet.CAPTCHA.name}))).reason is Reason.CAPTCHA


ENDS = [
    ("You\u2019ve been removed from the meeting", Reason.REMOVED),
    ("You left the meeting", Reason.REMOVED),
    ("Your host ended the meeting for everyone", Reason.MEETING_ENDED),
    ("The call ended because no one responded", Reason.ENDED_IDLE),
    ("You\u2019ve left the meeting", Reason.REMOVED),
    ("Your call has ended", Reason.MEETING_ENDED),
    ("The call has ended", Reason.MEETING_ENDED),
    ("The video call has ended", Reason.MEETING_ENDED),
]


@pytest.mark.parametrize(("text", "reason"), ENDS)
def test_an_end_counts_only_where_the_page_shows_no_call(text: str, reason: Reason) -> None:
    seen = view(Facts(text=text))
    assert (seen.scene, seen.reason, seen.detail) == (Scene.OVER, reason, text)
    assert view(replace(IN_CALL, text=f"Mallory: {text}")).scene is Scene.CALL
    assert view(replace(PRE_JOIN, text=f"{text} is in this call")).scene is Scene.OPENING


def test_missing_controls_do_not_end_a_call_that_was_entered() -> None:
    presenting = Facts(tiles=3, text="You've been removed from the meeting")
    seen = view(presenting, Past(asked=True, entered=True))
    assert (seen.scene, seen.evidence) == (Scene.CALL, (meet.TILE.name,))
    assert view(presenting, ASKED).scene is Scene.ASKED


def phrases(signs: tuple[Sign, ...]) -> list[str]:
    return [phrase for sign in signs for phrase in sign.phrases]


@pytest.mark.parametrize("phrase", phrases(meet.SIGNS))
def test_phrases_are_in_plain_form(phrase: str) -> None:
    assert plain(phrase) == phrase


def test_every_sign_has_a_unique_name_and_something_to_match() -> None:
    assert len({sign.name for sign in meet.SIGNS}) == len(meet.SIGNS)
    assert all(sign.phrases or sign.labels or sign.selectors or sign.hosts for sign in meet.SIGNS)
    assert all(sign.evidence_for and sign.source for sign in meet.SIGNS)
    assert all(sign.reason for sign in (*meet.REFUSALS, *meet.ENDS))


some_text = st.one_of(st.sampled_from(phrases(meet.SIGNS)), st.text(max_size=20))
some_facts = st.builds(
    Facts,
    host=st.sampled_from(["", "meet.google.com", "accounts.google.com"]),
    language=st.sampled_from(["", "en", "de"]),
    elements=st.frozensets(st.sampled_from([sign.name for sign in meet.ELEMENTS])),
    tiles=st.integers(0, 3),
    name=st.none() | st.text(max_size=5),
    buttons=st.lists(st.sampled_from(["Join now", "Ask to join", "Got it", "Stay in the call"])),
    headings=st.lists(st.sampled_from(["Sign in", "Hello"])),
    dialogs=st.lists(
        st.builds(Dialog, text=some_text, buttons=st.just(["Join now"]), ok=st.booleans()), max_size=2
    ),
    text=st.lists(some_text, max_size=3).map("\n".join),
    announced=some_text,
)


@given(some_facts, st.booleans(), st.booleans())
def test_view_and_steps_are_consistent_for_any_facts(facts: Facts, asked: bool, entered: bool) -> None:
    seen = view(facts, Past(asked, entered))
    assert (seen.reason is not None) == (seen.scene in (Scene.REFUSED, Scene.OVER))
    assert len(seen.detail) <= 200
    if any(sign.said_in(plain(facts.text)) for sign in meet.WAITING) and not (entered and facts.tiles > 1):
        assert seen.scene not in (Scene.CALL, Scene.GATED), "a lobby is never recorded"
    assert not seen.joinable or seen.scene in (Scene.OPENING, Scene.ASKED)
    if facts.name is not None or any(sign.name in facts.elements for sign in meet.IN_CALL_VIEW):
        assert seen.scene not in (Scene.REFUSED, Scene.OVER)
    list(steps(facts))


LAYOUTS = [Layout(label=label, chosen=label == "Auto") for label in ("Auto", "Tiled", "Spotlight", "Sidebar")]
IN_LAYOUTS = Facts(
    elements=frozenset({meet.LEAVE.name, meet.MORE_OPTIONS.name, meet.LAYOUT.name, meet.CLOSE_LAYOUT.name}),
    layouts=LAYOUTS,
    dialogs=[Dialog(text="Adjust view", buttons=["Close"], answers=["Close", "Leave"], layouts=True)],
)


def chosen(place: int) -> list[Layout]:
    return [replace(layout, chosen=at == place) for at, layout in enumerate(LAYOUTS)]


def test_steps_lead_through_the_menu_to_the_layout_with_tiles() -> None:
    bar = Facts(elements=frozenset({meet.LEAVE.name, meet.MORE_OPTIONS.name}))
    menu = replace(bar, elements=bar.elements | {meet.LAYOUT_ITEM.name})
    close = Click(meet.CLOSE_LAYOUT.selector)
    assert list(layout_steps(bar, opened=True)) == [Click(meet.MORE_OPTIONS.selector)]
    assert list(layout_steps(menu, opened=True)) == [Click(meet.LAYOUT_ITEM.selector)]
    assert list(layout_steps(replace(bar, buttons=["Change layout"]), opened=True)) == [
        Click(button("Change layout"))
    ]
    radio = f'{meet.LAYOUT.selector} >> input[type="radio"] >> nth=1'
    assert list(layout_steps(IN_LAYOUTS, opened=True)) == [Click(radio), close]
    assert not has_most_tiles(IN_LAYOUTS)
    tiled = replace(IN_LAYOUTS, layouts=chosen(1))
    assert list(layout_steps(tiled, opened=True)) == [close]
    assert has_most_tiles(tiled)


@pytest.mark.parametrize(
    ("value", "most", "wanted"), [(6, 49, meet.MOST_TILES), (16, 49, None), (49, 49, None), (6, 9, 9)]
)
def test_as_many_tiles_are_asked_for_as_are_offered(value: int, most: int, wanted: int | None) -> None:
    facts = replace(IN_LAYOUTS, layouts=chosen(1), slider=Slider(value=value, most=most))
    moved = [step for step in layout_steps(facts, opened=True) if isinstance(step, MoveSlider)]
    assert moved == ([] if wanted is None else [MoveSlider(meet.LAYOUT_SLIDER.selector, wanted)])
    assert has_most_tiles(facts) == (wanted is None)


def test_the_layout_with_tiles_is_known_by_its_place_in_other_languages() -> None:
    foreign = [replace(layout, label=label) for layout, label in zip(chosen(3), "abcd", strict=True)]
    radio = f'{meet.LAYOUT.selector} >> input[type="radio"] >> nth=1'
    assert next(layout_steps(replace(IN_LAYOUTS, layouts=foreign), opened=True)) == Click(radio)
    assert list(layout_steps(replace(IN_LAYOUTS, layouts=foreign[:3]), opened=True)) == [
        Click(meet.CLOSE_LAYOUT.selector)
    ]


def test_a_dialog_that_the_bot_did_not_open_is_left_alone_unless_its_words_are_known() -> None:
    foreign = [replace(layout, label=label) for layout, label in zip(chosen(3), "abcd", strict=True)]
    assert list(layout_steps(replace(IN_LAYOUTS, layouts=foreign), opened=False)) == []
    assert list(layout_steps(IN_LAYOUTS, opened=False)) == list(layout_steps(IN_LAYOUTS, opened=True))
    assert opens_layouts(Click(meet.LAYOUT_ITEM.selector))
    assert opens_layouts(Click(button("Change layout")))
    assert not opens_layouts(Click(meet.CLOSE_LAYOUT.selector))


def test_what_asks_for_an_answer_comes_before_the_layout() -> None:
    asked = Dialog(text="Are you still there?", buttons=["Stay in the call", "Leave now"])
    facts = replace(IN_LAYOUTS, dialogs=[*IN_LAYOUTS.dialogs, asked])
    assert list(layout_steps(facts, opened=True)) == []


def test_the_dialog_of_layouts_is_no_question() -> None:
    assert list(steps(IN_LAYOUTS)) == []
    assert not is_unanswerable(IN_LAYOUTS)
