"""Scripts that do what scripts of other bots do, on every page and in every kind of call of the replica.

They work on the real pages, so what breaks them is an error of the replica. None of the worker's code runs here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import expect

from fixtures.replica.meet.scenario import Language, Page
from fixtures.replica.meet.site import MeetSite
from fixtures.replica.scenario import Media, Participant, Scenario, Takeover
from fixtures.replica.teams.mix_scenario import MixMedia
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals
from fixtures.replica.teams.site import TeamsSite
from tests.support.foreign_bot import MEET_PARTS, TEAMS_PARTS, ForeignBot, Notes, Visit, foreign_bot

NAME = "Foreign"
FOREVER = 60.0
"""Longer than any visit. All speak in turns, so that whoever listens late hears everybody."""
TURNS = range(0, int(FOREVER), 3)
ADA = Participant(
    name="Ada Ray", voice="elif", csrc=7001, says=[(turn + 0.2, turn + 1.2) for turn in TURNS], host=True
)
BEN = Participant(name="Ben Oak", voice="nuno", csrc=7002, says=[(turn + 1.6, turn + 2.6) for turn in TURNS])
PEOPLE = {ADA.name, BEN.name, NAME}


@pytest.fixture
async def on_meet() -> AsyncIterator[ForeignBot]:
    async with foreign_bot(MeetSite.hosts, MEET_PARTS) as bot:
        yield bot


@pytest.fixture
async def on_teams() -> AsyncIterator[ForeignBot]:
    async with foreign_bot(TeamsSite.hosts, TEAMS_PARTS) as bot:
        yield bot


def unharmed(name: str, visit: Visit, notes: Notes) -> Sequence[str]:
    """What broke a script, or the page because of one."""
    reported = visit.replica.page_reports[-1].errors if visit.replica.page_reports else []
    local = [] if notes.local_socket == "open" else [f"the local socket is {notes.local_socket!r}"]
    return [f"{name}: {fault}" for fault in (*notes.faults, *visit.errors, *reported, *local)]


# ---- Google Meet ----


def meeting(page: Page | None = None, **more: Any) -> Scenario:
    page = page or Page(lobby=0.3)
    return Scenario(title="foreign", duration=FOREVER, participants=[ADA, BEN], page=page, **more)


MEET_PAGES: dict[str, Page] = {
    "known account": Page(signed_in=True, join_label="Join now"),
    "in the call elsewhere": Page(signed_in=True, join_label="Switch here"),
    "tips": Page(tips=["effects", "Got it", "Use without an account"]),
    **{f"first page in {language}": Page(language=language) for language in get_args(Language)},
    "refusal": Page(wall="blocked"),
    "unknown refusal": Page(wall="unknown_refusal"),
    "sign-in": Page(wall="sign_in"),
    "captcha": Page(wall="captcha"),
    "sign-in site": Page(wall="sign_in_redirect"),
    "advertisement": Page(wall="landing_redirect"),
}
"""One of each kind of page before the call."""
LAST_PAGES = ("blocked", "unknown_refusal")


async def test_foreign_scripts_live_on_every_page_of_meet(on_meet: ForeignBot, tmp_path: Path) -> None:
    faults: list[str] = []
    for index, (name, page) in enumerate(MEET_PAGES.items()):
        async with on_meet.visiting(meeting(page), tmp_path / f"truth-{index}") as visit:
            if page.wall == "none":
                await visit.page.wait_for_selector("button[jsname=Qx7uuf]")
                if await visit.page.locator("audio").count() == 0:
                    faults.append(f"{name}: no audio element before joining")
            elif page.wall in LAST_PAGES:
                await expect(visit.page.locator(".roSPhc")).not_to_be_empty()
            notes = await visit.until(lambda notes: notes.local_socket)
            faults += unharmed(name, visit, notes)
    assert not faults, "\n".join(faults)


MEET_CALLS: dict[str, Scenario] = {
    "offer": meeting(Page(lobby=0.3, recording_notice=True)),
    "add_transceiver": meeting(
        Page(lobby=0.3, reconnects_on_admission=True),
        media=Media(signalling="add_transceiver", takeovers=[Takeover(at=3.0, overlap=0.5)]),
    ),
    "encoded audio": meeting(Page(lobby=0.3, encoded_audio=True, consent_modal=True), media=Media(red=True)),
}


@pytest.mark.parametrize("kind", MEET_CALLS)
async def test_foreign_scripts_live_in_a_meet_call(kind: str, on_meet: ForeignBot, tmp_path: Path) -> None:
    scenario = MEET_CALLS[kind]
    async with on_meet.visiting(scenario, tmp_path / "truth") as visit:
        page = visit.page
        if scenario.page.consent_modal:
            await page.click("[role=dialog] button:has(span:text-is('Got it'))")
        await page.fill('input[type=text][aria-label="Your name"]', NAME)
        await page.click("button:has(span:text-is('Ask to join'))")
        if scenario.page.consent_modal:
            await page.click("[role=dialog] button:has(span:text-is('Join now'))")
        if scenario.page.recording_notice:
            await page.click("div[aria-modal=true][role=dialog] button[data-mdc-dialog-action=ok]")
        known = await visit.until(lambda notes: notes.names >= PEOPLE and len(notes.sources) == 2)
        assert known.names == PEOPLE
        assert [person.name for person in known.people.values() if person.is_self] == [NAME]
        assert set(known.sources) == {"7001", "7002"}
        if not scenario.page.encoded_audio:
            heard = await visit.until(everybody_has_spoken)
            assert heard.speakers == {ADA.name, BEN.name}, heard.speech
            assert everybody_has_spoken(heard), f"somebody never stops: {heard.speech}"
        # The waiting room has the same button.
        await expect(page.locator("[data-participant-id]", has_text=ADA.name).first).to_be_visible()
        await page.click('button[aria-label="Turn on captions"]')
        captioned = await visit.until(lambda notes: notes.captions)
        assert captioned.captions
        assert all(each.who in known.people for each in captioned.captions)
        await page.click('button[aria-label="Chat with everyone"]')
        await page.fill('textarea[aria-label="Send a message"]', "Hello.")
        await page.keyboard.press("Enter")
        assert "Hello." in (await visit.until(lambda notes: notes.chat)).chat
        await open_layout_menu(page)
        await turn_incoming_video_off(page)
        if scenario.media.takeovers:
            await visit.until(lambda notes: len(notes.descriptions) >= 4)
        visit.replica.remove_bot()
        gone = await visit.until(
            lambda notes: any(person.status == "removed" for person in notes.people.values())
        )
        assert [person.name for person in gone.people.values() if person.status == "removed"] == [NAME]
        await expect(page.locator(".roSPhc")).to_have_text("You've been removed from the meeting")
        assert {(each.set, each.type) for each in gone.descriptions} <= {
            ("setLocalDescription", "offer"),
            ("setRemoteDescription", "answer"),
            ("setRemoteDescription", "offer"),
            ("setLocalDescription", "answer"),
        }
        assert unharmed(kind, visit, gone) == []


async def open_layout_menu(page: BrowserPage) -> None:
    await more_options(page, "li:is(:text('Change layout'), :text('Adjust view'), [jsname=WZerud])")
    await page.click("[aria-modal=true] label:has-text('Spotlight')")
    await page.click("[aria-modal=true] button[aria-label=Close]")


async def turn_incoming_video_off(page: BrowserPage) -> None:
    await more_options(page, "li:has-text('Settings')")
    await page.click("[aria-modal=true] button[aria-label=Video]")
    await page.click("li[aria-label='Audio only']")
    await page.click(
        "[aria-modal=true] button:is([aria-label='Close dialog'], [aria-label='Close dialogue'])"
    )


async def more_options(page: BrowserPage, item: str) -> None:
    await page.click("button[jsname=NakZHc][aria-label='More options']")
    await page.click(item)


def everybody_has_spoken(notes: Notes) -> bool:
    """Whether each of two sources became loud, and quiet again."""
    ended = {speech.source for speech in notes.speech if not speech.speaks}
    return ended >= {ADA.csrc, BEN.csrc}


# ---- Microsoft Teams ----

TEAMS_NAME = "[data-tid=prejoin-display-name-input]"
TEAMS_JOIN = "[data-tid=prejoin-join-button]:enabled"
CAPTIONED = TeamsSignals(captions=True, captions_lag=0.3)
TEAMS_ADA = Participant(name=ADA.name, voice="elif", csrc=201, says=ADA.says, host=True)
TEAMS_BEN = Participant(name=BEN.name, voice="nuno", csrc=414, says=BEN.says)


def teams_meeting(page: TeamsPage, mix: MixMedia | None = None) -> Scenario:
    return Scenario(
        title="foreign",
        platform="microsoft_teams",
        duration=FOREVER,
        participants=[TEAMS_ADA, TEAMS_BEN],
        teams=page,
        mix=mix or MixMedia(),
    )


TEAMS_PAGES = {
    "first page": TeamsPage(),
    "no such meeting": TeamsPage(wall="wrong_id"),
    "captcha": TeamsPage(wall="captcha"),
    "wrong link": TeamsPage(wall="wrong_link", wall_at="link"),
    "sign-in": TeamsPage(wall="sign_in_verify", wall_at="link"),
    "sign-in site": TeamsPage(wall="sign_in_redirect", wall_at="link"),
}
"""One of each kind of page before the call."""


async def test_foreign_scripts_live_on_every_page_of_teams(on_teams: ForeignBot, tmp_path: Path) -> None:
    faults: list[str] = []
    for index, (name, page) in enumerate(TEAMS_PAGES.items()):
        async with on_teams.visiting(teams_meeting(page), tmp_path / f"truth-{index}") as visit:
            if page.wall_at == "join":
                await ask_teams(visit.page)
                await expect(visit.page.locator(TEAMS_JOIN)).to_have_count(0)
            notes = await visit.until(lambda notes: notes.local_socket)
            faults += unharmed(name, visit, notes)
    assert not faults, "\n".join(faults)


TEAMS_CALLS: dict[str, Scenario] = {
    "light": teams_meeting(TeamsPage(lobby=0.3, recording_notice=True, signals=CAPTIONED)),
    "full": teams_meeting(
        TeamsPage(client="full", launcher=True, media_modal=True, lobby=0.3, signals=CAPTIONED),
        MixMedia(pauses="comfort_noise"),
    ),
}


@pytest.mark.parametrize("kind", TEAMS_CALLS)
async def test_foreign_scripts_live_in_a_teams_call(kind: str, on_teams: ForeignBot, tmp_path: Path) -> None:
    scenario = TEAMS_CALLS[kind]
    async with on_teams.visiting(scenario, tmp_path / "truth") as visit:
        page = visit.page
        if scenario.teams.launcher:
            await page.click("[data-tid=joinOnWeb]")
        await ask_teams(page)
        if scenario.teams.media_modal:
            await page.click("[role=dialog] button:has-text('Continue without audio or video')")
        known = await visit.until(lambda notes: notes.names >= PEOPLE and len(notes.sources) >= 2)
        assert known.names == PEOPLE
        tracked = await visit.until(
            lambda notes: any(track.id.startswith("mainAudio") for track in notes.tracks)
        )
        assert [track for track in tracked.tracks if track.kind == "audio" and "mainAudio" in track.id]
        # The first call that frames show is taken for the own one, as that of the page's objects.
        assert tracked.calls
        assert set(tracked.calls) == {tracked.calls[0]}
        heard = await visit.until(
            lambda notes: len({each.source for each in notes.speech if not each.speaks}) == 2
        )
        assert heard.speakers == {ADA.name, BEN.name}, heard.speech
        outlined = await visit.until(lambda notes: set(notes.outlined) >= {ADA.name, BEN.name})
        assert set(outlined.outlined) == {ADA.name, BEN.name}
        captioned = await visit.until(lambda notes: {each.who for each in notes.captions} >= {ADA.name})
        assert {each.who for each in captioned.captions} >= {ADA.name}
        await page.click("[data-tid=roster-button]")
        assert await page.locator("[data-tid^=participantsInCall-]").count() == len(PEOPLE)
        visit.replica.remove_bot()
        await expect(page.locator("#calling-retry-screen-title")).to_be_visible()
        gone = await visit.notes()
        assert all(each.sdp for each in gone.descriptions)
        assert unharmed(kind, visit, gone) == []


async def ask_teams(page: BrowserPage) -> None:
    await page.fill(TEAMS_NAME, NAME)
    await page.click(TEAMS_JOIN)
