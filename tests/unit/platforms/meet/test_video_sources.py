"""The owners of the videos of a Google Meet call, by stream ids and by contributing sources."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.meet_wire import device, listed, message, nested, output, user
from tests.support.video_frames import video_frame, video_track
from worker.platforms.meet import video_sources
from worker.platforms.meet.video_sources import CONTRADICTION, NO_STREAM, MeetVideoSources
from worker.roster.sources import LOUDEST_MARKER
from worker.roster.video_sources import NOBODYS, VideoEvidence, VideoKind, VideoOwner
from worker.tape.events import ChannelMessage, TapeEvent, Tile, TilesSeen, VideoFrame

VIDEO = 2


def pushed(data: bytes, at: float = 0.0) -> ChannelMessage:
    return ChannelMessage(at=at, document=1, connection=0, label="collections", payload=data)


def call(*people: bytes, at: float = 0.0) -> ChannelMessage:
    return pushed(b"".join(listed(each) for each in people), at)


ADA = user(1, "Ada", (4, 1))
BOB = user(2, "Bob", (4, 1))
SCREEN = user(3, "Ada (Presentation)", (4, 1), (21, device(1)))


def webcam(number: int, evidence: VideoEvidence = VideoEvidence.STREAM_ID) -> VideoOwner:
    return VideoOwner(device(number), VideoKind.WEBCAM, evidence)


def observed(*events: TapeEvent) -> MeetVideoSources:
    sources = MeetVideoSources()
    for event in events:
        sources.observe(event)
    return sources


def key_of(sources: MeetVideoSources, frame: VideoFrame) -> str:
    key = sources.source_of(1, frame)
    assert key is not None
    return key


def test_the_stream_id_of_a_video_output_names_the_owner() -> None:
    sources = observed(call(ADA, BOB), pushed(output(1, "s1", VIDEO)), video_track(7, "s1"))
    key = key_of(sources, video_frame(7, 1.0, key=True))
    assert sources.owner_of(key) == webcam(1)
    assert sources.source_of(1, video_frame(7, 1.1)) == key
    assert sources.warnings() == []


def test_a_track_waits_for_its_output() -> None:
    sources = observed(call(ADA), video_track(7, "s1"))
    key = key_of(sources, video_frame(7, 1.0, key=True))
    assert sources.owner_of(key) == NOBODYS
    sources.observe(pushed(output(1, "s1", VIDEO), at=2.0))
    assert sources.source_of(1, video_frame(7, 2.1)) == key
    assert sources.owner_of(key) == webcam(1)


def test_a_presentation_is_its_presenters_screen_share() -> None:
    sources = observed(call(ADA, SCREEN), pushed(output(3, "s3", VIDEO)), video_track(7, "s3"))
    key = key_of(sources, video_frame(7, 1.0, key=True))
    assert sources.owner_of(key) == VideoOwner(device(1), VideoKind.SCREENSHARE, VideoEvidence.STREAM_ID)


def test_frames_of_a_presentation_that_list_the_presenter_are_the_screen() -> None:
    sources = observed(
        call(ADA, SCREEN), pushed(output(1, "100") + output(3, "s3", VIDEO)), video_track(7, "s3")
    )
    key = key_of(sources, video_frame(7, 1.0, key=True, csrcs=(100,)))
    assert sources.owner_of(key).kind is VideoKind.SCREENSHARE
    assert sources.owner_of(key).device_id == device(1)
    assert sources.warnings() == []


def test_an_output_without_its_user_is_nobodys() -> None:
    sources = observed(pushed(output(1, "s1", VIDEO)), video_track(7, "s1"))
    assert sources.owner_of(key_of(sources, video_frame(7, 1.0, key=True))) == NOBODYS


def test_an_output_of_unknown_form_is_found_by_the_search() -> None:
    moved = nested("9.8", message((2, VIDEO), (4, "s1"), (6, device(1))))
    sources = observed(call(ADA), pushed(moved), video_track(7, "s1"))
    assert sources.owner_of(key_of(sources, video_frame(7, 1.0, key=True))) == webcam(1)


def test_the_next_track_of_a_receiver_counts_from_its_next_key_frame_on() -> None:
    sources = observed(call(ADA, BOB), pushed(output(1, "s1", VIDEO) + output(2, "s2", VIDEO)))
    sources.observe(video_track(7, "s1"))
    first = key_of(sources, video_frame(7, 1.0, key=True))
    sources.observe(video_track(7, "s2", at=2.0))
    assert sources.source_of(1, video_frame(7, 1.9)) == first
    assert sources.source_of(1, video_frame(7, 2.1)) is None
    second = key_of(sources, video_frame(7, 2.2, key=True))
    assert (sources.owner_of(first), sources.owner_of(second)) == (webcam(1), webcam(2))


def test_a_stream_that_another_device_gets_is_another_source() -> None:
    sources = observed(call(ADA, BOB), pushed(output(1, "s1", VIDEO)), video_track(7, "s1"))
    first = key_of(sources, video_frame(7, 1.0, key=True))
    sources.observe(pushed(output(2, "s1", VIDEO), at=2.0))
    assert sources.source_of(1, video_frame(7, 2.1)) is None
    second = key_of(sources, video_frame(7, 2.2, key=True))
    assert (sources.owner_of(first), sources.owner_of(second)) == (webcam(1), webcam(2))


def test_contributing_sources_name_the_owner_of_a_slot() -> None:
    sources = observed(call(ADA, BOB), pushed(output(1, "100") + output(2, "200")), video_track(7, "virtual"))
    first = key_of(sources, video_frame(7, 1.0, key=True, csrcs=(LOUDEST_MARKER, 100)))
    assert sources.source_of(1, video_frame(7, 1.1, csrcs=(200,))) is None
    second = key_of(sources, video_frame(7, 1.2, key=True, csrcs=(200,)))
    assert sources.owner_of(first) == webcam(1, VideoEvidence.CSRC)
    assert sources.owner_of(second) == webcam(2, VideoEvidence.CSRC)


def test_frames_outrank_the_line_and_the_contradiction_is_said_once() -> None:
    roster = pushed(output(1, "100") + output(2, "200") + output(1, "s1", VIDEO))
    sources = observed(call(ADA, BOB), roster, video_track(7, "s1"))
    assert sources.owner_of(key_of(sources, video_frame(7, 1.0, key=True))) == webcam(1)
    bobs = key_of(sources, video_frame(7, 2.0, key=True, csrcs=(200,)))
    assert sources.owner_of(bobs) == webcam(2, VideoEvidence.CSRC)
    unknown = key_of(sources, video_frame(7, 3.0, key=True, csrcs=(300,)))
    assert sources.owner_of(unknown) == NOBODYS
    assert sources.warnings() == [CONTRADICTION]


@pytest.mark.parametrize("known", ["before", "after", "never"])
@pytest.mark.parametrize("lists", [{0}, {3, 4, 5}, {0, 2, 4}, {1, 3, 5}], ids=str)
def test_lists_of_contributing_sources_that_come_and_go_end_nothing(lists: set[int], known: str) -> None:
    """Of a source that begins with one key frame: only some frames list its contributing source."""
    outputs = pushed(output(1, "100") + output(1, "s1", VIDEO))
    sources = observed(call(ADA, BOB), video_track(7, "s1"))
    if known == "before":
        sources.observe(outputs)
    frames = [video_frame(7, 1 + at / 30, key=not at, csrcs=(100,) if at in lists else ()) for at in range(6)]
    first, *others = [sources.source_of(1, frame) for frame in frames]
    assert first is not None
    assert set(others) == {first}
    if known == "after":
        sources.observe(outputs)
    assert sources.owner_of(first).device_id == (None if known == "never" else device(1))
    assert sources.warnings() == []


def test_a_contributing_source_that_appears_names_the_owner_of_a_slot() -> None:
    sources = observed(call(ADA, BOB), pushed(output(1, "100") + output(2, "200")), video_track(7, "virtual"))
    key = key_of(sources, video_frame(7, 1.0, key=True))
    assert sources.source_of(1, video_frame(7, 1.1, csrcs=(100,))) == key
    assert sources.owner_of(key) == webcam(1, VideoEvidence.CSRC)
    assert sources.source_of(1, video_frame(7, 1.2, csrcs=(200,))) is None
    again = key_of(sources, video_frame(7, 1.3, key=True))
    assert sources.source_of(1, video_frame(7, 1.4, csrcs=(200,))) == again
    assert sources.owner_of(again) == NOBODYS
    assert sources.warnings() == [CONTRADICTION]


def test_a_contributing_source_that_appears_and_contradicts_the_stream_ends_it() -> None:
    outputs = pushed(output(2, "200") + output(1, "s1", VIDEO))
    sources = observed(call(ADA, BOB), outputs, video_track(7, "s1"))
    assert sources.owner_of(key_of(sources, video_frame(7, 1.0, key=True))) == webcam(1)
    assert sources.source_of(1, video_frame(7, 1.1, csrcs=(200,))) is None


def test_another_contributing_source_of_the_same_device_goes_on() -> None:
    outputs = pushed(output(1, "100") + output(1, "101") + output(2, "200"))
    sources = observed(call(ADA, BOB), outputs, video_track(7, "virtual"))
    key = key_of(sources, video_frame(7, 1.0, key=True, csrcs=(100,)))
    assert sources.source_of(1, video_frame(7, 1.1, csrcs=(101,))) == key
    assert sources.source_of(1, video_frame(7, 1.2, csrcs=(200,))) is None


@pytest.mark.parametrize("csrcs", [(), (100,)], ids=["no list", "a list"])
@pytest.mark.parametrize("status", [6, 7])
def test_a_device_that_is_shown_gone_and_back_goes_on(status: int, csrcs: tuple[int, ...]) -> None:
    outputs = pushed(output(1, "100") + output(1, "s1", VIDEO))
    sources = observed(call(ADA, BOB), outputs, video_track(7, "s1"))
    key = key_of(sources, video_frame(7, 1.0, key=True, csrcs=csrcs))
    sources.observe(call(user(1, "Ada", (4, status)), at=5.0))
    seen = [sources.source_of(1, video_frame(7, at, csrcs=csrcs)) for at in (5.1, 9.9, 10.1, 11.9)]
    sources.observe(call(ADA, at=12.0))
    seen += [sources.source_of(1, video_frame(7, at, csrcs=csrcs)) for at in (12.1, 20.0)]
    assert set(seen) == {key}
    assert sources.owner_of(key).device_id == device(1)
    after = key_of(sources, video_frame(7, 21.0, key=True, csrcs=csrcs))
    assert sources.owner_of(after).device_id == device(1)


def test_the_last_frames_of_one_who_left_do_not_cost_the_owner() -> None:
    """The number and the stream of somebody who is gone are another's later, who begins with a key frame."""
    outputs = pushed(output(1, "100") + output(1, "s1", VIDEO))
    sources = observed(call(ADA, BOB), outputs, video_track(7, "s1"))
    first = key_of(sources, video_frame(7, 1.0, key=True, csrcs=(100,)))
    sources.observe(call(user(1, "Ada", (4, 6)), at=5.0))
    assert sources.source_of(1, video_frame(7, 11.0, csrcs=(100,))) == first
    sources.observe(pushed(output(2, "100") + output(2, "s1", VIDEO), at=12.0))
    assert sources.source_of(1, video_frame(7, 12.1, csrcs=(100,))) is None
    second = key_of(sources, video_frame(7, 12.2, key=True, csrcs=(100,)))
    assert sources.owner_of(first) == webcam(1, VideoEvidence.CSRC)
    assert sources.owner_of(second) == webcam(2, VideoEvidence.CSRC)


