"""The media server against a real Chromium: a page without the worker's scripts must receive what the plan says."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from fixtures.replica.meet.media import MeetingMedia
from fixtures.replica.scenario import Media, Network, Participant, Scenario
from fixtures.replica.truth import Truth, TruthPacket, read_truth

CHROMIUM = os.environ.get("MEETSTEMS_CHROMIUM", "/usr/bin/chromium")
ORIGIN = "https://replica.test/"

PAGE = """<!doctype html><meta charset="utf-8"><script>
'use strict';
window.messages = [];
window.frames_ = [];
const listen = (pc) => {
  window.pc = pc;
  pc.ondatachannel = (event) => {
    event.channel.binaryType = 'arraybuffer';
    event.channel.onmessage = (message) => {
      window.messages.push([event.channel.label, Array.from(new Uint8Array(message.data))]);
    };
  };
  pc.ontrack = (event) => {
    tap(event.receiver);
    const audio = new Audio();
    audio.srcObject = new MediaStream([event.track]);
    audio.play();
  };
};
const worker = new Worker(URL.createObjectURL(new Blob([`
  onrtctransform = (event) => {
    const { readable, writable } = event.transformer;
    readable.pipeThrough(new TransformStream({
      async transform(frame, controller) {
        const data = frame.data.slice(0);
        const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
        postMessage({ ...frame.getMetadata(), length: data.byteLength,
          sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('') });
        controller.enqueue(frame);
      },
    })).pipeTo(writable);
  };
`])));
worker.onmessage = (event) => window.frames_.push(event.data);
const tapped = new Set();
const tap = (receiver) => {
  if (tapped.has(receiver)) return;
  tapped.add(receiver);
  receiver.transform = new RTCRtpScriptTransform(worker, {});
};
window.byOffer = async (offer) => {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  listen(pc);
  pc.createDataChannel('captions');
  await pc.setRemoteDescription({ type: 'offer', sdp: offer });
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
};
window.byTransceivers = async () => {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  listen(pc);
  pc.createDataChannel('media-director');
  for (let slot = 0; slot < 3; slot += 1) tap(pc.addTransceiver('audio', { direction: 'recvonly' }).receiver);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
};
window.takeAnswer = (answer) => window.pc.setRemoteDescription({ type: 'answer', sdp: answer });
window.received = async () => Promise.all(window.pc.getReceivers().map(async (receiver) => {
  const stats = [...(await receiver.getStats()).values()].find((entry) => entry.type === 'inbound-rtp');
  return stats ? stats.packetsReceived : 0;
}));
window.sources = () => window.pc.getReceivers().map(
  (receiver) => receiver.getContributingSources().map((source) => source.source).sort());
