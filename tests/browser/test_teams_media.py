"""The media server of Teams against a real Chromium: a page without the worker's scripts must receive what the plan says."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from fixtures.replica.scenario import Network, Participant, Scenario
from fixtures.replica.teams.media import TeamsMedia
from fixtures.replica.teams.mix_scenario import AddedTrack, MixMedia
from fixtures.replica.truth import Truth, TruthPacket, read_truth
from tests.browser.test_media import CHROMIUM, LOOPBACK, ORIGIN, PAGE

SCRIPT = """() => {
  window.streams = [];
  window.byLine = async () => {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    listen(pc);
    const heard = pc.ontrack;
    pc.ontrack = (event) => { streams.push(event.streams[0]?.id ?? ''); heard(event); };
    window.main = pc.createDataChannel('main-channel');
    main.binaryType = 'arraybuffer';
    main.onmessage = (message) => messages.push(['main-channel', Array.from(new Uint8Array(message.data))]);
    main.onopen = () => main.send(new Uint8Array([1, 2, 3]));
    tap(pc.addTransceiver('audio', { direction: 'recvonly' }).receiver);
    await pc.setLocalDescription();
    return pc.localDescription.sdp;
  };
  window.takeOffer = async (offer) => {
    await pc.setRemoteDescription({ type: 'offer', sdp: offer });
    await pc.setLocalDescription();
    return pc.localDescription.sdp;
  };
}"""


@pytest.fixture
async def bare_page() -> AsyncIterator[Page]:
    arguments = ["--autoplay-policy=no-user-gesture-required", *LOOPBACK]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page()
        await page.route(ORIGIN + "*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.goto(ORIGIN)
        await page.evaluate(SCRIPT)
        yield page
        await browser.close()


def scenario(duration: float, network: Network | None = None, **mix: Any) -> Scenario:
    people = [
        Participant(name="Ann", voice="aria", csrc=414, says=[(0.0, 1.5), (2.0, duration)]),
        Participant(name="Bo", voice="bruno", csrc=627, says=[(1.0, duration - 0.5)]),
    ]
    return Scenario(
        title="mix",
        duration=duration,
        participants=people,
        mix=MixMedia(**mix),
        network=network or Network(),
    )


class Meeting:
    """A page in a Teams call."""

    def __init__(self, page: Page, media: TeamsMedia) -> None:
        self.page, self.media = page, media
        self.said: list[bytes] = []
        media.on_renegotiate = self.renegotiate
        media.on_reconnect = self.reconnect
        media.on_main_channel = self.said.append

    async def join(self) -> None:
        answer = await self.media.answer(await self.page.evaluate("() => byLine()"))
        await self.page.evaluate("(answer) => takeAnswer(answer)", answer)

    async def renegotiate(self) -> None:
        offer = await self.media.renegotiation_offer()
        await self.media.accept_answer(await self.page.evaluate("(offer) => takeOffer(offer)", offer))

    async def reconnect(self) -> None:
        await self.page.evaluate("() => pc.close()")
        await self.join()


CUT_SECONDS = 0.2
"""Seconds before and after a reconnect in which packets may be lost with the old connection."""


async def heard(page: Page, truth: Truth) -> list[tuple[dict[str, Any], TruthPacket]]:
    """Each frame that a transform in the page received, with the truth of its packet. Checks that all sent packets arrived, and
    no others. A packet that the network duplicated may arrive twice.
    """
    planned = {(packet.ssrc, packet.sequence): packet for packet in truth.packets}
    sent = [packet for packet in truth.packets if packet.fate == "sent"]
    last = max(packet.connection or 0 for packet in sent)
    cut = max((packet.meant_at for packet in sent if packet.connection != last), default=0.0)
    certain = {
        key
        for key, packet in planned.items()
        if packet.fate == "sent" and abs(packet.meant_at - cut) > CUT_SECONDS
    }
    different = "frames_.map((frame) => `${frame.synchronizationSource} ${frame.sequenceNumber & 0xFFFF}`)"
    arrived = f"(keys) => {{ const seen = new Set({different}); return keys.every((key) => seen.has(key)); }}"
    await page.wait_for_function(arrived, arg=[f"{ssrc} {sequence}" for ssrc, sequence in certain])
    frames = await page.evaluate("() => frames_")
    keys = [(frame["synchronizationSource"], frame["sequenceNumber"] & 0xFFFF) for frame in frames]
    for key in set(keys) - certain:
        assert abs(planned[key].meant_at - cut) <= CUT_SECONDS, planned[key]
    assert len(keys) - len(set(keys)) <= sum(packet.duplicate for packet in sent)
    return [(frame, planned[key]) for frame, key in zip(frames, keys, strict=True)]


async def test_chromium_receives_the_mix_on_swapped_and_added_tracks(bare_page: Page, tmp_path: Path) -> None:
    added = [AddedTrack(at=0.5), AddedTrack(at=2.4, carries=[627])]
    played = scenario(3.5, pauses="comfort_noise", swaps=[1.8], added=added)
    media = TeamsMedia(played, tmp_path / "truth.jsonl")
    meeting = Meeting(bare_page, media)
    await meeting.join()
    media.allow_start()
    await media.send_main_channel(b"history")
    await media.wait_finished()
    await media.close()
    assert meeting.said == [b"\x01\x02\x03"]
    assert await bare_page.evaluate("() => messages") == [["main-channel", list(b"history")]]
    streams = await bare_page.evaluate("() => streams")
    assert sorted(streams) == ["mainAudio-1", "mainAudio-2", "mainAudio-3", "mainAudio-4"]
    truth = read_truth(tmp_path / "truth.jsonl")
    assert {packet.fate for packet in truth.packets} == {"sent"}
    for frame, packet in await heard(bare_page, truth):
        assert frame["contributingSources"] == packet.listed
        assert (frame["sha256"], frame["rtpTimestamp"]) == (packet.sha256, packet.timestamp)
        assert frame.get("audioLevel") is None
    on_lines = {(packet.slot, tuple(sorted(packet.listed))) for packet in truth.packets}
    assert on_lines >= {(0, (414,)), (0, (414, 627)), (0, (627,)), (2, (414, 627)), (3, ()), (3, (627,))}
    assert {slot for slot, _ in on_lines} == {0, 2, 3}


async def test_the_mix_continues_after_a_reconnect_with_losses(bare_page: Page, tmp_path: Path) -> None:
    faults = Network(loss=0.1, duplicate=0.05, reorder=0.05, jitter=0.02)
    played = scenario(
        4.0, faults, red=True, reconnects=[1.5], ssrc_changes=[0.8], declared_ssrcs=False, padding_probes=0.02
    )
    media = TeamsMedia(played, tmp_path / "truth.jsonl")
    meeting = Meeting(bare_page, media)
    await meeting.join()
    media.allow_start()
    await media.wait_finished()
    await media.close()
    truth = read_truth(tmp_path / "truth.jsonl")
    frames = await heard(bare_page, truth)
    assert {frame["mimeType"] for frame, _ in frames} == {"audio/red"}
    assert all(frame["contributingSources"] == packet.listed for frame, packet in frames)
    assert {packet.connection for packet in truth.packets if packet.fate == "sent"} == {0, 1}
    assert {packet.ssrc for packet in truth.packets} == {7001, 7101}