def test_an_unknown_contributing_source_leaves_the_owner_to_the_stream() -> None:
    sources = observed(call(ADA), pushed(output(1, "s1", VIDEO)), video_track(7, "s1"))
    key = key_of(sources, video_frame(7, 1.0, key=True, csrcs=(9,)))
    assert sources.owner_of(key) == webcam(1)


def test_numbers_in_tiles_do_not_outrank_the_stream() -> None:
    tile = Tile(participant_id=device(2), name="Bob", sources=["9"])
    sources = observed(call(ADA, BOB), pushed(output(1, "s1", VIDEO)), video_track(7, "s1"))
    sources.observe(TilesSeen(at=0.0, document=1, tiles=[tile]))
    key = key_of(sources, video_frame(7, 1.0, key=True, csrcs=(9,)))
    assert sources.owner_of(key) == webcam(1)


def test_tracks_without_a_stream_are_kept_apart_as_nobodys() -> None:
    sources = observed(call(ADA), video_track(7), video_track(8))
    keys = {sources.source_of(1, video_frame(receiver, 1.0, key=True)) for receiver in (7, 8, 9)}
    assert len(keys - {None}) == 3
    assert {sources.owner_of(key) for key in keys if key is not None} == {NOBODYS}
    assert sources.warnings() == [NO_STREAM]
    assert sources.owner_of("another") == NOBODYS