</script>"""


# With both flags, ICE works in a container that has only a loopback interface; elsewhere neither is needed.
LOOPBACK = ["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    arguments = ["--autoplay-policy=no-user-gesture-required", *LOOPBACK]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page()
        await page.route(ORIGIN + "*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.goto(ORIGIN)
        yield page
        await browser.close()


def three_talkers(duration: float, network: Network | None = None, **media: Any) -> Scenario:
    people = [
        Participant(name=voice, voice=voice, csrc=1000 + index, says=[(0.0, duration)])
        for index, voice in enumerate(("aria", "bruno", "chiara"))
    ]
    return Scenario(
        title="three",
        duration=duration,
        participants=people,
        media=Media(**media),
        network=network or Network(),
    )


@asynccontextmanager
async def running(scenario: Scenario, truth_path: Path) -> AsyncIterator[MeetingMedia]:
    media = MeetingMedia(scenario, truth_path)
    try:
        yield media
    finally:
        await media.close()


async def negotiate(page: Page, media: MeetingMedia, signalling: str) -> None:
    if signalling == "offer":
        await media.accept_answer(await page.evaluate("(offer) => byOffer(offer)", await media.offer()))
    else:
        answer = await media.answer(await page.evaluate("() => byTransceivers()"))
        await page.evaluate("(answer) => takeAnswer(answer)", answer)


async def tapped(page: Page, truth: Truth) -> list[tuple[dict[str, Any], TruthPacket]]:
    """Each frame that a transform in the page received, with the truth of its packet; checks that all sent packets arrived."""
    sent = {(packet.ssrc, packet.sequence): packet for packet in truth.packets if packet.fate == "sent"}
    await page.wait_for_function("(count) => frames_.length >= count", arg=len(sent))
    frames = await page.evaluate("() => frames_")
    assert len(frames) == len(sent)
    return [
        (frame, sent[frame["synchronizationSource"], frame["sequenceNumber"] & 0xFFFF]) for frame in frames
    ]


@pytest.mark.parametrize("declared_ssrcs", [True, False])
@pytest.mark.parametrize("signalling", ["offer", "add_transceiver"])
async def test_chromium_receives_three_streams(
    page: Page, tmp_path: Path, signalling: str, declared_ssrcs: bool
) -> None:
    scenario = three_talkers(
        2.4, signalling=signalling, declared_ssrcs=declared_ssrcs, padding_probes=0.02, capture_time=True
    )
    async with running(scenario, tmp_path / "truth.jsonl") as media:
        await negotiate(page, media, signalling)
        assert media.started_at is None
        media.allow_start()
        async with asyncio.timeout(60):
            await media.send("collections", b"who is who")
        await page.wait_for_function("async () => (await received()).every((count) => count > 80)")
        await page.wait_for_function("() => sources().every((list) => list.length > 0)")
        sources = await page.evaluate("() => sources()")
        await page.wait_for_function("() => messages.length > 0")
        messages = await page.evaluate("() => messages")
        await media.wait_finished()
    assert messages == [["collections", list(b"who is who")]]
    assert sorted(csrc for heard in sources for csrc in heard if csrc != 42) == [1000, 1001, 1002]
    assert 42 in {csrc for heard in sources for csrc in heard}
    truth = read_truth(tmp_path / "truth.jsonl")
    assert truth.speakers() == [0, 1, 2]
    for frame, packet in await tapped(page, truth):
        assert frame["rtpTimestamp"] == packet.timestamp
        assert set(frame["contributingSources"]) - {42} == ({packet.csrc} if packet.csrc else set())
        assert frame["sha256"] == packet.sha256
        # Chromium's own offer has no abs-capture-time.
        assert ("captureTime" in frame) == (signalling == "offer")
        if packet.kind != "padding":
            assert 20 * math.log10(frame["audioLevel"]) == pytest.approx(-packet.level, abs=0.5)
    late = sorted(packet.sent_at - packet.meant_at for packet in truth.packets if packet.sent_at is not None)
    assert late[0] >= 0
    # Five packets' time: a sender that does not keep time at all is a second late here, a busy machine a few milliseconds.
    assert late[len(late) // 2] < 0.1


async def test_losses_duplicates_and_reordering_match_the_truth(page: Page, tmp_path: Path) -> None:
    faults = Network(loss=0.1, duplicate=0.1, reorder=0.1, jitter=0.02)
    async with running(three_talkers(2.0, faults, red=True), tmp_path / "truth.jsonl") as media:
        await negotiate(page, media, "offer")
        media.allow_start()
        await media.wait_finished()
    truth = read_truth(tmp_path / "truth.jsonl")
    frames = await tapped(page, truth)
    assert {frame["mimeType"] for frame, _ in frames} == {"audio/red"}
    arrived = [packet.sequence for _, packet in frames if packet.ssrc == 6666]
    assert arrived != sorted(
        arrived, key=lambda sequence: ((sequence or 0) - (arrived[0] or 0) + 99) % 65_536
    )
    assert any(packet.fate == "lost" and packet.recoverable for packet in truth.packets)
    assert any(packet.duplicate for packet in truth.packets)


async def test_media_continues_after_a_reconnect(page: Page, tmp_path: Path) -> None:
    async with running(three_talkers(4.0, reconnects=[1.5]), tmp_path / "truth.jsonl") as media:

        async def negotiate_again() -> None:
            await page.evaluate("() => pc.close()")
            await negotiate(page, media, "add_transceiver")

        media.on_reconnect = negotiate_again
        await negotiate(page, media, "offer")
        media.allow_start()
        await media.wait_finished()
    truth = read_truth(tmp_path / "truth.jsonl")
    started_at = truth.header.started_at
    assert started_at is not None
    await tapped(page, truth)
    assert {packet.connection for packet in truth.packets if packet.fate == "sent"} == {0, 1}
    gap = [packet.meant_at - started_at for packet in truth.packets if packet.fate == "lost"]
    assert gap and min(gap) >= 1.49 and max(gap) < 3.5


async def test_closing_before_the_end_writes_a_complete_truth(page: Page, tmp_path: Path) -> None:
    async with running(three_talkers(60.0), tmp_path / "truth.jsonl") as media:
        await negotiate(page, media, "offer")
        media.allow_start()
        await page.wait_for_function("() => frames_.length > 20")
    await media.wait_finished()
    truth = read_truth(tmp_path / "truth.jsonl")
    assert {packet.fate for packet in truth.packets} == {"sent", "unsent"}
    assert len(truth.packets) == 9000
