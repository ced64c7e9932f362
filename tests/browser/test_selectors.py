"""Each platform's table of signs in a real Chromium: every selector is valid, and a replica's page matches every sign."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
import pytest
from playwright.async_api import Browser, WebSocketRoute, async_playwright
from playwright.async_api import Page as BrowserPage

from fixtures.replica.meet.roster import Tile, device_id
from fixtures.replica.meet.scenario import JoinLabel, Refusal
from fixtures.replica.scenario import Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.links import LOGIN_HOST, TEAMS_HOST
from fixtures.replica.teams.scenario import TeamsPage
from worker.browser.launch import find_chromium
from worker.platforms.meet import signs as meet
from worker.platforms.signs import Sign, button, plain
from worker.platforms.teams import signs as teams
from worker.settings import BrowserSettings

PATIENCE = 30.0


@asynccontextmanager
async def browser(*args: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find_chromium(BrowserSettings.from_environment({})),
            args=args,
            chromium_sandbox=False,
        )
        yield chromium
        await chromium.close()


async def test_every_selector_and_label_is_valid() -> None:
    async with browser() as chromium:
        page = await chromium.new_page()
        for sign in (*meet.SIGNS, *teams.SIGNS):
            for selector in sign.selectors:
                await page.evaluate("(selector) => document.querySelectorAll(selector).length", selector)
            for label in sign.labels:
                assert await page.locator(button(label)).count() == 0


LABELLED = [
    (meet.LEAVE, '<button aria-label="Leave call{}">'),
    (meet.CHAT, '<button aria-label="Chat with everyone{}">'),
    (meet.CHAT_FIELD, '<textarea aria-label="Send a message{}"></textarea>'),
    (meet.CALL_CONTROLS, '<div role="region" aria-label="Call controls{}">'),
    (meet.CALL_CONTROLS, '<button aria-label="Turn on captions{}">'),
    (meet.MICROPHONE_ON, '<button aria-label="Turn off microphone{}">'),
    (meet.CAMERA_ON, '<button aria-label="Turn off camera{}">'),
    (meet.NAME_FIELD, '<input type="text" aria-label="Your name{}">'),
]


async def test_labels_with_a_state_or_a_shortcut_are_found_without_other_attributes() -> None:
    async with browser() as chromium:
        page = await chromium.new_page()
        for sign, html in LABELLED:
            for more in ("", " - New message", ", 2 unread messages", " (ctrl + alt + q)"):
                await page.set_content(html.format(more))
                assert await page.locator(sign.selector).count() == 1, (sign.name, more)
        for label in ("Join now (ctrl + j)", 'Join: "Weekly" \\ daily'):
            await page.set_content("<button></button><button></button>")
            await page.evaluate("(label) => { document.querySelector('button').textContent = label }", label)
            assert await page.locator(button(label)).count() == 1, label


class PageContent(msgspec.Struct, frozen=True):
    """What a page shows, for comparison with signs."""

    host: str
    text: str
    buttons: list[str]
    headings: list[str]
    selectors: list[str]

    def matches(self, sign: Sign) -> bool:
        headed = not sign.headings or bool(set(sign.headings) & set(map(plain, self.headings)))
        return (
            (headed and sign.said_in(plain(self.text)))
            or bool(set(sign.labels) & set(self.buttons))
            or bool(set(sign.selectors) & set(self.selectors))
            or self.host in sign.hosts
        )


READ_PAGE = """(selectors) => {
    const visible = (element) => element.checkVisibility({ visibilityProperty: true });
    const texts = (selector) => [...document.querySelectorAll(selector)].filter(visible)
        .map((element) => element.textContent.trim());
    return {
        host: location.hostname,
        text: document.body.innerText,
        buttons: texts("button"),
        headings: texts("h1"),
        selectors: selectors.filter((selector) => document.querySelector(selector)),
    };
}"""


async def wait_for_signs(page: BrowserPage, signs: Sequence[Sign]) -> None:
    """Waits until the page matches all ``signs``."""
    wanted = [selector for sign in signs for selector in sign.selectors]
    missing: Sequence[Sign] = signs
    deadline = time.monotonic() + PATIENCE
    while missing and time.monotonic() < deadline:
        content = msgspec.convert(await page.evaluate(READ_PAGE, wanted), PageContent)
        missing = [sign for sign in signs if not content.matches(sign)]
        await asyncio.sleep(0.02)
    assert not missing, f"{page.url} does not match {[sign.name for sign in missing]}"


class State(NamedTuple):
    """A page's state: how it is reached (messages of the meeting, a name in a field, clicks), and the signs that match it."""

    messages: Sequence[dict[str, Any]]
    signs: Sequence[Sign]
    clicks: Sequence[str] = ()
    name_field: str = ""


