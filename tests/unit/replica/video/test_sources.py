from __future__ import annotations

import msgspec
import pytest

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.video.scenario import CameraSize, VideoMedia
from fixtures.replica.video.sources import Source, change_times, fps_of, height_at, sources_on

ADA = Participant(
    name="Ada",
    voice="elif",
    csrc=1,
    cameras=[(0.0, 4.0), (6.0, 30.0)],
    camera_sizes=[CameraSize(at=2.0, height=360), CameraSize(at=7.0, height=180)],
    joins=1.0,
    leaves=9.0,
)
BEN = Participant(name="Ben", voice="nuno", csrc=2, cameras=[(0.0, 5.0)], presents=[(3.0, 8.0)])
MEETING = Scenario(title="t", duration=20.0, participants=[ADA, BEN], video=VideoMedia(fps=15.0))
ADA_CAMERA, BEN_CAMERA, BEN_SCREEN = Source(0, "webcam"), Source(1, "webcam"), Source(1, "screenshare")


@pytest.mark.parametrize(
    ("now", "on"),
    [
        (0.0, [BEN_CAMERA]),
        (1.0, [ADA_CAMERA, BEN_CAMERA]),
        (3.0, [BEN_SCREEN, ADA_CAMERA, BEN_CAMERA]),
        (4.0, [BEN_SCREEN, BEN_CAMERA]),
        (5.0, [BEN_SCREEN]),
        (6.0, [BEN_SCREEN, ADA_CAMERA]),
        (8.0, [ADA_CAMERA]),
        (9.0, []),
    ],
)
def test_a_source_is_on_while_its_participant_is_there(now: float, on: list[Source]) -> None:
    assert sources_on(MEETING, now) == on
    assert sources_on(msgspec.structs.replace(MEETING, video=None), now) == []


def test_whatever_changes_has_its_time() -> None:
    assert change_times(MEETING) == [0.0, 1.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0]
    assert change_times(msgspec.structs.replace(MEETING, video=None)) == [0.0]
    for early, late in zip(change_times(MEETING), [*change_times(MEETING)[1:], 20.0], strict=True):
        assert sources_on(MEETING, early) == sources_on(MEETING, late - 0.01)


def test_sizes_and_rates() -> None:
    assert [height_at(MEETING, ADA_CAMERA, now) for now in (0.0, 2.0, 6.9, 7.0)] == [180, 360, 360, 180]
    assert height_at(MEETING, BEN_SCREEN, 0.0) == 720
    assert (fps_of(MEETING, ADA_CAMERA), fps_of(MEETING, BEN_SCREEN)) == (15.0, 5.0)
