"""Video in a page that calls itself: each frame is tapped as it was sent, whatever Chromium gets to decode, beside audio."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.browser.test_frame_batch import script_of
from tests.support.loopback import Loopback, missing, until
from worker.browser.injected_scripts import VideoLimits, limits_for
from worker.browser.launch import BrowserSession, new_context
from worker.browser.page_batches import decode_video
from worker.tape.events import VideoBatch, VideoFrame, VideoTrackSeen

CODECS = ("video/VP8", "video/VP9", "video/H264", "video/AV1")

CALL = """async (codecs) => {
  connect();
  // What leaves the sender's encoder, by its format and timestamp.
  globalThis.sent = [];
  const source = `onrtctransform = async ({ transformer: { readable, writable, options } }) => {
    const reader = readable.getReader(), writer = writable.getWriter();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", value.data)).toHex();
      postMessage([options, value.getMetadata().rtpTimestamp, value.type === "key", hash]);
      await writer.write(value);
    }
  }`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.onmessage = ({ data }) => sent.push(data);
  const all = RTCRtpSender.getCapabilities("video").codecs;
  a.addTrack(tone(300));
  codecs.forEach((mimeType, n) => {
    const stream = new MediaStream();
    const transceiver = a.addTransceiver(picture(), { direction: "sendonly", streams: [stream] });
    transceiver.setCodecPreferences(all.filter((codec) => codec.mimeType === mimeType));
    transceiver.sender.transform = new RTCRtpScriptTransform(worker, mimeType);
  });
  await a.setLocalDescription();
  const slots = (sdp) => sdp.replace(/a=mid:(\\d)\\r\\n/g, (line, mid) => `${line}a=x-source-streamid:slot-${mid}\\r\\n`);
  await b.setRemoteDescription({ type: "offer", sdp: slots(a.localDescription.sdp) });
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription);
  return a.getTransceivers().map(({ mid, sender }) => mid);
}"""

STREAM_IDS = r"[...a.localDescription.sdp.matchAll(/m=video[^]*?a=msid:(\S+)/g)].map(([, id]) => id)"


STATS = "Promise.all(heard.receivers.filter((each) => each.track.kind === 'video').map(inbound))"


def key_frames(loopback: Loopback) -> Counter[int]:
    """How many there were, by SSRC."""
    return Counter(frame.ssrc for frame in loopback.video_frames if frame.key)


async def plis(loopback: Loopback) -> dict[int, int]:
    """How many Chromium has sent, by SSRC."""
    return {each["ssrc"]: each["pliCount"] for each in await loopback.page.evaluate(STATS)}


def key_of(frame: VideoFrame) -> tuple[str, int, bool, str]:
    return (frame.mime_type, frame.timestamp, frame.key, hashlib.sha256(frame.payload).hexdigest())


def comparable(frames: Iterable[tuple[str, int, bool, str]]) -> list[tuple[str, int, bool, str]]:
    """AV1's payload leaves out temporal delimiters and sizes (AV1 RTP, section 5), which come back otherwise than they were."""
    return [each if each[0] != "video/AV1" else (*each[:3], "") for each in frames]