async def visit_states(
    chromium: Browser, url: str, states: Sequence[State], *more: tuple[str, Sequence[Sign]]
) -> set[str]:
    """Brings the page at ``url`` into each state, then visits ``more`` addresses; returns the names of all signs that matched.

    The test sends the meeting's messages itself, so that no media is needed.
    """
    page = await chromium.new_page(locale="en-US")
    sockets: asyncio.Queue[WebSocketRoute] = asyncio.Queue()
    await page.route_web_socket(re.compile("/replica/meeting|trouter"), sockets.put_nowait)
    for state in states:
        await page.goto(url)
        socket = await sockets.get()
        while "trouter" in socket.url:
            socket = await sockets.get()
        for message in state.messages:
            socket.send(json.dumps(message))
        if state.name_field:
            await page.fill(state.name_field, "Stems")
        for selector in state.clicks:
            await page.click(selector)
        await wait_for_signs(page, state.signs)
    for address, signs in more:
        await page.goto(address)
        await wait_for_signs(page, signs)
    everything = [sign for state in states for sign in state.signs] + [s for _, signs in more for s in signs]
    await page.close()
    return {sign.name for sign in everything}


OF_LAYOUTS = {
    *(
        sign.name
        for sign in (meet.LAYOUT_ITEM, meet.LAYOUT, meet.TILED, meet.LAYOUT_SLIDER, meet.CLOSE_LAYOUT)
    ),
    *(sign.name for sign in (teams.VIEW, teams.GALLERY, teams.SHARED)),
}
"""Signs of a call with video: tests/browser/test_layout.py has the bot press the menus. No state here shows a screen."""

