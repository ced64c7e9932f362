from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.meet.video import TILES, Layout, Shown, VideoLayout, ssrcs_of
from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.video.scenario import VideoMedia
from fixtures.replica.video.sources import Source, change_times


def person(number: int, cameras: list[tuple[float, float]]) -> Participant:
    return Participant(name=f"P{number}", voice="elif", csrc=1000 + number, cameras=cameras)


def meeting(*people: Participant) -> Scenario:
    return Scenario(title="t", duration=30.0, participants=list(people), video=VideoMedia())


def camera(number: int) -> Shown:
    return Shown(Source(number, "webcam"), str(501_000 + number))


EVERYBODY = meeting(*(person(number, [(0.0, 30.0)]) for number in range(16)))


@pytest.mark.parametrize("layout", TILES)
def test_a_layout_decides_how_many_are_shown(layout: Layout) -> None:
    video = VideoLayout(EVERYBODY)
    video.layout = layout
    (state,) = video.steps(0.0)
    shown = [camera(number) for number in range(TILES[layout])]
    assert state == shown + [None] * (2 - len(shown))


def test_nothing_is_shown_where_incoming_video_is_off() -> None:
    video = VideoLayout(EVERYBODY)
    (video.lines,) = video.steps(0.0)
    video.incoming = False
    assert video.steps(0.0) == [[None] * 4]


def test_a_scenario_without_video_shows_nothing() -> None:
    assert VideoLayout(msgspec.structs.replace(EVERYBODY, video=None)).steps(0.0) == []


def test_a_line_is_silent_before_it_has_another_owner() -> None:
    video = VideoLayout(meeting(person(0, [(0.0, 5.0)]), person(1, [(0.0, 30.0)]), person(2, [(5.0, 30.0)])))
    (video.lines,) = video.steps(0.0)
    assert video.lines == [camera(0), camera(1)]
    assert video.steps(5.0) == [[None, camera(1)], [camera(2), camera(1)]]


def test_a_screen_takes_the_place_of_a_camera_and_each_has_a_stream() -> None:
    people = [person(number, [(0.0, 30.0)]) for number in range(4)]
    people[0] = msgspec.structs.replace(people[0], presents=[(2.0, 4.0), (6.0, 8.0)])
    video = VideoLayout(meeting(*people))
    (video.lines,) = video.steps(0.0)
    gone, screen = video.steps(2.0)
    assert gone == [camera(0), camera(1), camera(2), None]
    assert screen[3] == Shown(Source(0, "screenshare"), "701000")
    video.lines = screen
    video.lines = video.steps(5.0)[-1]
    assert video.steps(6.0)[-1][3] == Shown(Source(0, "screenshare"), "701001")


SPANS = st.lists(st.integers(0, 30), min_size=2, max_size=4, unique=True).map(
    lambda edges: [
        (float(early), float(late)) for early, late in zip(*[iter(sorted(edges))] * 2, strict=False)
    ]
)


@given(st.lists(SPANS, max_size=16), st.lists(st.sampled_from(sorted(TILES)), min_size=1, max_size=8))
def test_every_source_that_fits_is_shown_once_and_keeps_its_line(
    cameras: list[list[tuple[float, float]]], layouts: list[Layout]
) -> None:
    scenario = meeting(*(person(number, spans) for number, spans in enumerate(cameras)))
    video = VideoLayout(scenario)
    for place, now in enumerate(change_times(scenario)):
        video.layout = layouts[place % len(layouts)]
        wanted, before = video.wanted(now), video.lines
        for state in video.steps(now):
            # Whoever is in both has the same line, and no line gets another owner at once.
            for was, is_ in zip(video.lines, state, strict=False):
                assert was == is_ or was is None or is_ is None
            video.lines = state
        shown = [each for each in video.lines if each is not None]
        assert sorted(shown) == sorted(wanted) and len(wanted) <= TILES[video.layout]
        assert all(video.lines.index(each) == before.index(each) for each in wanted if each in before)
        assert 2 <= len(video.lines) <= 16
    assert video.steps(now) == []


def test_no_two_lines_share_an_ssrc() -> None:
    numbers = [ssrc for slot in range(16) for ssrc in ssrcs_of(slot)]
    assert len(set(numbers)) == 32
