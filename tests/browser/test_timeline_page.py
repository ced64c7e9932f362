"""The timeline page in a real Chromium, opened from a file, as users do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.async_api import Page, Request, expect

from tests.support.audio_files import write_tone
from tests.support.sample_manifests import manifest, meeting, participant, segment, shown_segment, video
from tests.support.video_streams import FPS, encoded, write_stream
from worker.browser.launch import BrowserSession
from worker.manifest.schema import Manifest
from worker.rendering.timeline.page import timeline_html
from worker.video.codecs import Container, VideoCodec

SECONDS = 6.0
LANES = "svg.lane:not(.all)"


@dataclass
class Opened:
    """The page, with all its errors and warnings and all its requests."""

    page: Page
    folder: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def show(self, shown: Manifest) -> Page:
        file = self.folder / "timeline.html"
        file.write_text(timeline_html(shown), "utf-8")
        await self.page.goto(file.as_uri())
        self.requests.remove(file.as_uri())
        return self.page


@pytest.fixture
async def opened(browser_session: BrowserSession, tmp_path: Path) -> AsyncIterator[Opened]:
    """Fails the test if the page has a script error, a refused resource or a console warning."""
    page = await browser_session.browser.new_page(viewport={"width": 1280, "height": 800})
    result = Opened(page, tmp_path)

    def on_request(request: Request) -> None:
        result.requests.append(request.url)

    page.on("console", lambda message: result.complaints.append(message.text))
    page.on("pageerror", lambda error: result.complaints.append(str(error)))
    page.on("request", on_request)
    yield result
    await page.close()
    assert result.complaints == []


def two_speakers(folder: Path) -> Manifest:
    """Ada speaks in 0–2 and 4–5 s, Bob in 3–4 s; their files exist, the mix too."""
    ada = segment(1, "Ada", [(0.0, 2.0), (4.0, 5.0)], SECONDS)
    bob = segment(2, "Bob", [(3.0, 4.0)], SECONDS)
    for one in (ada, bob):
        write_tone(folder / one.url, SECONDS)
    write_tone(folder / "audio.webm", SECONDS)
    return manifest(
        [participant(1, "Ada", ada), participant(2, "Bob", bob)], SECONDS, mixed_audio="audio.webm"
    )


@pytest.mark.parametrize("speakers", [0, 1, 5, 20])
async def test_the_page_shows_every_speaker_and_loads_nothing(opened: Opened, speakers: int) -> None:
    page = await opened.show(meeting(speakers, 900))
    assert await page.locator(LANES).count() == speakers
    assert await page.locator("tbody tr").count() == speakers
    assert await page.locator(".tick").count() > 4
    assert opened.requests == []


@pytest.mark.parametrize("width", [1280, 500])
async def test_the_page_fits_its_window(opened: Opened, width: int) -> None:
    await opened.page.set_viewport_size({"width": width, "height": 800})
    long_name = "Maximiliane-Katharina " * 12
    page = await opened.show(manifest([participant(1, long_name, segment(1, "M", [(1.0, 2.0)], 10.0))], 10.0))
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_lanes_are_to_scale(opened: Opened) -> None:
    page = await opened.show(
        manifest([participant(1, "Ada", segment(1, "Ada", [(25.0, 50.0)], 100.0))], 100.0)
    )
    canvas, speech = (
        await page.locator("#canvas").bounding_box(),
        await page.locator(f"{LANES} path").bounding_box(),
    )
    assert canvas and speech
    assert speech["x"] - canvas["x"] == pytest.approx(canvas["width"] / 4, abs=2)
    assert speech["width"] == pytest.approx(canvas["width"] / 4, abs=2)


async def test_a_speakers_button_plays_from_the_next_turn(opened: Opened) -> None:
    page = await opened.show(two_speakers(opened.folder))
    await page.get_by_role("button", name="Play Bob").click()
    await expect(page.locator("#playing")).to_have_text("Playing Bob")
    await expect(page.locator("#now")).to_have_text("0:03")
    await expect(page.locator(".label.speaking .name")).to_have_text("Bob")
    files = [urlsplit(url).path.rsplit("/", 1)[-1] for url in opened.requests]
    assert files and all(name.startswith("Bob_") for name in files)
    await page.get_by_role("button", name="Play Bob").click()
    await expect(page.get_by_role("button", name="Play Bob")).to_have_attribute("aria-pressed", "false")


async def test_everyone_plays_to_the_end_and_stops(opened: Opened) -> None:
    page = await opened.show(two_speakers(opened.folder))
    await page.locator("#axis").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#axis")).to_have_attribute("aria-valuetext", "0:05")
    await page.keyboard.press(" ")
    main = page.get_by_role("button", name="Play everyone")
    await expect(main).to_have_attribute("aria-pressed", "true")
    await expect(main).to_have_attribute("aria-pressed", "false", timeout=30_000)
    assert any(url.endswith("/audio.webm") for url in opened.requests)


async def test_a_click_moves_the_playhead(opened: Opened) -> None:
    page = await opened.show(meeting(3, 100))
    box = await page.locator("#canvas").bounding_box()
    assert box
    await page.mouse.click(box["x"] + box["width"] * 0.5 + 1, box["y"] + 80)
    await expect(page.locator("#now")).to_have_text("0:50")


async def test_zooming_keeps_the_playhead_in_place(opened: Opened) -> None:
    page = await opened.show(meeting(20, 4 * 3600))
    box = await page.locator("#canvas").bounding_box()
    assert box
    await page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 80)
    before = await page.locator("#playhead").bounding_box()
    for _ in range(6):
        await page.keyboard.press("+")
    after = await page.locator("#playhead").bounding_box()
    canvas = await page.locator("#canvas").bounding_box()
    assert before and after and canvas
    assert canvas["width"] == pytest.approx(64 * box["width"], rel=0.01)
    assert after["x"] == pytest.approx(before["x"], abs=2)
    assert 4 < await page.locator(".tick").count() < 40
    await page.keyboard.press("0")
    assert await page.locator("#canvas").bounding_box() == box


async def test_a_missing_file_is_reported(opened: Opened) -> None:
    page = await opened.show(meeting(1, 60))
    await page.get_by_role("button", name="Play Ada Lovelace").click()
    await expect(page.locator("#playing")).to_contain_text("Cannot play streams/Ada_Lovelace_")
    await expect(page.get_by_role("button", name="Play Ada Lovelace")).to_have_attribute(
        "aria-pressed", "false"
    )
    assert all("ERR_FILE_NOT_FOUND" in complaint for complaint in opened.complaints)
    opened.complaints.clear()


async def test_a_participant_with_two_files_plays_both(opened: Opened) -> None:
    first = segment(1, "Ada", [(0.0, 1.0)], SECONDS)
    second = segment(2, "Ada", [(2.0, 3.0)], SECONDS)
    for one in (first, second):
        write_tone(opened.folder / one.url, SECONDS)
    page = await opened.show(manifest([participant(1, "Ada", first, second)], SECONDS))
    await page.get_by_role("button", name="Play Ada").click()
    await expect(page.locator("#now")).to_have_text("0:01")
    assert {url.rsplit("/", 1)[-1] for url in opened.requests} == {first.filename, second.filename}


async def test_hostile_names_do_not_become_elements(opened: Opened) -> None:
    names = [
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        '" autofocus onfocus="alert(1)',
        "\u202eevil\u2066",
    ]
    people = [participant(n, name, segment(n, name, [(1.0, 2.0)], 10.0)) for n, name in enumerate(names, 1)]
    page = await opened.show(manifest(people, 10.0, warnings=names, meeting_url="https://x.example/<script>"))
    assert await page.locator("img, [onfocus], [onerror]").count() == 0
    assert await page.locator("script").count() == 2
    assert await page.locator(".label .who .name").all_text_contents() == ["Everyone", *names[:3], "evil"]
    assert opened.requests == []


async def test_an_injected_script_is_refused(opened: Opened) -> None:
    page = await opened.show(meeting(1, 60))
    await page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
        " document.body.append(s); }"
    )
    assert await page.evaluate("window.hit") is None
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)
    opened.complaints.clear()


async def test_the_player_shows_what_is_shown_at_the_playhead_in_step_with_the_sound(opened: Opened) -> None:
    """Ada's camera in 1–5 s, Bob's screen in 2–4 s; Eve, who says nothing, shows hers from 4 s on, from no file."""
    videos = [
        video(1, "Ada", shown_segment("Ada", [(1.0, 5.0)]), kind="webcam"),
        video(2, "<b>Bob", shown_segment("Bob", [(2.0, 4.0)]), kind="screenshare"),
        video(3, "Eve", shown_segment("Eve", [(4.0, 6.0)]), kind="webcam"),
    ]
    heard = two_speakers(opened.folder)
    for each in videos[:2]:
        frames = encoded(VideoCodec.VP9, round(each.segments[0].duration_seconds * FPS), keys_every=FPS)
        (opened.folder / each.segments[0].url).parent.mkdir(exist_ok=True)
        write_stream(opened.folder / each.segments[0].url, VideoCodec.VP9, Container.MP4, frames)
    page = await opened.show(msgspec.structs.replace(heard, video_streams=videos))
    stage, caption = page.locator("#stage"), page.locator("#pictured")
    theatre = page.locator("#theatre")
    await expect(theatre).to_be_hidden()
    assert opened.requests == []

    async def go_to(seconds: float) -> None:
        box = await page.locator("#canvas").bounding_box()
        assert box
        await page.mouse.click(box["x"] + box["width"] * seconds / SECONDS, box["y"] + 60)

    async def shows(seconds: float) -> None:
        """The frame that was shown ``seconds`` after its file began is there."""
        await page.wait_for_function(
            "at => picture.readyState >= 2 && !picture.seeking && Math.abs(picture.currentTime - at) < 0.1",
            arg=seconds,
        )

    await go_to(0.5)
    await expect(stage).to_be_hidden()
    await go_to(1.5)
    await expect(caption).to_have_text("Ada · camera")
    await shows(0.5)
    player, rows = await theatre.bounding_box(), await page.locator(".rows").bounding_box()
    assert player and rows
    assert player["y"] + player["height"] <= rows["y"]
    await go_to(0.5)
    await expect(stage).to_be_hidden()
    assert await theatre.bounding_box() == player
    await go_to(3.0)
    await expect(caption).to_have_text("<b>Bob · screen")
    await shows(1.0)
    await page.get_by_role("button", name="Show camera of Ada").click()
    await expect(caption).to_have_text("Ada · camera")
    await shows(2.0)
    await page.get_by_role("button", name="Play everyone").click()
    await page.wait_for_function(
        """() => {
          const at = (parseFloat(playhead.style.left) / 100) * 6 - 1;
          return at > 2.3 && !picture.paused && Math.abs(picture.currentTime - at) < 0.08;
        }"""
    )
    await page.get_by_role("button", name="Play everyone").click()
    await page.wait_for_function("picture.paused")
    await page.get_by_role("button", name="Close the video").click()
    await expect(theatre).to_be_hidden()
    await page.get_by_role("button", name="Show camera of Eve").click()
    await go_to(5.5)
    await expect(caption).to_contain_text("Cannot show video/")
    assert all("ERR_FILE_NOT_FOUND" in complaint for complaint in opened.complaints)
    opened.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_background_follows_the_colour_scheme(opened: Opened, scheme: str) -> None:
    await opened.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = await opened.show(meeting(2, 60))
    background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(15, 17, 22)" if scheme == "dark" else "rgb(244, 245, 248)")
