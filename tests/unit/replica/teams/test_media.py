"""What the media server of Teams does with a page's requests for pictures, without a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from fixtures.replica.connection import Connection
from fixtures.replica.scenario import Network, Participant, Scenario
from fixtures.replica.sdp import SdpError
from fixtures.replica.teams import roster
from fixtures.replica.teams.main_channel import PREFIX, packed
from fixtures.replica.teams.media import LONGEST_LAG, TeamsMedia
from fixtures.replica.truth import TruthFrame, TruthWriter
from fixtures.replica.video.scenario import CameraSize, VideoMedia
from fixtures.replica.video.sdp import OFFERED, VideoLine
from fixtures.replica.video.sender import VideoSender
from fixtures.replica.video.sources import Source

ALWAYS = [(0.0, 20.0)]
ADA = Participant(
    name="Ada", voice="elif", csrc=414, cameras=ALWAYS, camera_sizes=[CameraSize(at=0.0, height=360)]
)
BEN = Participant(name="Ben", voice="nuno", csrc=1053, cameras=ALWAYS, presents=[(2.0, 4.0)])
CAMERA_OF_ADA, CAMERA_OF_BEN = Source(0, "webcam"), Source(1, "webcam")
FPS = 15.0


def meeting(seed: int = 1, video: VideoMedia | None = None) -> Scenario:
    return Scenario(
        title="t",
        platform="microsoft_teams",
        duration=20.0,
        participants=[ADA, BEN],
        video=video or VideoMedia(codec="h264", fps=FPS),
        network=Network(seed=seed),
    )


def request(source: int, place: int, most: int = 920) -> bytes:
    slot = roster.own_source(meeting()) + 1 + place
    control = {"sourceId": source, "streamMsid": slot, "fmtParams": [{"max-fs": most}]}
    return packed([{"type": "sr", "controlVideoStreaming": {"sequenceNumber": 7, "controlInfo": control}}])


class Recorder:
    """Takes the place of the sender of video."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, Source | None, int | None, float]] = []

    def show(
        self, slot: int, source: Source | None, *, most_height: int | None = None, lag: float = 0.0
    ) -> None:
        if source is not None:
            self.shown.append((slot, source, most_height, lag))

    async def take_feedback(self, packet: object) -> None:
        """Nothing comes."""


class Answering(TeamsMedia):
    """A media server whose ``main-channel`` is a list, and whose sender of video is ``video``."""

    def __init__(self, scenario: Scenario, truth: Path) -> None:
        super().__init__(scenario, truth)
        self.answers: list[Any] = []
        self.video = Recorder()
        self._video = cast(VideoSender, self.video)

    async def send_main_channel(self, message: bytes) -> None:
        self.answers.append(json.loads(message[PREFIX.size :]))


async def test_a_request_is_answered_and_shown_now_or_a_moment_later(tmp_path: Path) -> None:
    lags = []
    for seed in range(20):
        media = Answering(meeting(seed), tmp_path / "truth")
        media._receive_main_channel(request(1054, 1))
        media._receive_main_channel(request(415, 2, 3600))
        await asyncio.gather(*media._answering)
        assert media.answers == [[{"type": "sr_res", "sequenceNumber": 7, "status": "ok"}]] * 2
        assert [shown[:3] for shown in media.video.shown] == [
            (1, CAMERA_OF_BEN, 180),
            (1, CAMERA_OF_BEN, 180),
            (2, CAMERA_OF_ADA, 360),
        ]
        lags += [lag for *_, lag in media.video.shown]
        await media.close()
    assert min(lags) == 0.0
    assert LONGEST_LAG / 2 < max(lags) <= LONGEST_LAG


async def test_what_is_no_request_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    media = Answering(meeting(), tmp_path / "truth")
    media._receive_main_channel(b"\0" * 9)
    media._receive_main_channel(request(1054, 0))
    assert "streamMsid" in caplog.text
    assert (media.answers, media.video.shown) == ([], [])
    await media.close()


