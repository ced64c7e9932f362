"""The replica's pages in a real Chromium, without any of the worker's scripts in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import async_playwright, expect

from fixtures.replica import meet
from fixtures.replica.report import PageReport
from fixtures.replica.scenario import Media, Page, Participant, Scenario
from fixtures.replica.server import Replica
from worker.browser.launch import find_chromium
from worker.settings import BrowserSettings

ADA = Participant(name="Ada Ray", voice="elif", csrc=7001, says=[(0.2, 60.0)], host=True)
BEN = Participant(name="Ben Oak", voice="nuno", csrc=7002, says=[(0.2, 60.0)], mutes=[(50.0, 60.0)])
PATIENCE = 45.0
REPLICA = Path(meet.__file__).parent.parent


def meeting(*, duration: float = 60.0, media: Media | None = None, page: Page | None = None) -> Scenario:
    return Scenario(
        title="test",
        duration=duration,
        participants=[ADA, BEN],
        media=media or Media(),
        page=page or Page(lobby=0.0),
    )


@asynccontextmanager
async def visiting(
    scenario: Scenario, truth: Path, script: str = ""
) -> AsyncIterator[tuple[Replica, BrowserPage]]:
    """The replica, and a plain Chromium on its first page: without the worker's scripts, with the page's policy.

    ``script`` runs before the page's own scripts.
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
    await page.fill('input[type=text][aria-label="Your name"]', "Test bot")
    await page.click("button:has(span:text-is('Ask to join'))")


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


async def test_a_guest_joins_and_stays_to_the_end(tmp_path: Path) -> None:
    scenario = meeting(duration=4.0, page=Page(lobby=3600.0, consent_modal=True, recording_notice=True))
    async with visiting(scenario, tmp_path / "truth") as (replica, page):
        await page.click("button:has(span:text-is('Got it'))")
        await page.click('[aria-label="Turn off microphone"]')
        await page.click('[aria-label="Turn off camera"]')
        await expect(page.locator('[aria-label="Turn on microphone"]')).to_be_visible()
        await expect(page.locator('[aria-label="Turn on camera"]')).to_be_visible()
        await expect(page.locator("button[type=submit]")).to_be_disabled()
        await ask_to_join(page)

        await expect(page.get_by_text("Asking to be let in")).to_be_visible()
        await expect(page.get_by_text("You’ll join the call when someone lets you in")).to_be_visible()
        await expect(page.get_by_text("Return to home screen")).to_be_visible()
        await expect(page.locator('div[role=region][aria-label="Call controls"]')).to_be_visible()
        await expect(page.locator('button[aria-label="Leave call"]')).to_be_visible()
        assert [
            await tile.get_attribute("data-participant-id")
            for tile in await page.locator("[data-participant-id]").all()
        ] == ["visual_effects"]

        replica.admit_now()
        await expect(page.get_by_text("audio and video will be shared with")).to_be_visible()
        await expect(page.locator("[data-participant-id]")).to_have_count(4)
        gated = await until(replica, lambda report: report.screen == "call")
        assert gated.packets_received == gated.collections_messages == 0
        await page.click("button:has(span:text-is('Join now'))")
        await page.click("div[aria-modal=true][role=dialog] button[data-mdc-dialog-action=ok]")

        await expect(page.locator('button[aria-label="Turn on captions"]')).to_be_visible()
        ada = page.locator("[data-participant-id]", has_text="Ada Ray")
        await expect(ada.locator("[data-ssrc]")).to_have_attribute("data-ssrc", "7001")
        assert await ada.locator("span.notranslate").first.inner_text() == "Ada Ray"
        await expect(ada.locator("[jsname=QgSmzd]")).to_have_class("tile-voice speaking")
        await page.click('button[aria-label="Chat with everyone"]')
        await page.fill('textarea[aria-label="Send a message"]', "Hello, I record this.")
        await page.keyboard.press("Enter")

        await expect(page.get_by_text("Your host ended the meeting for everyone")).to_be_visible(
            timeout=30_000
        )
        assert await replica.wait_ended() == "host_ended"
        assert replica.chat == ["Hello, I record this."]
        assert replica.page_reports[-1].errors == []


