"""The sender against a connection that keeps what it is given, on a clock that jumps to the next due time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from aiortc.rtp import RtcpPsfbPacket, RtcpRtpfbPacket, RtpPacket

from fixtures.replica.connection import Connection
from fixtures.replica.scenario import Media, Network, Outage, Participant, Scenario
from fixtures.replica.truth import TruthFrame, TruthWriter, read_truth
from fixtures.replica.video.scenario import CameraSize, VideoMedia
from fixtures.replica.video.sdp import OFFERED, VideoLine
from fixtures.replica.video.sender import VideoSender
from fixtures.replica.video.sources import Source
from tests.support.stepped_loop import run_stepped

ADA = Participant(name="Ada", voice="elif", csrc=1, cameras=[(0.0, 60.0)])
BEN = Participant(name="Ben", voice="nuno", csrc=2, cameras=[(0.0, 2.0), (3.0, 60.0)], presents=[(0.0, 60.0)])
ADA_CAMERA, BEN_CAMERA, BEN_SCREEN = Source(0, "webcam"), Source(1, "webcam"), Source(1, "screenshare")
LINES = [VideoLine(slot, f"v{slot}", 7000 + slot, 8000 + slot, OFFERED["vp8"]) for slot in range(3)]
STARTED = 1_700_000_000.0


class Kept:
    """A connection that keeps each packet with its time."""

    def __init__(self) -> None:
        self.index = 0
        self.packets: list[tuple[float, RtpPacket]] = []

    async def send_rtp(self, data: bytes) -> bool:
        self.packets.append((asyncio.get_running_loop().time(), RtpPacket.parse(data)))
        return True

    def of(self, ssrc: int) -> list[RtpPacket]:
        return [packet for _, packet in self.packets if packet.ssrc == ssrc]


Act = Callable[[VideoSender], Coroutine[Any, Any, None]]


def meeting(
    duration: float = 4.0, network: Network | None = None, video: VideoMedia | None = None
) -> Scenario:
    return Scenario(
        title="t",
        duration=duration,
        participants=[ADA, BEN],
        network=network or Network(),
        video=video or VideoMedia(),
    )


def play(
    tmp_path: Path, scenario: Scenario, act: Act, lines: list[VideoLine] = LINES
) -> tuple[list[TruthFrame], Kept, VideoSender]:
    """Runs the sender to the end of the scenario; ``act`` runs beside it, from scenario time 0 on."""
    path, kept = tmp_path / "truth", Kept()
    made: list[VideoSender] = []

    async def both() -> None:
        writer = TruthWriter(path, [], scenario.title, scenario.duration, ["Ada", "Ben"])
        writer.start(STARTED)
        sender = VideoSender(scenario, writer, lambda: cast(Connection, kept))
        made.append(sender)
        sender.set_lines(lines)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sender.run(STARTED, asyncio.get_running_loop().time()))
            tasks.create_task(act(sender))
        writer.close()

    run_stepped(both())
    return read_truth(path).frames, kept, made[0]


def showing(*sources: Source | None) -> Act:
    async def act(sender: VideoSender) -> None:
        for slot, source in enumerate(sources):
            sender.show(slot, source)

    return act


def test_each_slot_shows_its_source_from_a_key_frame_on(tmp_path: Path) -> None:
    frames, kept, sender = play(tmp_path, meeting(), showing(ADA_CAMERA, BEN_SCREEN))
    assert sender.shown == {0: ADA_CAMERA, 1: BEN_SCREEN}
    camera = [frame for frame in frames if frame.slot == 0]
    screen = [frame for frame in frames if frame.slot == 1]
    assert {(frame.name, frame.kind, frame.height) for frame in camera} == {("Ada", "webcam", 180)}
    assert {(frame.name, frame.kind, frame.height) for frame in screen} == {("Ben", "screenshare", 720)}
    assert len(camera) in (59, 60) and len(screen) in (19, 20)
    assert [frame.counter for frame in camera] == list(range(len(camera)))
    assert [frame.key for frame in camera] == [True] + [False] * (len(camera) - 1)
    assert all(frame.arrived and not frame.asked for frame in frames)
    times = [frame.meant_at for frame in camera]
    assert all(abs(late - early - 1 / 15) < 1e-3 for early, late in itertools.pairwise(times))
    sent = kept.of(7000)
    assert len(sent) == sum(frame.packets for frame in camera)
    assert [packet.sequence_number for packet in sent] == [
        (camera[0].first_sequence + place) % 65_536 for place in range(len(sent))
    ]
    assert [packet.timestamp for packet in sent if packet.marker] == [frame.timestamp for frame in camera]


def test_a_source_that_comes_on_again_and_another_owner_begin_with_key_frames(tmp_path: Path) -> None:
    async def act(sender: VideoSender) -> None:
        sender.show(0, BEN_CAMERA)
        await asyncio.sleep(3.5)
        sender.show(0, ADA_CAMERA)

    frames, _, _ = play(tmp_path, meeting(5.0), act)
    assert not [frame for frame in frames if 2.0 <= frame.meant_at - STARTED < 3.0]
    begins = [
        frame
        for before, frame in zip([None, *frames], frames, strict=False)
        if before is None or before.name != frame.name or frame.meant_at - before.meant_at > 0.5
    ]
    assert [(frame.name, frame.key) for frame in begins] == [("Ben", True), ("Ben", True), ("Ada", True)]


def test_a_change_of_size_is_a_key_frame(tmp_path: Path) -> None:
    scenario = meeting()
    changing = msgspec.structs.replace(ADA, camera_sizes=[CameraSize(at=1.5, height=360)])
    scenario = msgspec.structs.replace(scenario, participants=[changing, BEN])
    frames, _, _ = play(tmp_path, scenario, showing(ADA_CAMERA))
    small = [frame for frame in frames if frame.height == 180]
    large = [frame for frame in frames if frame.height == 360]
    assert small[-1].meant_at < STARTED + 1.5 <= large[0].meant_at
    assert large[0].key and large[0].counter == 60 and large[0].packets > 1


@pytest.mark.parametrize(
    "packet",
    [
        RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7000),
        RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=(7000).to_bytes(4, "big") + b"\x01\x00\x00\x00"),
    ],
    ids=["PLI", "FIR"],
)
def test_a_key_frame_follows_when_the_page_asks(tmp_path: Path, packet: RtcpPsfbPacket) -> None:
    async def act(sender: VideoSender) -> None:
        sender.show(0, ADA_CAMERA)
        sender.show(1, BEN_CAMERA)
        await asyncio.sleep(1.0)
        await sender.take_feedback(packet)
        await sender.take_feedback(packet)

    frames, _, _ = play(tmp_path, meeting(1.9), act)
    requests = read_truth(tmp_path / "truth").key_requests
    assert [(each.slot, round(each.at - STARTED, 3)) for each in requests] == [(0, 1.0)] * 2
    keys = [frame for frame in frames if frame.key]
    assert [(frame.slot, frame.counter, frame.asked) for frame in keys] == [
        (0, 0, False),
        (0, 60, True),
        (1, 0, False),
    ]
    assert 1.0 <= keys[1].meant_at - STARTED <= 1.0 + 1 / 15


def lossy(*, rtx: bool) -> tuple[Scenario, list[VideoLine]]:
    numbers = OFFERED["vp8"] if rtx else msgspec.structs.replace(OFFERED["vp8"], rtx=None)
    lines = [msgspec.structs.replace(line, numbers=numbers) for line in LINES]
    return meeting(network=Network(loss=0.01), video=VideoMedia(loss=0.2)), lines


def missing(packets: list[RtpPacket]) -> list[int]:
    """The sequence numbers between the first and the last packet that did not come."""
    came = [packet.sequence_number for packet in packets]
    return sorted(set(range(min(came), max(came))) - set(came))


@pytest.mark.parametrize("rtx", [True, False])
def test_lost_packets_are_repeated_by_rtx_alone(tmp_path: Path, rtx: bool) -> None:
    scenario, lines = lossy(rtx=rtx)

    async def act(sender: VideoSender) -> None:
        sender.show(0, ADA_CAMERA)
        kept = cast(Kept, sender._live_connection())
        asked: set[int] = set()
        for _ in range(35):
            await asyncio.sleep(0.1)
            if new := [number for number in missing(kept.of(7000)) if number not in asked]:
                asked |= set(new[:-1]) or set(new)
                await sender.take_feedback(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=7000, lost=new))

    frames, kept, _ = play(tmp_path, scenario, act, lines)
    lost = [frame for frame in frames if frame.lost]
    repeats = kept.of(8000)
    if not rtx:
        assert lost and not repeats and not any(frame.repeated for frame in frames)
        return
    originals = {int.from_bytes(packet.payload[:2], "big") for packet in repeats}
    assert originals <= set(missing(kept.of(7000)))
    assert sum(frame.repeated for frame in frames) >= len(repeats) > 3
    assert [frame for frame in frames if frame.repeated and frame.arrived]
    assert {packet.payload_type for packet in repeats} == {97}
    assert [packet.sequence_number for packet in repeats] == sorted(
        packet.sequence_number for packet in repeats
    )
    recovered = {packet.timestamp for packet in repeats}
    assert recovered <= {frame.timestamp for frame in frames}


def test_the_same_scenario_loses_the_same_packets(tmp_path: Path) -> None:
    scenario, lines = lossy(rtx=True)
    runs = [play(tmp_path, scenario, showing(ADA_CAMERA), lines)[0] for _ in range(2)]
    assert [frame.lost for frame in runs[0]] == [frame.lost for frame in runs[1]]
    assert any(frame.lost for frame in runs[0])


def test_nothing_passes_in_an_outage(tmp_path: Path) -> None:
    network = Network(outages=[Outage(at=1.0, seconds=1.0)])
    scenario = msgspec.structs.replace(meeting(), network=network, media=Media(signalling="offer"))
    frames, _, _ = play(tmp_path, scenario, showing(ADA_CAMERA))
    within = [frame for frame in frames if 1.07 <= frame.meant_at - STARTED < 1.93]
    assert within and all(not frame.arrived and frame.sent_at is None for frame in within)
    assert all(frame.arrived for frame in frames if frame.meant_at - STARTED < 0.9)


def test_another_connection_begins_with_a_key_frame(tmp_path: Path) -> None:
    async def act(sender: VideoSender) -> None:
        sender.show(0, ADA_CAMERA)
        await asyncio.sleep(1.0)
        cast(Kept, sender._live_connection()).index = 1

    frames, _, _ = play(tmp_path, meeting(2.0), act)
    second = [frame for frame in frames if frame.connection == 1]
    assert second[0].key and not any(frame.key for frame in second[1:])


def test_a_slot_without_a_line_sends_nothing(tmp_path: Path) -> None:
    async def act(sender: VideoSender) -> None:
        sender.show(0, ADA_CAMERA)
        sender.show(5, BEN_CAMERA)
        await asyncio.sleep(1.0)
        sender.set_lines(LINES[1:])

    frames, _, _ = play(tmp_path, meeting(2.0), act)
    assert {frame.slot for frame in frames} == {0}
    assert all(frame.meant_at < STARTED + 1.0 for frame in frames)


def test_frames_of_a_line_are_early_until_the_page_has_taken_the_answer(tmp_path: Path) -> None:
    async def act(sender: VideoSender) -> None:
        sender.show(0, ADA_CAMERA)
        sender.show(1, BEN_CAMERA)
        await asyncio.sleep(0.5)
        sender.answer_lines(LINES)
        await asyncio.sleep(0.5)
        sender.described()

    frames, _, _ = play(tmp_path, meeting(2.0), act, LINES[:1])
    first, second = ([frame for frame in frames if frame.slot == slot] for slot in (0, 1))
    assert not any(frame.early for frame in first)
    assert {frame.early for frame in second} == {True, False}
    assert all(frame.early == (frame.meant_at < STARTED + 1.0) for frame in second)
