"""Pages in the form of real ones, read by the worker's scripts in one Chromium: what they are, and what the bot does next."""

from __future__ import annotations

from typing import Any, NamedTuple

from playwright.async_api import Page, Route, async_playwright

from tests.support import real_pages as shown
from tests.support.real_pages import LANGUAGES, WORDS
from worker.browser.launch import find_chromium
from worker.lifecycle.page_view import Scene, View
from worker.platforms.meet import rules as meet_rules
from worker.platforms.meet import signs as meet
from worker.platforms.meet.facts import Facts as MeetFacts
from worker.platforms.page_actions import Click, Step, press
from worker.platforms.page_driver import PageDriver, reading_script
from worker.platforms.registry import Platform
from worker.platforms.signs import button
from worker.platforms.teams import rules as teams_rules
from worker.platforms.teams import signs as teams
from worker.platforms.teams.facts import Facts as TeamsFacts
from worker.reasons import Reason
from worker.settings import BrowserSettings

MEET, TEAMS = Platform.GOOGLE_MEET, Platform.MICROSOFT_TEAMS
ADDRESSES = {
    MEET: "https://meet.google.com/abc-defg-hij",
    TEAMS: "https://teams.microsoft.com/light-meetings/launch?lightExperience=true",
}


class Case(NamedTuple):
    """A page, and what it is after the bot asked to join (``asked``) and saw the call (``entered``).

    ``step``: the first step; None: there must be none. ``detail``: None is not checked.
    """

    name: str
    platform: Platform
    html: str
    scene: Scene
    reason: Reason | None = None
    step: Step | None = None
    asked: bool = True
    entered: bool = False
    detail: str | None = None


def refused(name: str, reason: Reason, title: str, *lines: str, detail: str | None = None) -> Case:
    return Case(name, MEET, shown.meet_last_page("en", title, *lines), Scene.REFUSED, reason, detail=detail)


def over(name: str, reason: Reason, title: str) -> Case:
    return Case(name, MEET, shown.meet_last_page("en", title), Scene.OVER, reason, entered=True)


def in_every_language() -> list[Case]:
    """Pages that are known by their form alone."""
    cases = []
    for language in LANGUAGES:
        words = WORDS[language]
        refusal = shown.meet_last_page(language, words.refused, words.why, home=words.home)
        end = shown.meet_last_page(language, words.ended, home=words.home)
        cases += [
            Case(
                f"refused in {language}",
                MEET,
                refusal,
                Scene.REFUSED,
                Reason.PAGE_NOT_UNDERSTOOD,
                detail=f"{words.refused} {words.why}",
            ),
            Case(
                f"ended in {language}",
                MEET,
                end,
                Scene.OVER,
                Reason.ENDED_UNKNOWN,
                entered=True,
                detail=words.ended,
            ),
            Case(f"Teams' lobby in {language}", TEAMS, shown.teams_lobby(language, words.lobby), Scene.LOBBY),
            Case(
                f"Teams' captcha in {language}",
                TEAMS,
                shown.teams_captcha(language),
                Scene.REFUSED,
                Reason.CAPTCHA,
            ),
            Case(f"connecting in {language}", TEAMS, shown.teams_connecting(language), Scene.ASKED),
            Case(
                f"launcher in {language}",
                TEAMS,
                shown.teams_launcher(language, words.join),
                Scene.OPENING,
                step=press(teams.LAUNCHER),
                asked=False,
            ),
            Case(
                f"Teams' pre-join in {language}",
                TEAMS,
                shown.teams_page(language, shown.teams_prejoin(language)),
                Scene.OPENING,
                step=press(teams.JOIN),
                asked=False,
            ),
            Case(
                f"Meet's join button in {language}",
                MEET,
                shown.meet_pre_join(language, ("Qx7uuf", "…")),
                Scene.OPENING,
                step=Click(meet.JOIN_BUTTON.selector),
                asked=False,
            ),
            Case(f"Teams' call in {language}", TEAMS, shown.teams_call(language, "Ada"), Scene.CALL),
        ]
        if language != "en":
            room = shown.meet_waiting_room(language, words.waiting)
            cases.append(Case(f"Meet's waiting room in {language}", MEET, room, Scene.LOBBY))
    return cases