REPLACE_WHAT_BOTS_REPLACE = """
const ownSocket = WebSocket;
window.WebSocket = function (...args) { return new ownSocket(...args); };
const setLocal = RTCPeerConnection.prototype.setLocalDescription;
RTCPeerConnection.prototype.setLocalDescription = async function (description) {
    if (!description.sdp.includes("m=application")) throw new Error("no data channels");
    return setLocal.call(this, description);
};
window.refused = [];
document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => refused.push(effectiveDirective));
"""


@pytest.mark.parametrize("media", [Media(signalling="offer"), Media()], ids=["offer", "add_transceiver"])
async def test_the_page_receives_the_meeting_through_its_receivers(tmp_path: Path, media: Media) -> None:
    async with visiting(meeting(media=media), tmp_path / "truth", REPLACE_WHAT_BOTS_REPLACE) as (
        replica,
        page,
    ):
        await expect(page.locator("button[type=submit]")).to_be_visible()
        assert await page.locator("audio").count() > 0
        await page.evaluate("() => void new WebSocket('ws://localhost:9')")
        await ask_to_join(page)
        report = await until(
            replica,
            lambda report: report.audio_energy > 0.01 and {7001, 7002} <= set(report.contributing_sources),
        )
        assert (report.receivers, report.audio_elements, report.encoded_path) == (3, 3, False)
        assert report.packets_received > 0
        assert report.audio_seconds > 0
        assert report.roster_responses > 0
        assert report.errors == []
        await page.click('button[aria-label="Turn on captions"]')
        await expect(page.locator("[jsname=dsyhDe]")).to_contain_text("Ada Ray")
        assert await page.evaluate("refused") == []
        await page.click('button[aria-label="Leave call"]')
        await expect(page.get_by_text("You left the meeting")).to_be_visible()
        assert await replica.wait_ended() == "left"


@pytest.mark.parametrize("media", [Media(signalling="offer"), Media()], ids=["offer", "add_transceiver"])
async def test_the_page_takes_the_encoded_audio_if_the_scenario_says_so(tmp_path: Path, media: Media) -> None:
    scenario = meeting(media=media, page=Page(lobby=0.0, encoded_audio=True))
    async with visiting(scenario, tmp_path / "truth") as (replica, page):
        await ask_to_join(page)
        report = await until(replica, lambda report: report.mixed_seconds > 1)
        assert report.encoded_path
        assert report.encoded_frames > 0
        assert (report.audio_energy, report.contributing_sources) == (0, []), (
            "nothing is left for the receivers"
        )
        assert report.audio_elements == 1
        assert report.errors == []


async def test_the_page_uses_its_receivers_without_create_encoded_streams(tmp_path: Path) -> None:
    async with visiting(meeting(page=Page(lobby=0.0, encoded_audio=True)), tmp_path / "truth") as (
        replica,
        page,
    ):
        await page.add_init_script("delete RTCRtpReceiver.prototype.createEncodedStreams")
        await page.reload()
        await ask_to_join(page)
        report = await until(replica, lambda report: report.audio_energy > 0.01)
        assert not report.encoded_path


async def test_the_page_makes_a_new_connection_at_a_reconnect(tmp_path: Path) -> None:
    async with visiting(meeting(media=Media(reconnects=[1.5])), tmp_path / "truth") as (replica, page):
        await ask_to_join(page)
        before = await until(replica, lambda report: report.connections == 1 and report.packets_received > 0)
        after = await until(
            replica, lambda report: report.connections == 2 and report.collections_messages > 1
        )
        await until(replica, lambda report: report.packets_received > after.packets_received)
        assert after.packets_received >= before.packets_received
        assert replica.page_reports[-1].errors == []