async def test_every_frame_is_tapped_as_it_was_sent_and_audio_beside_it(
    browser_session: BrowserSession,
) -> None:
    loopback = await Loopback.open(browser_session, video=VideoLimits())
    await loopback.page.evaluate(CALL, list(CODECS))
    await until(
        lambda: all(
            sum(frame.mime_type == mime_type for frame in loopback.video_frames) >= 60 for mime_type in CODECS
        ),
        30.0,
    )
    # Chromium passes over padding before the first frame of H264 and AV1, and requests one key frame after 3 s then.
    await loopback.until_page(
        f"{STATS}.then((all) => all.every(({{ framesDecoded }}) => framesDecoded >= 30))"
    )
    # A key frame is sent when it is asked for, of those receivers that are named or of all.
    before, document = key_frames(loopback), loopback.videos[0].document
    named, *others = [frame for frame in loopback.video_frames if frame.ssrc in before]
    requested = await plis(loopback)
    of = [(document, named.receiver), *((document + 1, each.receiver) for each in others)]
    assert await loopback.tap.request_key_frames(of, 5.0)
    await until(lambda: key_frames(loopback)[named.ssrc] > before[named.ssrc])
    more = Counter(await plis(loopback)) - Counter(requested)
    assert more.keys() == {named.ssrc}
    assert await loopback.tap.request_key_frames(within=5.0)
    await until(lambda: len(key_frames(loopback) - before) == len(CODECS))
    streams = await loopback.page.evaluate(STREAM_IDS)
    await loopback.page.evaluate("() => a.getSenders().forEach((sender) => sender.replaceTrack(null))")
    await asyncio.sleep(0.5)
    assert await loopback.tap.flush(5.0)
    sent = [tuple(each) for each in await loopback.page.evaluate("sent")]
    for mime_type in CODECS:
        tapped = [key_of(frame) for frame in loopback.video_frames if frame.mime_type == mime_type]
        assert comparable(tapped) == comparable(each for each in sent if each[0] == mime_type)
        assert tapped[0][2]
    loopback.assert_nothing_lost()
    assert len(loopback.frames) > 50
    # All of it was decoded: nobody had to request key frames but us, and Chromium at the start where padding came first. Of
    # frames that are withheld it requests one every 0.4 s, which makes ten in this call.
    for each in await loopback.page.evaluate(STATS):
        assert each["pliCount"] <= 5
    seen = [event for event in loopback.of(VideoTrackSeen) if event.connection == 1]
    assert [(event.streams, event.mid, event.slot) for event in seen] == [
        ([stream], str(line), f"slot-{line}") for line, stream in enumerate(streams, 1)
    ]
    assert len({frame.receiver for frame in loopback.video_frames}) == len(CODECS)
    assert {event.receiver for event in seen} == {frame.receiver for frame in loopback.video_frames}


async def test_a_new_description_of_a_line_is_reported(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session, video=VideoLimits())
    await loopback.page.evaluate(CALL, ["video/VP8"])
    await until(lambda: any(event.connection == 1 for event in loopback.of(VideoTrackSeen)))
    await loopback.page.evaluate(
        r"""async () => {
          const rename = ({ sdp }, slot) => sdp.replace(/a=mid:(\d)\r\n/g, (line) => `${line}a=x-source-streamid:${slot}\r\n`);
          for (const slot of ["new", "new", "newer"]) {
            await a.setLocalDescription();
            await b.setRemoteDescription({ type: "offer", sdp: rename(a.localDescription, slot) });
            await b.setLocalDescription();
            await a.setRemoteDescription(b.localDescription);
          }
          // What the page passes may be anything: it fails as it would, and nothing else does.
          for (const odd of [null, 7, { type: "offer", get sdp() { throw new Error("mine"); } }, { type: "offer", sdp: {} }]) {
            await b.setRemoteDescription(odd).catch(() => {});
          }
        }"""
    )
    assert await loopback.tap.flush(5.0)
    slots = [event.slot for event in loopback.of(VideoTrackSeen) if event.connection == 1]
    assert slots == ["slot-1", "new", "newer"]


async def test_video_beyond_the_bound_is_dropped_up_to_a_key_frame_and_audio_is_not(
    browser_session: BrowserSession,
) -> None:
    limits = VideoLimits(batches_in_flight=1, queued_frame_bytes=2_000, batch_bytes=4_000)
    loopback = await Loopback.open(browser_session, video=limits)
    await loopback.page.evaluate(CALL, ["video/VP8"])
    await until(lambda: len(loopback.video_frames) >= 20)
    time.sleep(3.0)  # noqa: ASYNC251 - the event loop has to stand still
    tap = loopback.tap
    await until(lambda: tap.counters.video_dropped > 10)
    # A key frame is requested as soon as there is room, and nothing that needs what was dropped comes before it.
    count = len(loopback.video_frames)
    await until(lambda: len(loopback.video_frames) > count + 10, 20.0)
    frames = loopback.video_frames
    sent = [tuple(each)[1] for each in await loopback.page.evaluate("sent")]
    places = [sent.index(frame.timestamp) for frame in frames]
    assert places == sorted(places)
    gaps = [n for n in range(1, len(places)) if places[n] != places[n - 1] + 1]
    assert gaps
    assert all(frames[n].key for n in gaps)
    assert tap.counters.dropped == tap.counters.batches_missing == tap.counters.video_batches_missing == 0
    assert missing(loopback.frames, loopback.frames[0].ssrc) == 0