OWN = shown.meet_tile(31, "Stems", own=True)
CASES = [
    *in_every_language(),
    Case("call", MEET, shown.meet_call("en", [OWN, shown.meet_tile(32, "Ben Oak")]), Scene.CALL),
    Case(
        "a name that says what a waiting room says",
        MEET,
        shown.meet_call("en", [OWN, shown.meet_tile(32, "Waiting for the host to join")]),
        Scene.CALL,
    ),
    Case(
        "waiting room for a host",
        MEET,
        shown.meet_waiting_room("en", "Please wait until a meeting host admits you to the call"),
        Scene.LOBBY,
    ),
    Case(
        "sent back to the waiting room",
        MEET,
        shown.meet_waiting_room(
            "en",
            "You’ve been sent to the waiting room",
            "Please wait until a meeting host brings you into the call",
        ),
        Scene.LOBBY,
        entered=True,
    ),
    Case(
        "in the call elsewhere",
        MEET,
        shown.meet_pre_join("en", ("Qx7uuf", "Switch here"), ("", "Other ways to join")),
        Scene.OPENING,
        step=Click(button("Other ways to join")),
        asked=False,
    ),
    Case(
        "in the call elsewhere, and no other way",
        MEET,
        shown.meet_pre_join("en", ("Qx7uuf", "Switch here")),
        Scene.OPENING,
        asked=False,
    ),
    refused("no reason", Reason.BLOCKED_BY_PLATFORM, "You can’t join this call"),
    refused(
        "denied",
        Reason.DENIED_BY_HOST,
        "You can’t join this call",
        "Someone in the call denied your request to join",
    ),
    refused(
        "full", Reason.MEETING_FULL, "This call has reached the maximum of 250 participants. Come later."
    ),
    refused("over before we came", Reason.MEETING_OVER, "This meeting has already ended"),
    refused("not allowed", Reason.BLOCKED_BY_PLATFORM, "You aren't allowed to join this video call"),
    refused(
        "an app that collects",
        Reason.BLOCKED_BY_PLATFORM,
        "You’re not allowed to join this call.",
        "An app is collecting audio and/or video from this call.",
    ),
    over("left", Reason.REMOVED, "You've left the meeting"),
    over("call ended", Reason.MEETING_ENDED, "Your call has ended"),
    Case(
        "lobby until the meeting starts",
        TEAMS,
        shown.teams_lobby("en", "Hi, Stems. Someone will let you in when the meeting starts."),
        Scene.HOST_ABSENT,
    ),
    Case(
        "signed in",
        TEAMS,
        shown.teams_page("en", shown.teams_prejoin("en", named=False)),
        Scene.OPENING,
        step=press(teams.JOIN),
        asked=False,
    ),
    Case(
        "no such meeting",
        TEAMS,
        shown.teams_retry("en", "We couldn't find a meeting matching this ID and passcode."),
        Scene.REFUSED,
        Reason.MEETING_NOT_FOUND,
    ),
    Case(
        "a name that says what a lobby says",
        TEAMS,
        shown.teams_call("en", "Someone will let you in soon"),
        Scene.CALL,
    ),
    Case(
        "a notice without blanks between its blocks",
        TEAMS,
        shown.teams_call(
            "en",
            "Ada",
            shown.teams_notice(
                "Heads up", "Recording and transcription have started", "Details", button="Dismiss"
            ),
        ),
        Scene.CALL,
        step=Click(f"{teams.NOTICE_BOX.selector} >> {button('Dismiss')}"),
    ),
    Case(
        "without devices",
        TEAMS,
        shown.teams_dialog(
            "en",
            "Are you sure you don't want audio or video?",
            "You can change it later.",
            "Continue without audio or video",
        ),
        Scene.ASKED,
        step=press(teams.WITHOUT_MEDIA),
    ),
]


async def read(page: Page, case: Case) -> tuple[View, list[Step]]:
    """What the bot makes of the page. A signed-in page of Teams has been without a name field for long enough."""
    driver = PageDriver(page, "Stems")
    script = reading_script(f"worker.platforms.{'meet' if case.platform is MEET else 'teams'}")
    observed: dict[str, Any] = meet.OBSERVED if case.platform is MEET else teams.OBSERVED
    wanted = {**observed, "withText": True}
    if case.platform is MEET:
        facts = await driver.observe(script, wanted, MeetFacts)
        past = meet_rules.Past(asked=case.asked, entered=case.entered)
        return meet_rules.view(facts, past), list(meet_rules.steps(facts))
    teams_facts = await driver.observe(script, wanted, TeamsFacts)
    teams_past = teams_rules.Past(asked=case.asked, entered=case.entered, nameless_for=60.0)
    steps = list(teams_rules.steps(teams_facts, teams_past, with_video=False))
    return teams_rules.view(teams_facts, teams_past), steps


def faults(case: Case, view: View, steps: list[Step]) -> list[str]:
    found = []
    if (view.scene, view.reason) != (case.scene, case.reason):
        found.append(
            f"{case.name}: {view.scene} {view.reason} {view.detail!r}, expected {case.scene} {case.reason}"
        )
    if case.detail is not None and view.detail != case.detail:
        found.append(f"{case.name}: detail {view.detail!r}, expected {case.detail!r}")
    first = steps[0] if steps else None
    if case.scene in (Scene.OPENING, Scene.CALL) or case.step is not None:
        found += [] if first == case.step else [f"{case.name}: step {first}, expected {case.step}"]
    return found


async def test_pages_in_the_form_of_real_ones_are_understood() -> None:
    html = ""

    async def answer(route: Route) -> None:
        if route.request.resource_type == "document":
            await route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            await route.abort()

    wrong: list[str] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find_chromium(BrowserSettings.from_environment({})), chromium_sandbox=False
        )
        page = await chromium.new_page(locale="en-US")
        await page.route("**/*", answer)
        for case in CASES:
            html = case.html
            await page.goto(ADDRESSES[case.platform])
            wrong += faults(case, *await read(page, case))
        await chromium.close()
    assert not wrong, "\n".join(wrong)
