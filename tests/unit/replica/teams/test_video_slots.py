"""Which source each slot of a guest shows, by what its page requests."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.teams.main_channel import packed
from fixtures.replica.teams.mix_talk import DominantChange
from fixtures.replica.teams.video_lines import video_lines
from fixtures.replica.teams.video_slots import ANYBODY, FREE, Shown, SlotError, VideoSlots
from fixtures.replica.video.scenario import VideoMedia
from fixtures.replica.video.sources import Source

ALWAYS = [(0.0, 60.0)]
ADA = Participant(name="Ada", voice="elif", csrc=414, cameras=ALWAYS, presents=[(5.0, 10.0)])
BEN = Participant(
    name="Ben",
    voice="nuno",
    csrc=1053,
    csrc_changes=[(8.0, 1266)],
    cameras=[(0.0, 20.0)],
    presents=[(10.0, 15.0)],
)
CLEO = Participant(name="Cleo", voice="chiara", csrc=840, cameras=ALWAYS)
OWN = 201
FIRST, SECOND, SHARE = OWN + 2, OWN + 3, OWN + 11
"""The numbers of two slots for cameras and of the share's; their places are 1, 2 and 10."""
DOMINANT = [DominantChange(1.0, [840]), DominantChange(6.0, [414, 840])]

_numbers = itertools.count(1)


def meeting() -> Scenario:
    return Scenario(
        title="t",
        platform="microsoft_teams",
        duration=60.0,
        participants=[ADA, BEN, CLEO],
        video=VideoMedia(codec="h264"),
    )


def slots() -> VideoSlots:
    return VideoSlots(meeting(), video_lines(OWN), DOMINANT)


def request(source: int, slot: int, most: int = 920) -> bytes:
    control = {
        "sequenceNumber": next(_numbers),
        "controlInfo": {"sourceId": source, "streamMsid": slot, "fmtParams": [{"max-fs": most}]},
    }
    return packed([{"type": "sr", "controlVideoStreaming": control}])


def shown(made: VideoSlots, now: float) -> dict[int, Source]:
    return {place: each.source for place, each in made.shown(now).items()}


def test_a_slot_shows_the_camera_that_was_requested_until_it_is_freed() -> None:
    made = slots()
    (answer,) = made.take(request(1054, FIRST))
    assert (answer["type"], answer["sequenceNumber"] > 0) == ("sr_res", True)
    assert shown(made, 0.0) == {1: Source(1, "webcam")}
    made.take(request(FREE, FIRST))
    assert shown(made, 2.0) == {}


def test_a_share_has_its_own_slot_and_a_number_of_its_presenter() -> None:
    made = slots()
    made.take(request(414 + 11, SHARE))
    assert shown(made, 5.0) == {10: Source(0, "screenshare")}
    made.take(request(414 + 1, SHARE))
    assert shown(made, 7.0) == {}, "a camera is not shown on the line of shares"


def test_the_former_source_of_one_who_rejoined_shows_nothing() -> None:
    made = slots()
    made.take(request(1054, FIRST))
    assert shown(made, 7.9) == {1: Source(1, "webcam")}
    assert shown(made, 8.0) == {}
    made.take(request(1267, FIRST))
    assert shown(made, 9.0) == {1: Source(1, "webcam")}


def test_anybody_is_the_dominant_speaker_and_in_a_second_slot_the_next_one() -> None:
    made = slots()
    made.take(request(ANYBODY, FIRST))
    assert shown(made, 0.5) == {1: Source(0, "webcam")}, "nobody has spoken yet"
    assert shown(made, 1.5) == {1: Source(2, "webcam")}
    assert shown(made, 6.5) == {1: Source(0, "webcam")}
    made.take(request(ANYBODY, SECOND))
    assert shown(made, 7.5) == {1: Source(0, "webcam"), 2: Source(2, "webcam")}
    made.take(request(ANYBODY, SHARE))
    assert shown(made, 12.0)[10] == Source(1, "screenshare")
    assert set(shown(made, 16.0)) == {1, 2}


@pytest.mark.parametrize(("most", "height"), [(8160, 360), (3600, 360), (2040, 180), (920, 180), (1, 180)])
def test_the_largest_pictures_follow_what_the_page_takes(most: int, height: int) -> None:
    made = slots()
    made.take(request(1054, FIRST, most))
    assert made.shown(1.0) == {1: Shown(Source(1, "webcam"), height)}  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from([1054, 415, FREE, ANYBODY]), st.sampled_from([FIRST, SECOND]))))
def test_the_latest_request_of_each_slot_counts(requests: list[tuple[int, int]]) -> None:
    made = slots()
    for source, slot in requests:
        made.take(request(source, slot))
    latest = {slot: source for source, slot in requests}
    settled = shown(made, 1.5)
    for place, slot in ((1, FIRST), (2, SECOND)):
        found, wanted = settled.get(place), latest.get(slot, FREE)
        if wanted == ANYBODY:
            assert found is not None
        else:
            assert found == {1054: Source(1, "webcam"), 415: Source(0, "webcam"), FREE: None}[wanted]


def test_a_new_connection_begins_without_requests() -> None:
    made = slots()
    made.take(request(1054, FIRST))
    made.forget()
    assert shown(made, 1.0) == {}


@pytest.mark.parametrize(
    "message",
    [b"", b"\0" * 8, packed([{"type": 1}]), request(1054, OWN + 1), request(1054, OWN), request(1054, 999)],
)
def test_what_is_no_request_for_a_slot_is_refused(message: bytes) -> None:
    with pytest.raises(SlotError, match=r"main-channel|streamMsid"):
        slots().take(message)


def test_other_messages_of_the_page_have_no_answer() -> None:
    message: Any = [{"type": "other", "more": 1}]
    assert slots().take(packed(message)) == []


def test_what_is_shown_may_change_at_these_times() -> None:
    assert slots().change_times() == [0.0, 1.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 60.0]
