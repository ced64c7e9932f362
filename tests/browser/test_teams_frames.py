"""Teams pages in captured form: its own frames count and can be pressed, others do not; blocks are separate."""

from __future__ import annotations

from html import escape

import pytest
from playwright.async_api import Route

from worker.browser.launch import BrowserSession, new_context
from worker.lifecycle.page_view import Scene
from worker.platforms.teams.call import TeamsCall
from worker.platforms.teams.link import parse_teams_link
from worker.reasons import Reason

LINK = parse_teams_link("https://teams.microsoft.com/meet/1234567890123?p=passcode")
PRE_JOIN = (
    '<div data-tid="calling-prejoin-screen"><input data-tid="prejoin-display-name-input" value="Stems">'
    '<button id="prejoin-join-button" data-tid="prejoin-join-button" disabled>Join now</button></div>'
)
CALL = '<button data-tid="hangup-main-btn">Leave</button><div data-tid="call-duration">00:01</div>'
DIALOG = (
    '<div role="dialog"><h2>Are you sure?</h2><button onclick="this.remove(); parent.document.title = \'pressed\'">'
    "Continue without audio or video</button></div>"
)
CAPTCHA = (
    '<div role="dialog" aria-describedby="captcha-dialog-instructions"><h2>x</h2>'
    '<div id="captcha-dialog-instructions">y</div><input data-tid="HIP-Captcha-Input"></div>'
)
LOBBY = '<div data-tid="calling-lobby-screen"><h1>\u304a\u5f85\u3061\u304f\u3060\u3055\u3044</h1></div>'
ENDED = "<h1>The meeting has ended</h1>"

OWN = '<iframe src="/inner"></iframe>'
OTHER_TEAMS = '<iframe src="https://teams.cloud.microsoft/inner"></iframe>'
FOREIGN = '<iframe src="https://ads.example/inner"></iframe>'
HIDDEN = '<iframe src="/inner" style="display:none"></iframe>'
UNSEEN = '<iframe src="/inner" style="visibility:hidden"></iframe>'


def filled(content: str) -> str:
    return f'<iframe srcdoc="{escape(content)}"></iframe>'


async def opened(session: BrowserSession, outer: str, inner: str) -> TeamsCall:
    """A call whose page shows ``outer``, and each frame of another address ``inner``."""
    context = await new_context(session)

    async def serve(route: Route) -> None:
        body = (
            inner if route.request.url.endswith("/inner") else f"<!doctype html><html lang=en>{outer}</html>"
        )
        await route.fulfill(body=body, content_type="text/html; charset=utf-8")

    await context.route("**/*", serve)
    call = TeamsCall(await context.new_page(), LINK, "Stems")
    await call.open()
    await call._driver.page.wait_for_load_state("load")
    return call


@pytest.mark.parametrize("frame", [OWN, filled(DIALOG)], ids=["own", "filled"])
async def test_a_dialog_in_a_frame_is_answered(browser_session: BrowserSession, frame: str) -> None:
    call = await opened(browser_session, PRE_JOIN + frame, DIALOG)
    assert (await call.look(thorough=True)).scene is Scene.OPENING
    await call.act()
    assert await call._driver.page.title() == "pressed"


@pytest.mark.parametrize("frame", [FOREIGN, HIDDEN, UNSEEN], ids=["foreign", "hidden", "unseen"])
async def test_a_frame_of_others_or_without_a_view_is_left_out(
    browser_session: BrowserSession, frame: str
) -> None:
    for content, scene in ((DIALOG, Scene.OPENING), (CAPTCHA, Scene.OPENING), (LOBBY, Scene.OPENING)):
        call = await opened(browser_session, PRE_JOIN + frame, content)
        assert (await call.look(thorough=True)).scene is scene
        await call.act()
        assert await call._driver.page.title() == ""


@pytest.mark.parametrize("frame", [OWN, OTHER_TEAMS], ids=["own", "other-teams"])
async def test_captcha_and_lobby_in_a_frame_are_known(browser_session: BrowserSession, frame: str) -> None:
    call = await opened(browser_session, PRE_JOIN + frame, CAPTCHA)
    assert (await call.look(thorough=True)).reason is Reason.CAPTCHA
    call = await opened(browser_session, frame, LOBBY)
    assert (await call.look(thorough=True)).scene is Scene.LOBBY


async def test_words_in_a_frame_end_no_call_that_was_entered(browser_session: BrowserSession) -> None:
    call = await opened(browser_session, CALL + OWN, ENDED)
    assert (await call.look(thorough=True)).scene is Scene.CALL
    await call._driver.page.evaluate(
        "document.querySelectorAll('button, div').forEach((each) => each.remove())"
    )
    assert (await call.look(thorough=True)).scene is Scene.ASKED
    call = await opened(browser_session, OWN, ENDED)
    assert (await call.look(thorough=True)).reason is Reason.MEETING_ENDED


async def test_a_frame_that_goes_is_forgotten(browser_session: BrowserSession) -> None:
    call = await opened(browser_session, OWN, LOBBY)
    assert (await call.look(thorough=True)).scene is Scene.LOBBY
    await call._driver.page.evaluate("document.querySelector('iframe').remove()")
    assert (await call.look(thorough=True)).scene is Scene.OPENING
    assert {target for target, *_ in call._driver._readings} == {call._driver.page}


async def test_neighbouring_blocks_are_read_apart(browser_session: BrowserSession) -> None:
    notice = (
        '<div role="alert"><div>Recording and transcription have started</div><div>By attending you consent</div>'
        "<button onclick=\"document.title = 'noted'\">Dismiss</button></div>"
    )
    call = await opened(browser_session, CALL + notice, "")
    assert (await call.look(thorough=True)).scene is Scene.CALL
    await call.act()
    assert await call._driver.page.title() == "noted"
    call = await opened(browser_session, "<h1><div>The meeting has ended</div><div>Rejoin</div></h1>", "")
    assert (await call.look(thorough=True)).reason is Reason.MEETING_ENDED
