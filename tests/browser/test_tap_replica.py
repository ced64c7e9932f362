"""The tap in the replica of Google Meet, compared with what the replica sent and what its page reports."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.scenario import Media, Page, Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support.deafness import deaf_in
from tests.support.loopback import Loopback
from tests.support.record_process import settings_for
from worker.browser.launch import launch_browser, new_context
from worker.browser.tap import Tap
from worker.lifecycle.page_view import Scene
from worker.platforms.meet.call import MeetCall
from worker.platforms.meet.link import parse_meet_link
from worker.platforms.registry import PLATFORMS, Platform
from worker.reasons import Reason
from worker.tape.events import (
    AudioPathSeen,
    ChannelMessage,
    PageFault,
    ReceiverReport,
    RosterResponse,
    TilesSeen,
)

SECONDS = 4.0
MEETING = Scenario(
    title="two people at once",
    duration=SECONDS,
    participants=[
        Participant(name="Ada Ray", voice="elif", csrc=7001, says=[(0.5, SECONDS - 0.5)], host=True),
        Participant(name="Ben Oak", voice="nuno", csrc=7002, says=[(1.0, SECONDS - 0.5)]),
    ],
    page=Page(lobby=0.2),
)


OFFER = Media(signalling="offer", capture_time=True)
OWN_RECEIVERS = Media(declared_ssrcs=False)
RECONNECT = Media(reconnects=[SECONDS / 2])
ENCODED_AUDIO = msgspec.structs.replace(MEETING.page, encoded_audio=True)


@pytest.mark.parametrize(
    ("media", "page"),
    [(OFFER, MEETING.page), (OWN_RECEIVERS, MEETING.page), (RECONNECT, MEETING.page), (OFFER, ENCODED_AUDIO)],
    ids=["offer", "own-receivers", "reconnect", "trap"],
)
async def test_every_packet_is_tapped(tmp_path: Path, media: Media, page: Page) -> None:
    scenario = msgspec.structs.replace(MEETING, media=media, page=page)
    async with Replica(scenario, tmp_path / "truth") as replica:
        heard = await visit(replica)
    assert heard.of(PageFault) == []
    assert heard.tap.counters.batches_missing == heard.tap.counters.dropped == heard.tap.counters.invalid == 0
    assert {csrc for frame in heard.frames for csrc in frame.csrcs} == {42, 7001, 7002}
    sent = {
        packet.sha256: packet.csrc
        for packet in read_truth(tmp_path / "truth").packets
        if packet.fate == "sent"
    }
    tapped = {sha256(frame.payload).hexdigest(): set(frame.csrcs) - {42} for frame in heard.frames}
    assert len(sent) > 200
    assert {digest: {csrc} for digest, csrc in sent.items()} == tapped
    captured = [frame.arrival - frame.captured for frame in heard.frames if frame.captured is not None]
    assert len(captured) == (len(heard.frames) if media.capture_time else 0)
    assert all(0.0 <= underway < 10.0 for underway in captured)
    assert deaf_in(heard.of(ReceiverReport)) == []
    assert [event.path for event in heard.of(AudioPathSeen)] == ["receivers"]
    assert "collections" in {event.label for event in heard.of(ChannelMessage)}
    assert heard.of(RosterResponse)
    tiles = {(tile.name, *tile.sources) for event in heard.of(TilesSeen) for tile in event.tiles}
    assert {("Ada Ray", "7001"), ("Ben Oak", "7002"), ("Test bot",)} <= tiles
    report = replica.page_reports[-1]
    assert report.errors == []
    assert not report.encoded_path
    assert report.audio_energy > 0
    assert {7001, 7002} <= set(report.contributing_sources)


async def visit(replica: Replica) -> Loopback:
    """Joins the meeting and stays to its end."""
    heard = Loopback()
    async with launch_browser(settings_for(replica)) as session:
        context = await new_context(session)
        heard.tap = await Tap.attach(context, heard.hear, PLATFORMS[Platform.GOOGLE_MEET].page_scripts)
        heard.page = await context.new_page()
        link = parse_meet_link(replica.meeting_url)
        call = MeetCall(heard.page, link, "Test bot")
        await call.open()
        while (view := await call.look(thorough=True)).scene is not Scene.OVER:
            await call.act()
            await asyncio.sleep(0.2)
        assert view.reason is Reason.MEETING_ENDED
        assert await heard.tap.flush()
    return heard
