"""All ways in which a page gets receivers: each is tapped from its first packet on, and the page still plays its audio."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from statistics import median

from tests.support.loopback import Loopback, until
from worker.browser.launch import BrowserSession
from worker.lifecycle.media_state import MediaMonitor
from worker.tape.events import (
    LONGEST_BATCH,
    AudioPathSeen,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionStateChanged,
    FrameBatch,
    ReceiverReport,
)


async def test_receivers_of_a_remote_offer_are_tapped(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300), tone(400), tone(500))")
    await until(lambda: len(loopback.listeners) == 3)
    assert {event.via for event in loopback.listeners} == {"track"}
    for event in loopback.listeners:
        await loopback.until_frames(50, event.receiver)
    loopback.assert_nothing_lost()
    first_of_each = {frame.receiver: frame for frame in reversed(loopback.frames)}
    assert len({frame.ssrc for frame in first_of_each.values()}) == 3


async def test_frames_have_the_metadata_of_their_packets(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    frames = loopback.frames
    assert {(frame.mime_type, frame.csrcs, frame.captured) for frame in frames} == {("audio/opus", (), None)}
    assert all(frame.payload for frame in frames)
    assert all(frame.audio_level is not None and 0.0 <= frame.audio_level <= 1.0 for frame in frames)
    steps = {(b.timestamp - a.timestamp) % 2**32 for a, b in pairwise(frames)}
    assert steps == {960}
    ssrc = await loopback.page.evaluate("inbound(heard.receivers[0]).then(({ ssrc }) => ssrc)")
    assert {frame.ssrc for frame in frames} == {ssrc}


async def test_arrival_is_in_unix_time(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    for received, batch in loopback.batches:
        for frame in batch.frames:
            assert -0.01 <= received - frame.arrival <= 10.0
    # The median: on a busy machine single batches are closed late.
    assert median(_span(batch) for _, batch in loopback.batches) <= LONGEST_BATCH + 0.05


def _span(batch: FrameBatch) -> float:
    return batch.frames[-1].arrival - batch.frames[0].arrival


async def test_red_payloads_are_not_unpacked(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        """async () => {
          connect();
          const { codecs } = RTCRtpSender.getCapabilities("audio");
          const red = codecs.filter(({ mimeType }) => mimeType === "audio/red");
          a.addTransceiver(tone(300)).setCodecPreferences([...red, ...codecs.filter((codec) => !red.includes(codec))]);
          await negotiate(a, b);
        }"""
    )
    await loopback.until_frames(20)
    assert {(frame.mime_type, frame.payload_type) for frame in loopback.frames} == {("audio/red", 63)}


async def test_receivers_of_add_transceiver_are_tapped(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        "listenByOwnOffer(tone(300), (b) => b.addTransceiver('audio', { direction: 'recvonly' }))"
    )
    await until(lambda: loopback.listeners)
    assert [event.via for event in loopback.listeners] == ["addTransceiver"]
    await loopback.until_frames(50, loopback.listeners[0].receiver)
    loopback.assert_nothing_lost()


async def test_receivers_made_by_create_offer_are_tapped(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOwnOffer(tone(300), () => {}, { offerToReceiveAudio: true })")
    await until(lambda: loopback.listeners)
    assert [event.via for event in loopback.listeners] == ["createOffer"]
    await loopback.until_frames(50, loopback.listeners[0].receiver)


async def test_a_receiver_that_is_added_later_is_tapped(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    await loopback.page.evaluate("async () => { a.addTrack(tone(400)); await negotiate(a, b); }")
    await until(lambda: len(loopback.listeners) == 2)
    await loopback.until_frames(50, loopback.listeners[1].receiver)
    loopback.assert_nothing_lost()


async def test_receivers_of_a_new_connection_are_tapped(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    await loopback.page.evaluate("async () => { b.close(); a.close(); await listenByOffer(tone(400)); }")
    await until(lambda: len(loopback.listeners) == 2)
    first, second = loopback.listeners
    await loopback.until_frames(50, second.receiver)
    assert [event.connection for event in loopback.of(ConnectionOpened)] == [0, 1, 2, 3]
    assert [event.connection for event in loopback.of(ConnectionClosed)] == [1, 0]
    assert (first.connection, second.connection) == (1, 3)
    loopback.assert_nothing_lost()


async def test_a_receiver_with_two_track_events_is_tapped_once(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    await loopback.page.evaluate(
        """async () => {
          for (const direction of ["inactive", "sendonly"]) {
            a.getTransceivers()[0].direction = direction;
            await negotiate(a, b);
          }
        }"""
    )
    assert await loopback.page.evaluate(
        "heard.receivers.length === 2 && heard.receivers[0] === heard.receivers[1]"
    )
    tapped = len(loopback.frames)
    await loopback.until_frames(tapped + 50)
    assert len(loopback.listeners) == 1
    loopback.assert_nothing_lost()


async def test_the_page_still_plays_the_audio(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_received(50)
    await loopback.until_page(
        """async () => {
          const { totalAudioEnergy } = await inbound(heard.receivers[0]);
          const [audio] = document.querySelectorAll("audio");
          return totalAudioEnergy > 0.05 && audio.currentTime > 0.5 && heard.receivers[0].getSynchronizationSources().length;
        }"""
    )
    await until(lambda: [event.path for event in loopback.of(AudioPathSeen)] == ["receivers"])
    loopback.assert_nothing_lost()


async def test_the_audio_path_is_known_with_the_first_frames(browser_session: BrowserSession) -> None:
    """Also where the connection, or the meeting, ends before the watchdog has looked at it."""
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(1)
    await loopback.page.evaluate("() => { b.close(); a.close(); }")
    assert await loopback.tap.flush()
    assert [event.path for event in loopback.of(AudioPathSeen)] == ["receivers"]


async def test_receivers_of_an_iframe_are_tapped(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        """async () => {
          const frame = document.createElement("iframe");
          document.body.append(frame);
          // The frame has not run any script yet; its constructor must be hooked nevertheless.
          window.RTCPeerConnection = frame.contentWindow.RTCPeerConnection;
          await listenByOffer(tone(300));
        }"""
    )
    await loopback.until_frames(50)
    assert len(loopback.listeners) == 1
    loopback.assert_nothing_lost()
    await loopback.page.evaluate("document.querySelector('iframe').remove()")
    assert await loopback.tap.flush()


async def test_an_iframe_whose_built_ins_are_replaced_before_its_first_receiver_is_tapped(
    browser_session: BrowserSession,
) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        """async () => {
          const frame = document.createElement("iframe");
          document.body.append(frame);
          const inner = frame.contentWindow;
          const spoil = () => { throw new Error("spoiled"); };
          inner.Array.prototype[Symbol.iterator] = spoil;
          inner.URL.createObjectURL = spoil;
          for (const name of ["Worker", "Blob", "URL", "RTCRtpScriptTransform"]) inner[name] = spoil;
          window.RTCPeerConnection = inner.RTCPeerConnection;
          await listenByOffer(tone(300));
        }"""
    )
    await loopback.until_frames(50)
    assert len(loopback.listeners) == 1
    loopback.assert_nothing_lost()


async def test_an_iframe_that_navigates_is_tapped_once(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        """async () => {
          const frame = document.createElement("iframe");
          document.body.append(frame);
          void frame.contentWindow.RTCPeerConnection;
          const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
          frame.src = "/frame";
          await loaded;
        }"""
    )
    await loopback.page.frames[1].evaluate("listenByOffer(tone(300))")
    await loopback.until_frames(50)
    assert len(loopback.listeners) == 1
    loopback.assert_nothing_lost()


async def test_video_is_not_decoded(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate("listenByOffer(picture())")
    await loopback.until_received(20)
    assert not await loopback.page.evaluate(
        "inbound(heard.receivers[0]).then(({ framesDecoded }) => framesDecoded)"
    )
    assert await loopback.tap.flush()
    assert loopback.frames == []
    assert [event.kind for event in loopback.listeners] == ["video"]
    loopback.assert_nothing_lost()


async def test_an_ice_restart_brings_a_failed_connection_back(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        r"""async () => {
          connect();
          a.addTrack(tone(300));
          // Candidates of a port at which nobody listens.
          const deaf = (to) => ({ candidate }) => {
            if (!candidate?.candidate) return;
            const changed = { ...candidate.toJSON(), candidate: candidate.candidate.replace(/ \d+ typ/, " 61999 typ") };
            void to.addIceCandidate(changed);
          };
          a.onicecandidate = deaf(b);
          b.onicecandidate = deaf(a);
          const strip = ({ type, sdp }) => ({ type, sdp: sdp.replace(/a=candidate:.*\r\n/g, "") });
          await a.setLocalDescription();
          await b.setRemoteDescription(strip(a.localDescription));
          await b.setLocalDescription();
          await a.setRemoteDescription(strip(b.localDescription));
        }"""
    )
    changes = partial(loopback.of, ConnectionStateChanged)
    await until(lambda: any(each.state == "failed" and each.connection == 1 for each in changes()), 45.0)
    assert loopback.frames == []
    media = MediaMonitor()
    for event in loopback.events:
        media.observe(event, event.at)
    assert not media.now.alive
    await loopback.page.evaluate(
        """async () => {
          a.onicecandidate = ({ candidate }) => b.addIceCandidate(candidate);
          b.onicecandidate = ({ candidate }) => a.addIceCandidate(candidate);
          a.restartIce();
          await negotiate(a, b);
        }"""
    )
    await loopback.until_frames(50)
    await until(lambda: loopback.of(ReceiverReport))
    assert loopback.of(ConnectionClosed) == []
    assert [each.state for each in changes() if each.connection == 1][-1] == "connected"
    for event in loopback.events:
        media.observe(event, event.at)
    assert media.now.alive
    loopback.assert_nothing_lost()