CONNECTION = {"encodedAudio": False, "signalling": "offer", "channels": {}}
PRE_JOIN = {"type": "pre_join", "signedIn": False, "label": "Ask to join", "tips": []}
CALL = {
    "type": "call",
    "name": "Stems",
    "selfId": device_id(9),
    "consent": False,
    "consentStuck": False,
    "banner": False,
    "notices": [],
    "recordingDenied": False,
    "peopleButton": "chip",
    "connection": CONNECTION,
}
LOBBY = {"type": "lobby", "ownTile": None, "connection": CONNECTION}
TILE = Tile(
    participant_id=device_id(1),
    media_id=device_id(1),
    name="Ada",
    source="7",
    muted=False,
    presents=False,
)
TILES = {"type": "tiles", "tiles": [msgspec.to_builtins(TILE)]}
LAST_PAGES: dict[str, Sign] = {
    "denied": meet.DENIED,
    "not_allowed": meet.DENIED,
    "unanswered": meet.UNANSWERED,
    "removed": meet.REMOVED,
    "host_ended": meet.ENDED,
    "call_ended": meet.ENDED,
    "your_call_ended": meet.ENDED,
    "idle": meet.IDLE,
    "left": meet.LEFT,
    "left_already": meet.LEFT,
    "blocked": meet.BLOCKED,
    "problem_connecting": meet.BLOCKED,
    "connection_failed": meet.CONNECTION,
    "problem_joining": meet.CONNECTION,
    "not_found": meet.NOT_FOUND,
    "code_wrong": meet.NOT_FOUND,
    "expired": meet.EXPIRED,
    "invalid": meet.INVALID,
    "not_started": meet.NOT_STARTED,
    "full": meet.FULL,
    "already_ended": meet.ALREADY_ENDED,
    "cannot_join_call": meet.BLOCKED,
    "not_allowed_call": meet.BLOCKED,
    "app_collecting": meet.BLOCKED,
    "elsewhere": meet.ELSEWHERE,
    "unknown_refusal": meet.LAST_PAGE,
    "sign_in": meet.SIGN_IN,
    "choose_account": meet.CHOOSE_ACCOUNT,
    "captcha": meet.CAPTCHA,
}
MEET_STATES = [
    State([PRE_JOIN], [meet.NAME_FIELD, meet.ASK, meet.MICROPHONE_ON, meet.CAMERA_ON]),
    *(
        State(
            [{**PRE_JOIN, "signedIn": True, "label": label}],
            [meet.ASK if label in meet.ASK.labels else meet.JOIN, meet.JOIN_BUTTON],
        )
        for label in get_args(JoinLabel)
        if label != "Switch here"
    ),
    State([{**PRE_JOIN, "signedIn": True, "label": "Switch here"}], [meet.SWITCH, meet.OTHER_WAYS]),
    *(
        State([{**PRE_JOIN, "tips": [label]}], [meet.IN_THE_WAY, meet.DIALOG])
        for label in meet.IN_THE_WAY.labels
    ),
    State([{**PRE_JOIN, "tips": meet.WITHOUT_ACCOUNT.labels}], [meet.WITHOUT_ACCOUNT]),
    State([{**LOBBY, "text": "asking"}], [meet.LOBBY, meet.CALL_CONTROLS, meet.LEAVE]),
    State([{**LOBBY, "text": "asking_straight"}], [meet.LOBBY]),
    State([{**LOBBY, "text": "host_brings"}], [meet.LOBBY_HOST]),
    State([{**LOBBY, "text": "host_admits"}], [meet.LOBBY_HOST]),
    State([{**LOBBY, "text": "host_absent"}], [meet.HOST_ABSENT]),
    State([CALL, TILES], [meet.TILE, meet.PHANTOM_TILE, meet.CHAT, meet.CHAT_FIELD, meet.WRITTEN]),
    State([CALL, TILES], [meet.PEOPLE_CHIP, meet.PEOPLE_ROW], clicks=["[data-action=people]"]),
    *(State([{**CALL, "peopleButton": form}, TILES], [meet.PEOPLE]) for form in ("avatars", "toolbar")),
    State([CALL], [meet.MORE_OPTIONS, meet.MENU, meet.SETTINGS_ITEM], clicks=["[data-action=more]"]),
    State(
        [CALL],
        [meet.SETTINGS, meet.GENERAL_TAB, meet.LEAVE_EMPTY_CALLS, meet.CLOSE_SETTINGS],
        clicks=["[data-action=more]", "[data-action=settings]", "[data-tab=general]"],
    ),
    State([{**CALL, "consent": True}], [meet.CONSENT, meet.DIALOG]),
    *(
        State([{**CALL, "notices": [notice]}], [meet.NOTICE, *ok])
        for notice, ok in (("recording", [meet.DIALOG_OK]), ("transcript", []), ("gemini", [meet.DIALOG_OK]))
    ),
    State([{**CALL, "notices": ["gemini"]}], [meet.GOT_IT]),
    State([{**CALL, "recordingDenied": True}], [meet.RECORDING_DENIED]),
    State([CALL, {"type": "still_there"}], [meet.STILL_THERE]),
    *(State([{"type": "over", "how": how}], [sign]) for how, sign in LAST_PAGES.items()),
    State([{"type": "over", "how": "denied"}], [meet.LAST_PAGE, meet.COUNTDOWN, meet.HOME]),
]


async def test_every_sign_matches_a_page_of_the_meet_replica(tmp_path: Path) -> None:
    scenario = Scenario(title="signs", duration=60.0)
    async with (
        Replica(scenario, tmp_path / "truth.jsonl") as replica,
        browser(*replica.chromium_args) as chromium,
    ):
        matched = await visit_states(
            chromium,
            replica.meeting_url,
            MEET_STATES,
            (f"https://{meet.SIGN_IN_SITE.hosts[0]}/v3/signin/identifier", [meet.SIGN_IN_SITE, meet.SIGN_IN]),
            (f"https://{meet.LANDING.hosts[0]}/products/meet/", [meet.LANDING]),
        )
    assert matched == {sign.name for sign in meet.SIGNS} - OF_LAYOUTS