SET_MARKUP = """() => {
    try {
        document.createElement("div").innerHTML = "<b>markup</b>";
        return "it may";
    } catch (error) {
        return error.message;
    }
}"""
START_BLOB_WORKER = """() => new Promise((resolve) => {
    const policy = trustedTypes.createPolicy("ours", { createScriptURL: (url) => url });
    const url = URL.createObjectURL(new Blob(["postMessage(1)"], { type: "text/javascript" }));
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective));
    const worker = new Worker(policy.createScriptURL(url));
    worker.onmessage = () => resolve("it runs");
})"""
ADD_SCRIPT = """() => {
    try {
        document.createElement("script").text = "document.title = 'it runs'";
        return "it may";
    } catch (error) {
        return error.message;
    }
}"""


@pytest.mark.parametrize(
    ("attempt", "refusal"),
    [
        (SET_MARKUP, "requires 'TrustedHTML'"),
        (START_BLOB_WORKER, "worker-src"),
        (ADD_SCRIPT, "requires 'TrustedScript'"),
    ],
    ids=["markup from a string", "blob worker", "script from a string"],
)
async def test_the_content_security_policy_forbids(tmp_path: Path, attempt: str, refusal: str) -> None:
    async with visiting(meeting(), tmp_path / "truth") as (_, page):
        assert refusal in await page.evaluate(attempt)


async def test_an_unknown_meeting_code_shows_the_page_for_wrong_codes(tmp_path: Path) -> None:
    async with visiting(meeting(), tmp_path / "truth") as (_, page):
        await page.goto("https://meet.google.com/zzz-zzzz-zzz")
        await expect(page.get_by_text("Check your meeting code")).to_be_visible()


@pytest.mark.parametrize(
    ("steer", "text"),
    [
        (Replica.deny, "denied your request to join"),
        (Replica.leave_unanswered, "No one responded to your request to join the call"),
    ],
)
async def test_the_page_shows_a_refusal_from_the_lobby(
    tmp_path: Path, steer: Callable[[Replica], None], text: str
) -> None:
    async with visiting(meeting(page=Page(lobby=3600.0)), tmp_path / "truth") as (replica, page):
        await ask_to_join(page)
        await expect(page.get_by_text("Asking to be let in")).to_be_visible()
        steer(replica)
        await expect(page.get_by_text(text)).to_be_visible()


async def test_the_page_shows_the_removal_from_the_call(tmp_path: Path) -> None:
    async with visiting(meeting(), tmp_path / "truth") as (replica, page):
        await ask_to_join(page)
        await until(replica, lambda report: report.collections_messages > 0)
        replica.remove_bot()
        await expect(page.get_by_text("You've been removed from the meeting")).to_be_visible()


async def test_hiding_the_recording_banner_gets_the_bot_removed(tmp_path: Path) -> None:
    async with visiting(meeting(page=Page(lobby=0.0, recording_notice=True)), tmp_path / "truth") as (
        replica,
        page,
    ):
        await ask_to_join(page)
        await page.click("button[data-mdc-dialog-action=ok]")
        await page.evaluate("() => { document.querySelector('.recording-banner').style.display = 'none'; }")
        await expect(page.get_by_text("You've been removed from the meeting")).to_be_visible()
        assert await replica.wait_ended() == "removed"


TELLS_EARLY = """async (source) => {
  const sent = [];
  let socket;
  globalThis.WebSocket = class extends EventTarget {
    CONNECTING = 0; OPEN = 1; readyState = 0;
    constructor() { super(); socket = this; }
    send(message) { sent.push(JSON.parse(message).type); }
  };
  const { openLink, tell } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  openLink(() => {});
  tell("before");
  tell("also before");
  const early = [...sent];
  socket.readyState = 1;
  socket.dispatchEvent(new Event("open"));
  tell("after");
  socket.readyState = 3;
  tell("too late");
  return [early, sent];
}"""


@pytest.mark.parametrize("platform", ["meet", "teams"])
async def test_what_a_page_says_before_its_link_is_open_waits_for_it(platform: str) -> None:
    """A script presses a button sooner than a busy machine connects."""
    source = (REPLICA / platform / "pages" / "link.js").read_text("utf-8")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(BrowserSettings.from_environment({})), chromium_sandbox=False
        )
        page = await browser.new_page()
        assert await page.evaluate(TELLS_EARLY, source) == [[], ["before", "also before", "after"]]
        await browser.close()
