"""The media server against a real Chromium: a page without any of our scripts must hear what the plan says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from fixtures.replica.media import MeetingMedia
from fixtures.replica.scenario import Media, Participant, Scenario
from fixtures.replica.truth import read_truth

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


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    arguments = ["--autoplay-policy=no-user-gesture-required"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page()
        await page.route(ORIGIN + "*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.goto(ORIGIN)
        yield page
        await browser.close()


def three_talkers(**media: Any) -> Scenario:
    people = [
        Participant(name=voice, voice=voice, csrc=1000 + index, says=[(0.0, 3.0)])
        for index, voice in enumerate(("aria", "bruno", "chiara"))
    ]
    return Scenario(title="three", duration=3.2, participants=people, media=Media(**media))


async def negotiate(page: Page, media: MeetingMedia, signalling: str) -> None:
    if signalling == "offer":
        await media.accept_answer(await page.evaluate("(offer) => byOffer(offer)", await media.offer()))
    else:
        answer = await media.answer(await page.evaluate("() => byTransceivers()"))
        await page.evaluate("(answer) => takeAnswer(answer)", answer)


@pytest.mark.parametrize("declared_ssrcs", [True, False])
@pytest.mark.parametrize("signalling", ["offer", "add_transceiver"])
async def test_chromium_receives_three_streams(
    page: Page, tmp_path: Path, signalling: str, declared_ssrcs: bool
) -> None:
    scenario = three_talkers(
        signalling=signalling, declared_ssrcs=declared_ssrcs, red=True, padding_probes=0.02
    )
    media = MeetingMedia(scenario, tmp_path / "truth.jsonl")
    try:
        await negotiate(page, media, signalling)
        media.allow_start()
        async with asyncio.timeout(10):
            await media.send_collections(b"who is who")
        await page.wait_for_function("async () => (await received()).every((count) => count > 100)")
        await page.wait_for_function("() => sources().every((list) => list.length > 0)")
        sources = await page.evaluate("() => sources()")
        await page.wait_for_function("() => messages.length > 0")
        messages = await page.evaluate("() => messages")
        await media.wait_finished()
    finally:
        await media.close()
    assert messages == [["collections", list(b"who is who")]]
    assert sorted(min(set(heard) - {42}) for heard in sources) == [1000, 1001, 1002]
    assert 42 in {csrc for heard in sources for csrc in heard}
    truth = read_truth(tmp_path / "truth.jsonl")
    wire = {(packet.ssrc, packet.sequence): packet for packet in truth.packets if packet.fate == "sent"}
    frames = await page.evaluate("() => frames_")
    assert len(frames) == len(wire)
    for frame in frames:
        packet = wire[frame["synchronizationSource"], frame["sequenceNumber"] & 0xFFFF]
        assert frame["rtpTimestamp"] == packet.timestamp
        assert set(frame["contributingSources"]) - {42} == ({packet.csrc} if packet.csrc else set())
        assert (frame["length"] == 0) == (packet.kind == "padding")