def shown(screen: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": "show", "screen": screen, **fields}]


TEAMS_CALL = shown(
    "call", name="Stems", selfId="8:me", callId="1", notice=True, noise=False, signalling="offer"
)
PEOPLE: list[dict[str, Any]] = [
    {"id": f"8:guest:{name}", "displayName": name, "sources": [], "muted": False} for name in ("Ada", "Stems")
]
TEAMS_PRE_JOIN = [
    teams.NAME_FIELD,
    teams.JOIN,
    teams.MICROPHONE_ON,
    teams.CAMERA_ON,
    teams.CANCEL,
    teams.SIGN_IN_LINK,
]
TEAMS_LAST_PAGES: dict[str, Sequence[Sign]] = {
    "denied": [teams.DENIED, teams.LAST_PAGE],
    "declined": [teams.DENIED],
    "unanswered": [teams.UNANSWERED],
    "removed": [teams.REMOVED],
    "anonymous_disabled": [teams.SIGN_IN],
    "host_ended": [teams.ENDED],
    "left": [teams.LEFT],
    "encrypted": [teams.ENCRYPTED],
    "not_connected": [teams.NOT_CONNECTED],
    "wrong_id": [teams.NOT_FOUND],
    "wrong_passcode": [teams.WRONG_PASSCODE],
    "wrong_link": [teams.WRONG_LINK],
    "sign_in_verify": [teams.SIGN_IN],
    "not_before_start": [teams.NOT_BEFORE],
    "captcha": [teams.CAPTCHA],
}
TEAMS_STATES = [
    State(shown("pre-join", modal=False), TEAMS_PRE_JOIN),
    State(shown("lobby", text="soon", noise=True), [teams.LET_IN, teams.ALERT, teams.WRITTEN]),
    State(shown("lobby", text="not_started", noise=False), [teams.HOST_ABSENT, teams.LOBBY_SCREEN]),
    State(shown("lobby", text="detected_bot", noise=False), [teams.SUSPECTED]),
    State(shown("connecting"), [teams.CONNECTING_SCREEN]),
    State(TEAMS_CALL, [teams.DURATION, teams.STAGE]),
    State([*TEAMS_CALL, {"type": "people", "people": PEOPLE, "objects": False}], [teams.STREAM]),
    State(
        TEAMS_CALL, [teams.HANG_UP, teams.PEOPLE, teams.CHAT, teams.MORE, teams.NOTICE_BOX, teams.RECORDED]
    ),
    State(TEAMS_CALL, [teams.VIDEO_MENU, teams.VIEW_MORE], clicks=["#view-mode-button"]),
    State(
        TEAMS_CALL,
        [teams.VIDEO_OFF],
        clicks=["#view-mode-button", "#ViewModeMoreOptionsMenuControl-id"],
    ),
    State(TEAMS_CALL, [teams.CHAT_FIELD, teams.CHAT_SEND], clicks=["#chat-button"]),
    State(
        shown("pre-join", modal=True),
        [teams.WITHOUT_MEDIA, teams.MODAL],
        clicks=["#prejoin-join-button"],
        name_field=teams.NAME_FIELD.selectors[0],
    ),
    *(State(shown(how), signs) for how, signs in TEAMS_LAST_PAGES.items()),
]


async def test_every_sign_matches_a_page_of_the_teams_replica(tmp_path: Path) -> None:
    page = TeamsPage(client="full", launcher=True, app_prompt=True)
    scenario = Scenario(title="signs", duration=60.0, platform="microsoft_teams", teams=page)
    async with (
        Replica(scenario, tmp_path / "truth.jsonl") as replica,
        browser(*replica.chromium_args) as chromium,
    ):
        matched = await visit_states(
            chromium,
            f"https://{TEAMS_HOST}/v2/?meetingjoin=true",
            TEAMS_STATES,
            (replica.meeting_url, [teams.LAUNCHER, teams.APP_PROMPT]),
            (f"https://{LOGIN_HOST}/common/oauth2/v2.0/authorize", [teams.SIGN_IN_SITE, teams.SIGN_IN_FORM]),
        )
    assert matched == {sign.name for sign in teams.SIGNS} - OF_LAYOUTS


def test_every_last_page_of_the_replica_has_a_sign() -> None:
    assert set(get_args(Refusal)) <= set(LAST_PAGES)


@pytest.mark.parametrize("label", get_args(JoinLabel))
def test_every_join_button_of_the_replica_has_a_sign(label: str) -> None:
    assert label in (*meet.ASK.labels, *meet.JOIN.labels, *meet.SWITCH.labels)
