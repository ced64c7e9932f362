"""The replica's Teams in a real Chromium, without any of the worker's scripts in its pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import async_playwright, expect

from fixtures.replica.report import PageReport
from fixtures.replica.scenario import Participant, Scenario, load_scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.mix_scenario import MixMedia
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals
from worker.browser.launch import find_chromium
from worker.settings import BrowserSettings

ADA = Participant(name="Ada Ray", voice="elif", csrc=414, says=[(0.2, 60.0)], host=True)
BEN = Participant(name="Ben Oak", voice="nuno", csrc=1053, says=[(0.2, 60.0)])
PATIENCE = 15.0
PARALLEL_VISITS = 3

NAME = "[data-tid=prejoin-display-name-input]"
JOIN = "[data-tid=prejoin-join-button]:enabled"


def meeting(page: TeamsPage, *, duration: float = 60.0, mix: MixMedia | None = None) -> Scenario:
    return Scenario(
        title="test",
        platform="microsoft_teams",
        duration=duration,
        participants=[ADA, BEN],
        teams=page,
        mix=mix or MixMedia(),
    )


@asynccontextmanager
async def visiting(
    scenario: Scenario, truth: Path, script: str = ""
) -> AsyncIterator[tuple[Replica, BrowserPage]]:
    """The replica, and a plain Chromium at its link: without the worker's scripts, with the page's policy. ``script`` runs
    before the page's own.
    """
    async with Replica(scenario, truth) as replica, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(BrowserSettings.from_environment({})),
            args=[*replica.chromium_args, "--autoplay-policy=no-user-gesture-required"],
            chromium_sandbox=False,
        )
        page = await browser.new_page(locale="en-US")
        await page.add_init_script(script)
        await page.goto(replica.meeting_url)
        yield replica, page
        await browser.close()


async def ask_to_join(page: BrowserPage) -> None:
    await page.fill(NAME, "Test bot")
    await page.click(JOIN)


async def until(replica: Replica, met: Callable[[PageReport], bool]) -> PageReport:
    """The next report that meets the condition."""
    seen = len(replica.page_reports)
    async with asyncio.timeout(PATIENCE):
        while True:
            for report in replica.page_reports[seen:]:
                if met(report):
                    return report
            seen = len(replica.page_reports)
            await asyncio.sleep(0.05)


async def test_a_guest_joins_with_the_full_client_and_stays_to_the_end(tmp_path: Path) -> None:
    teams_page = TeamsPage(
        link="meetup_join",
        launcher=True,
        app_prompt=True,
        client="full",
        media_modal=True,
        lobby=3600.0,
        recording_notice=True,
        noise=True,
    )
    async with visiting(meeting(teams_page, duration=4.0), tmp_path / "truth") as (replica, page):
        await page.click("text=Not now")
        await page.get_by_role("button", name="Join meeting from this browser").click()
        await page.wait_for_url(re.compile("https://teams.microsoft.com/v2/"))
        await page.click("[data-tid=toggle-mute][aria-checked=true]")
        await expect(page.locator("[data-tid=toggle-mute]")).to_have_attribute("aria-checked", "false")
        await page.click(JOIN)
        await expect(page.get_by_text("Enter your name")).to_be_visible()
        await ask_to_join(page)
        await page.click("text=Continue without audio or video")

        await expect(page.get_by_text("Someone will let you in soon")).to_be_visible()
        await expect(page.locator("[data-tid=prejoin-cancel-button]")).to_be_visible()
        await expect(page.locator("[role=alert]")).to_contain_text("You’ve been removed from this meeting")
        replica.admit_now()
        await expect(page.locator('[data-inp="hangup-button"]#hangup-button')).to_be_visible()
        await page.click("[data-tid=recording-notice] button")
        await page.click("#view-mode-button")
        await page.click("#ViewModeMoreOptionsMenuControl-id")
        await page.click("text=Turn off incoming video")
        await page.click("[data-tid=roster-button]")
        await expect(page.locator("[role=treeitem]")).to_have_text(["Ada Ray", "Ben Oak", "Test bot"])
        await page.click("#chat-button")
        await page.fill("[data-tid=ckeditor]", "x" * 4097)
        await page.click("[data-tid=newMessageCommands-send]")
        await expect(page.get_by_text("Your message is too long")).to_be_visible()
        await page.fill("[data-tid=ckeditor]", "I record this.")
        await page.keyboard.press("Enter")

        await expect(page.get_by_text("The meeting has ended")).to_be_visible(timeout=30_000)
        assert await replica.wait_ended() == "host_ended"
        assert replica.chat == ["I record this."]
        report = await until(replica, lambda report: report.screen == "host_ended")
        assert report.did == [
            "microphone_off",
            "continued_without_devices",
            "notice_dismissed",
            "incoming_video_off",
        ]
        assert report.errors == []


FOREIGN_SCRIPT = """
  const { WebSocket: Socket, RTCPeerConnection: Connection } = window;
  window.WebSocket = function (...args) { return new Socket(...args); };
  window.described = [];
  window.tracks = [];
  const { setLocalDescription, setRemoteDescription } = Connection.prototype;
  Connection.prototype.setLocalDescription = async function (description) {
    described.push(description.sdp.length);
    return setLocalDescription.call(this, description);
  };
  Connection.prototype.setRemoteDescription = async function (description) {
    this.addEventListener("track", ({ track }) => tracks.push(`${track.kind} ${track.id}`), { once: true });
    return setRemoteDescription.call(this, description);
  };
  window.blocked = [];
  document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.blockedURI));
