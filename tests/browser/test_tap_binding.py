"""The two ways out of a page: the direct binding, and Playwright's for documents that do not have it."""

from __future__ import annotations

import time

from playwright.async_api import Frame as PageFrame
from playwright.async_api import Page

from tests.support.loopback import CSP, HTML, ORIGIN, Loopback, missing, until
from worker.browser.injected_scripts import TapLimits, limits_for
from worker.browser.launch import BrowserSession
from worker.tape.events import ConnectionOpened, Frame, PageFault

OTHER_ORIGIN = "https://other.test"


async def open_with_other_origin(session: BrowserSession, limits: TapLimits | None = None) -> Loopback:
    loopback = await Loopback.open(session, limits)
    await loopback.page.context.route(
        f"{OTHER_ORIGIN}/**",
        lambda route: route.fulfill(
            body=HTML, content_type="text/html", headers={"content-security-policy": CSP}
        ),
    )
    return loopback


def direct_calls(loopback: Loopback) -> dict[int, int]:
    """The calls of the direct binding by document."""
    return {int(document): calls for document, calls in loopback.tap._direct._arrived.items()}


def documents(loopback: Loopback) -> set[int]:
    return {batch.document for _, batch in loopback.batches}


def frames_from(loopback: Loopback, document: int) -> list[Frame]:
    return [frame for _, batch in loopback.batches if batch.document == document for frame in batch.frames]


async def listens(loopback: Loopback, frame: Page | PageFrame) -> int:
    """Has the document call itself, and returns its number once 100 frames of it have come."""
    others = documents(loopback)
    await frame.evaluate("listenByOffer(tone(300))")
    await until(lambda: documents(loopback) - others)
    (document,) = documents(loopback) - others
    await until(lambda: len(frames_from(loopback, document)) >= 100)
    return document


async def iframe(loopback: Loopback, url: str) -> PageFrame:
    async with loopback.page.expect_event("framenavigated"):
        await loopback.page.evaluate(
            "url => document.body.append(Object.assign(document.createElement('iframe'), { src: url }))", url
        )
    frame = loopback.page.frames[-1]
    await frame.wait_for_load_state()
    return frame


async def test_documents_of_the_page_and_its_process_use_the_direct_binding(
    browser_session: BrowserSession,
) -> None:
    loopback = await open_with_other_origin(browser_session)
    main = await listens(loopback, loopback.page)
    inner = await listens(loopback, await iframe(loopback, f"{ORIGIN}/inner"))
    await loopback.page.goto(f"{OTHER_ORIGIN}/")  # which another process renders
    after = await listens(loopback, loopback.page)
    batches = [batch.document for _, batch in loopback.batches]
    for document in (main, inner, after):
        assert direct_calls(loopback)[document] >= batches.count(document)
    loopback.assert_nothing_lost()


async def test_documents_without_the_direct_binding_use_playwrights(browser_session: BrowserSession) -> None:
    loopback = await open_with_other_origin(browser_session)
    foreign = await listens(loopback, await iframe(loopback, f"{OTHER_ORIGIN}/"))
    async with loopback.page.context.expect_page() as opening:
        await loopback.page.evaluate("void window.open('/popup')")
    popup = await opening.value
    await popup.wait_for_load_state()
    other = await listens(loopback, popup)
    assert not {foreign, other} & set(direct_calls(loopback))
    assert {foreign, other} <= {event.document for event in loopback.of(ConnectionOpened)}
    loopback.assert_nothing_lost()


async def test_the_bindings_are_out_of_the_pages_reach(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    names = await loopback.page.evaluate(
        """() => {
          const frame = document.createElement("iframe");
          document.body.append(frame);
          return [window, frame.contentWindow].flatMap((each) => Object.getOwnPropertyNames(each));
        }"""
    )
    assert not [name for name in names if name.startswith("tap")]


async def test_calls_that_do_not_arrive_are_reported_and_the_others_take_another_way(
    browser_session: BrowserSession,
) -> None:
    loopback = await Loopback.open(browser_session, limits_for(40))
    await listens(loopback, loopback.page)
    loopback.tap._direct._arrived.clear()
    await until(lambda: loopback.of(PageFault))
    calls = direct_calls(loopback)
    heard = len(loopback.frames)
    await loopback.until_frames(heard + 100)
    assert direct_calls(loopback) == calls
    (fault,) = loopback.of(PageFault)
    assert fault.where == "WorkerLink"
    assert "calls of the direct binding did not arrive" in fault.message
    assert missing(loopback.frames, loopback.frames[0].ssrc) == 0


async def test_a_worker_process_that_stops_for_a_while_loses_nothing(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await listens(loopback, loopback.page)
    heard = len(loopback.frames)
    time.sleep(4.0)  # noqa: ASYNC251 - the event loop has to stand still
    await loopback.until_frames(heard + 250)
    loopback.assert_nothing_lost()


async def test_what_a_page_holds_for_a_stalled_worker_process_is_bounded(
    browser_session: BrowserSession,
) -> None:
    limits = TapLimits(batches_in_flight=2, queued_frame_bytes=2_000)
    loopback = await Loopback.open(browser_session, limits)
    await listens(loopback, loopback.page)
    before = len(loopback.batches)
    time.sleep(4.0)  # noqa: ASYNC251 - the event loop has to stand still
    await until(lambda: loopback.tap.counters.dropped > 50)
    # Two under way, and two that the queue has room for; the next one reports the drop.
    held = [batch for _, batch in loopback.batches[before:] if batch.dropped == 0]
    assert len(held) <= 5
    await loopback.until_frames(len(loopback.frames) + 20)
    assert missing(loopback.frames, loopback.frames[0].ssrc) == loopback.tap.counters.dropped
    assert loopback.tap.counters.batches_missing == 0