@pytest.mark.parametrize("tells_empty", [False, True], ids=["no event", "an event without a stream"])
@pytest.mark.parametrize("overtaken", [False, True], ids=["frames came later", "frames came first"])
def test_what_a_receiver_shows_before_its_first_stream_is_that_streams(
    tells_empty: bool, overtaken: bool
) -> None:
    """The first frames of a connection may overtake the track event that names them."""
    sources = observed(call(ADA), pushed(output(1, "s1", VIDEO)))
    if tells_empty:
        sources.observe(video_track(7, at=0.5))
    first = key_of(sources, video_frame(7, 1.0, key=True)) if overtaken else None
    sources.observe(video_track(7, "s1", at=1.1))
    if first is None:
        first = key_of(sources, video_frame(7, 1.0, key=True))
    assert sources.source_of(1, video_frame(7, 1.05)) == first
    assert sources.source_of(1, video_frame(7, 1.2)) == first
    assert sources.owner_of(first) == webcam(1)
    assert sources.warnings() == []


def switched(
    *, last: float, key_frames: list[float], event: float
) -> tuple[MeetVideoSources, str, list[str | None]]:
    """Ada's frames until ``last``, then key frames; Bob's track event comes at ``event``. Returns the sources, Ada's key, and
    those of the key frames with a frame after each."""
    sources = observed(call(ADA, BOB), pushed(output(1, "s1", VIDEO) + output(2, "s2", VIDEO)))
    sources.observe(video_track(7, "s1"))
    sources.observe(video_track(7, "s2", at=event))
    first = key_of(sources, video_frame(7, 1.0, key=True))
    assert sources.source_of(1, video_frame(7, last)) == first
    frames = [video_frame(7, at + late, key=not late) for at in key_frames for late in (0.0, 0.03)]
    return sources, first, [sources.source_of(1, frame) for frame in frames]