"""
"""Replaces WebSocket by a bare function, and reads the description that is set, as scripts of other bots do."""

OBJECTS = """async () => {
  const call = callingDebug.observableCall;
  await call.setClosedCaptionsLanguage("de-de");
  await call.startClosedCaption();
  return {
    same: msteamscalling.deref().callingService.getActiveCall() === call,
    id: typeof call._callId + typeof call.callerMri,
    language: call.getClosedCaptionsLanguage(),
    people: call.participants.map((person) => [person.displayName, person.meetingRole, person.hasAudioSource(414),
      person.endpoints.endpointDetails.flatMap(({ mediaStreams }) => mediaStreams.map(({ sourceId }) => sourceId))]),
  };
}"""


BLANKS = """() => {
  const texts = document.createTreeWalker(document.querySelector("#app"), NodeFilter.SHOW_TEXT);
  let blanks = 0;
  while (texts.nextNode()) blanks += texts.currentNode.data.trim() === "" ? 1 : 0;
  return blanks;
}"""


async def test_scripts_of_other_bots_find_the_mix_its_sources_and_who_speaks(tmp_path: Path) -> None:
    scenario = meeting(TeamsPage(signals=TeamsSignals(other_call="first")), mix=MixMedia(swaps=[2.0]))
    async with visiting(scenario, tmp_path / "truth", FOREIGN_SCRIPT) as (replica, page):
        await ask_to_join(page)
        report = await until(
            replica,
            lambda report: report.audio_energy > 0.01 and report.contributing_sources == [414, 1053],
        )
        assert report.roster_responses == 3, "the lobby's, one of ours, one of the other call"
        assert report.audio_elements == report.receivers
        described = await page.evaluate("described.length")
        assert described >= 2, "one connection in the lobby, one in the call"
        assert "audio mainAudio-1" in await page.evaluate("tracks")
        await page.evaluate(
            "() => ['ws://localhost:9', 'wss://elsewhere.test'].forEach((each) => new WebSocket(each))"
        )
        await page.wait_for_function("blocked.length")
        assert all("elsewhere" in blocked for blocked in await page.evaluate("blocked"))
        assert await page.evaluate(OBJECTS) == {
            "same": True,
            "id": "stringstring",
            "language": "de-de",
            "people": [
                ["Ada Ray", "organizer", True, [414, 415, 425, 426]],
                ["Ben Oak", "presenter", False, [1053, 1054, 1064, 1065]],
            ],
        }
        ada, bot = (
            page.locator(f"[data-stream-type][data-tid='{name}']") for name in ("Ada Ray", "Test bot")
        )
        outline = "[data-tid=voice-level-stream-outline]"
        await expect(ada.locator(outline)).to_have_attribute("data-is-speaking", "true")
        await expect(bot.locator(outline)).to_have_count(0)
        await expect(bot).to_have_attribute("aria-label", "Test bot, muted, Context menu is available")
        await expect(bot.locator("svg[data-cid=roster-participant-muted]")).to_have_count(1)
        captions = page.locator("[data-tid=closed-caption-renderer-wrapper]")
        await expect(captions.locator("[data-tid=author]").first).to_have_text(re.compile("Ada Ray|Ben Oak"))
        await expect(captions.locator("[data-tid=closed-caption-text]").first).to_contain_text("word")
        assert await page.evaluate(BLANKS) == 0, "neighbouring elements have no blanks between them"
        await until(replica, lambda report: report.receivers == 2 and report.collections_messages > 1)
        await page.click("#custom-view-button")
        await page.click("#incoming-video-button")
        await page.click("[data-tid=hangup-main-btn]")
        await expect(page.get_by_text("You left the meeting")).to_be_visible()
        assert await replica.wait_ended() == "left"
        assert replica.page_reports[-1].errors == []


TEXTS = {
    "kicked-from-lobby": "You've been removed from this meeting",
    "removed-by-page": "You’ve been removed from this meeting",
    "not-found": "We couldn't find a meeting matching this ID and passcode",
    "denied-by-frame": "Kokous ei ole enää käytettävissäsi",
    "localized-denied": "会議へのアクセスが拒否されました",
    "sign-in-redirect": "Sign in",
    "connection-retry": "we couldn't connect you",
}


async def test_ends_and_walls_show_their_texts(tmp_path: Path) -> None:
    turns = asyncio.Semaphore(PARALLEL_VISITS)

    async def meet(name: str, says: str) -> None:
        scenario = load_scenario(f"teams-outcomes/{name}")
        async with turns, visiting(scenario, tmp_path / name) as (_, page):
            await ask_to_join(page)
            element = page.get_by_text(says).and_(page.locator(":not([role=alert])"))
            await expect(element.first, name).to_be_visible(timeout=PATIENCE * 1000)
            if name == "connection-retry":
                await page.click("[data-tid=calling-retry-cancelbutton]")
                await ask_to_join(page)
                await expect(page.locator("#callingButtons-showMoreBtn"), name).to_be_visible()
            if name == "sign-in-redirect":
                await expect(page.locator("input[name=loginfmt]"), name).to_be_visible()

    async with asyncio.TaskGroup() as tasks:
        for name, says in TEXTS.items():
            tasks.create_task(meet(name, says))


async def test_the_launcher_continues_by_itself_and_the_policy_applies(tmp_path: Path) -> None:
    async with visiting(meeting(TeamsPage(link="short")), tmp_path / "truth") as (_, page):
        await page.wait_for_url(re.compile("https://teams.microsoft.com/light-meetings/launch"))
        await page.click("[data-tid=toggle-video]")
        await expect(page.locator("[data-tid=toggle-video]")).not_to_be_checked()
        with pytest.raises(Exception, match="TrustedHTML"):
            await page.evaluate("() => { document.body.innerHTML = '<b>markup</b>'; }")