async def test_video_goes_on_by_its_own_bound_where_much_audio_may_be_in_flight(
    browser_session: BrowserSession,
) -> None:
    limits = VideoLimits(batch_milliseconds=20, batches_in_flight=1)
    loopback = await Loopback.open(browser_session, limits_for(40), video=limits)
    await loopback.page.evaluate(CALL, ["video/VP8"])
    await until(lambda: loopback.videos)
    # By heartbeats alone it would be one batch every two seconds.
    await until(lambda: len(loopback.videos) >= 40, 8.0)


async def test_a_flush_says_what_became_of_the_audio_however_much_video_waits(
    browser_session: BrowserSession,
) -> None:
    loopback = await Loopback.open(browser_session, video=VideoLimits(batches_in_flight=0))
    await loopback.page.evaluate(CALL, ["video/VP8"])
    await loopback.until_frames(20)
    await loopback.until_page(
        f"{STATS}.then((all) => all.some(({{ framesDecoded }}) => framesDecoded >= 20))"
    )
    before = len(loopback.frames)
    assert await loopback.tap.flush(5.0)
    assert len(loopback.frames) > before
    assert not loopback.videos


WRITE = """([source, frames]) => {
  const batch = new (new Function(`${source}; return VideoBatch;`)())(1_000_000);
  for (const { receiver, payload, type, ...metadata } of frames) {
    batch.append(receiver, { type, getMetadata: () => metadata, data: new Uint8Array(payload).buffer }, 500);
  }
  return [batch.frames, batch.size, batch.close(7, 1, 2)];
}"""

BARE = {"receiver": 0, "payload": [], "type": "delta"}
FULL = {
    "receiver": 300,
    "payload": list(bytes(range(256)) * 200),
    "type": "key",
    "synchronizationSource": 0xFFFF_FFFF,
    "contributingSources": list(range(0x7FFF_FFFF, 0x7FFF_FFFF + 15)),
    "rtpTimestamp": 0xFFFF_FFFF,
    "frameId": 0x1_0000_0005,
    "spatialIndex": 1,
    "temporalIndex": 2,
    "width": 1920,
    "height": 1080,
    "payloadType": 98,
    "mimeType": "video/VP9",
    "receiveTime": 2000.0,
}


@pytest.mark.parametrize("given", [[], [BARE], [FULL, BARE, FULL]], ids=["none", "bare", "large"])
async def test_python_decodes_the_batches_of_the_page(
    browser_session: BrowserSession, given: list[dict[str, object]]
) -> None:
    page = await (await new_context(browser_session)).new_page()
    source = script_of("message_pack.js", "video_batch.js")
    count, size, encoded = await page.evaluate(WRITE, [source, given])
    batch, odd = decode_video(encoded)
    assert (count, odd.items) == (len(given), 0)
    assert size == len(base64.b64decode(encoded))
    bare = VideoFrame(0, 0, (), 0, None, 0, 0, False, 0, 0, 0, "", 1000.5, b"")
    csrcs = tuple(range(0x7FFF_FFFF, 0x7FFF_FFFF + 15))
    payload = bytes(range(256)) * 200
    full = VideoFrame(
        *(300, 0xFFFF_FFFF, csrcs, 0xFFFF_FFFF, 5, 1, 2, True, 1920, 1080, 98, "video/VP9", 1002.0, payload)
    )
    assert batch == VideoBatch(7, 1, 2, [bare if each is BARE else full for each in given])