async def test_a_new_connection_shows_nothing_that_the_old_one_requested(tmp_path: Path) -> None:
    media = Answering(meeting(), tmp_path / "truth")
    media._receive_main_channel(request(1054, 1))
    media.video.shown.clear()
    with pytest.raises(SdpError):
        await media.answer("v=0\r\n")
    media._receive_main_channel(request(415, 2))
    assert {slot for slot, *_ in media.video.shown} == {2}
    await media.close()


LINE = VideoLine(1, "5", 39_116, 39_166, OFFERED["h264"])


class Live:
    """Takes the place of a connection."""

    index = 0


class Sending:
    """A sender of one slot, whose clock is turned by hand; ``frames`` are those that it made."""

    def __init__(self, truth: TruthWriter) -> None:
        self.now = 0.0
        self.sender = VideoSender(meeting(), truth, lambda: cast(Connection, Live()))
        self.sender._now = lambda: self.now  # type: ignore[method-assign]
        self.sender.set_lines([LINE])

    def play(self, seconds: float) -> list[TruthFrame]:
        """Lets time pass; returns the frames that it makes."""
        before = len(self.sender._fates)
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            self.sender._make_frames(self.now)
        return [fate.frame for fate in self.sender._fates[before:]]


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[Sending]:
    with closing(TruthWriter(tmp_path / "truth", [], "t", 20.0, ["Ada", "Ben"])) as truth:
        yield Sending(truth)


def owners(frames: list[TruthFrame]) -> list[int]:
    return [frame.participant for frame in frames]


def test_the_former_owners_pictures_come_until_the_lag_is_over(sending: Sending) -> None:
    sending.sender.show(1, CAMERA_OF_BEN)
    sending.play(1.0)
    sending.sender.show(1, CAMERA_OF_ADA, lag=0.3)
    assert set(owners(sending.play(0.29))) == {1}
    (first, *others) = sending.play(0.5)
    assert (first.participant, first.key) == (0, True)
    assert set(owners(others)) == {0}
    assert not any(frame.key for frame in others)


def test_a_lag_ends_before_the_former_owners_next_key_frame(sending: Sending) -> None:
    sending.sender.show(1, CAMERA_OF_BEN)
    keys = [frame for frame in sending.play(8.5) if frame.key]
    assert len(keys) == 3, "a clip has a key frame each 4 s"
    sending.play(3.4)
    sending.sender.show(1, CAMERA_OF_ADA, lag=2.0)
    frames = sending.play(1.9)
    assert [frame.participant for frame in frames if frame.key] == [0]
    assert owners(frames) == sorted(owners(frames), reverse=True)
    assert set(owners(frames)) == {0, 1}
    sending.sender.show(1, CAMERA_OF_BEN, lag=2.0)
    sending.sender.request_key_frame(1)
    first, *_ = sending.play(0.3)
    assert (first.participant, first.key) == (1, True)


def test_the_largest_height_changes_in_mid_stream_with_a_key_frame(sending: Sending) -> None:
    sending.sender.show(1, CAMERA_OF_ADA, most_height=180)
    assert {frame.height for frame in sending.play(1.0)} == {180}
    sending.sender.show(1, CAMERA_OF_ADA, most_height=360, lag=5.0)
    first, *others = sending.play(1.0)
    assert (first.height, first.key) == (360, True)
    assert {(frame.height, frame.key) for frame in others} == {(360, False)}


def test_the_latest_of_several_changes_counts(sending: Sending) -> None:
    sending.sender.show(1, CAMERA_OF_BEN)
    sending.play(1.0)
    sending.sender.show(1, CAMERA_OF_ADA, lag=0.3)
    sending.sender.show(1, CAMERA_OF_BEN, lag=0.2)
    assert set(owners(sending.play(0.5))) == {1}
    sending.sender.show(1, CAMERA_OF_ADA, lag=0.3)
    sending.sender.show(1, None)
    assert sending.play(0.5) == []


def test_a_sender_that_is_late_catches_up_or_begins_anew(sending: Sending) -> None:
    sending.sender.show(1, CAMERA_OF_BEN)
    before = sending.play(1.0)[-1]
    sending.now += 0.5
    late = sending.play(0.01)
    assert [frame.counter - before.counter for frame in late] == list(range(1, len(late) + 1))
    assert len(late) in (7, 8)
    sending.now += 3.0
    (anew,) = sending.play(0.01)
    assert anew.key