def test_what_comes_after_a_pause_shortly_before_a_track_event_is_of_its_stream() -> None:
    sources, first, [key, following] = switched(last=1.4, key_frames=[1.95], event=2.0)
    assert key == following != first
    assert key is not None
    assert sources.owner_of(key) == webcam(2)


def test_a_key_frame_in_a_stream_shortly_before_a_track_event_is_nobodys() -> None:
    sources, first, keys = switched(last=1.9, key_frames=[1.95, 2.1], event=2.0)
    assert keys[:2] == [None, None]
    assert keys[2] == keys[3] != first
    assert keys[2] is not None
    assert sources.owner_of(keys[2]) == webcam(2)


def test_a_key_frame_long_before_a_track_event_is_of_the_stream_before() -> None:
    _, first, keys = switched(last=1.1, key_frames=[1.2, 2.1], event=2.0)
    assert keys[:2] == [first, first]
    assert keys[2] not in (None, first)


def test_a_receiver_that_loses_its_stream_shows_nobody() -> None:
    sources = observed(call(ADA), pushed(output(1, "s1", VIDEO)), video_track(7, at=0.5))
    first = key_of(sources, video_frame(7, 1.0, key=True))
    for at, stream in ((1.1, "s1"), (2.0, None)):
        sources.observe(video_track(7, *filter(None, [stream]), at=at))
    assert sources.source_of(1, video_frame(7, 2.1)) is None
    second = key_of(sources, video_frame(7, 2.2, key=True))
    assert (sources.owner_of(first), sources.owner_of(second)) == (webcam(1), NOBODYS)


def test_a_hostile_page_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_sources, "MOST_KEYS", 500)
    sources = MeetVideoSources()
    tracemalloc.start()
    try:
        for number in range(4_000):
            sources.observe(video_track(number % 3_000, f"{number}" + "x" * 300, at=number))
            sources.source_of(1, video_frame(number, number, key=True, csrcs=(number,)))
            sources.observe(video_track(5, f"{number}" + "x" * 150, at=number))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 8 * 1024 * 1024
    assert len(sources._sources) <= video_sources.MOST_KEYS


TEXTS = st.sampled_from(["", "s1", "s2", "\x00", "5.0.0/1s1"])
EVENTS = st.one_of(
    st.builds(video_track, st.integers(0, 2), TEXTS, at=st.floats(0, 10)),
    st.builds(pushed, st.binary(max_size=60), st.floats(0, 10)),
    st.builds(
        lambda number, stream, kind, at: pushed(output(number, stream, kind), at),
        st.integers(1, 3),
        TEXTS,
        st.integers(1, 2),
        st.floats(0, 10),
    ),
    st.just(call(ADA, BOB, SCREEN)),
)
FRAMES = st.builds(
    video_frame,
    st.integers(0, 2),
    st.floats(0, 10),
    key=st.booleans(),
    csrcs=st.lists(st.integers(0, 300), max_size=3).map(tuple),
)


@given(st.lists(st.one_of(EVENTS, FRAMES), max_size=40))
def test_nothing_raises(seen: list[TapeEvent | VideoFrame]) -> None:
    sources = MeetVideoSources()
    for each in seen:
        if isinstance(each, VideoFrame):
            key = sources.source_of(1, each)
            if key is not None:
                assert isinstance(sources.owner_of(key), VideoOwner)
        else:
            sources.observe(each)
