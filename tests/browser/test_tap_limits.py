"""The tap in case of problems: a deaf receiver, a page that hangs, full buffers, a document that goes away."""

from __future__ import annotations

from itertools import pairwise

from tests.support.deafness import deaf_in
from tests.support.loopback import Loopback, missing, until
from worker.browser.injected_scripts import TapLimits
from worker.browser.launch import BrowserSession
from worker.tape.events import (
    AudioPathSeen,
    ChannelMessage,
    ConnectionOpened,
    PageDropped,
    ReceiverReport,
)

HOURS = 10_000_000
"""Milliseconds; longer than any test runs."""


async def test_reports_show_a_deaf_tap_and_that_silence_is_none(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300), tone(400))")
    await until(lambda: len(loopback.listeners) == 2)
    deaf, quiet = loopback.listeners
    await loopback.until_frames(50, quiet.receiver)
    await loopback.page.evaluate(
        """async () => {
          heard.receivers[0].transform = null;
          await a.getSenders()[1].replaceTrack(null);
        }"""
    )
    await until(lambda: deaf_in(loopback.of(ReceiverReport)))
    (event,) = deaf_in(loopback.of(ReceiverReport))
    assert event.receiver == deaf.receiver
    assert event.packets_received >= event.frames_tapped + 50
    last_arrival = loopback.frames_of(deaf.receiver)[-1].arrival
    assert 3.0 <= event.at - last_arrival <= 30.0
    # After its silence the other receiver gets audio again, which is not reported as deafness either.
    heard = len(loopback.frames_of(quiet.receiver))
    await loopback.page.evaluate("a.getSenders()[1].replaceTrack(tone(500))")
    await loopback.until_frames(heard + 50, quiet.receiver)
    reports = len(loopback.of(ReceiverReport))
    await until(lambda: len(loopback.of(ReceiverReport)) >= reports + 4)
    assert len(deaf_in(loopback.of(ReceiverReport))) == 1


async def test_a_page_that_takes_the_encoded_audio_is_reported(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(10)
    await loopback.page.evaluate(
        """() => {
          const worker = new Worker(URL.createObjectURL(new Blob(["onrtctransform = () => {}"])));
          heard.receivers[0].transform = new RTCRtpScriptTransform(worker);
        }"""
    )
    await until(lambda: [event.path for event in loopback.of(AudioPathSeen)] == ["receivers", "encoded"])


async def test_flush_sends_the_held_frames_and_events(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session, TapLimits(batch_milliseconds=HOURS))
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_received(50)
    assert not loopback.frames
    assert not loopback.events
    assert await loopback.tap.flush()
    assert len(loopback.frames) >= 40
    assert len(loopback.of(ConnectionOpened)) == 2
    loopback.assert_nothing_lost()


async def test_a_document_sends_its_held_frames_and_events_before_it_goes_away(
    browser_session: BrowserSession,
) -> None:
    loopback = await Loopback.open(browser_session, TapLimits(batch_milliseconds=HOURS))
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_received(50)
    await loopback.page.evaluate("location.href = '/elsewhere'")
    await loopback.page.wait_for_url("**/elsewhere")
    await until(lambda: loopback.frames and loopback.of(ConnectionOpened))
    assert len(loopback.frames) >= 40
    loopback.assert_nothing_lost()


async def test_a_hanging_page_loses_no_frame(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(20)
    await loopback.page.evaluate(
        "() => { const end = performance.now() + 3000; while (performance.now() < end); }"
    )
    heard = len(loopback.frames)
    await loopback.until_frames(heard + 150)
    loopback.assert_nothing_lost()
    gaps = [b.arrival - a.arrival for a, b in pairwise(loopback.frames)]
    assert max(gaps) < 2.0


async def test_frames_beyond_the_bound_are_dropped_and_counted(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session, TapLimits(batches_in_flight=1, queued_frame_bytes=2_000))
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(20)
    await loopback.page.evaluate(
        "() => { const end = performance.now() + 2000; while (performance.now() < end); }"
    )
    await until(lambda: loopback.tap.counters.dropped > 10)
    await loopback.until_frames(len(loopback.frames) + 20)
    assert missing(loopback.frames, loopback.frames[0].ssrc) == loopback.tap.counters.dropped
    assert loopback.tap.counters.batches_missing == 0
    assert await loopback.page.evaluate(
        "inbound(heard.receivers[0]).then(({ totalAudioEnergy }) => totalAudioEnergy > 0)"
    )


async def test_events_beyond_the_bound_are_dropped_and_counted(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session, TapLimits(queued_event_bytes=2_000))
    await loopback.page.evaluate(
        """async () => {
          connect();
          const channel = a.createDataChannel("flood");
          const open = new Promise((resolve) => (channel.onopen = resolve));
          await negotiate(a, b);
          await open;
          for (let i = 0; i < 500; i++) channel.send("x".repeat(100));
        }"""
    )

    def accounted() -> int:
        return len(loopback.of(ChannelMessage)) + sum(event.count for event in loopback.of(PageDropped))

    await until(lambda: accounted() == 500)
    assert {event.what for event in loopback.of(PageDropped)} == {"channel_message"}
    assert loopback.of(ChannelMessage)
