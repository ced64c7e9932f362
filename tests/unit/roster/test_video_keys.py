"""A receiver's key changes at key frames only, and one receiver shows a key at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.video_frames import video_frame
from worker.roster.video_keys import MOST_RECEIVERS, Bounded, ReceiverKeys


def test_a_key_begins_with_a_key_frame() -> None:
    keys = ReceiverKeys()
    assert keys.key_of(1, video_frame(0, 1.0), "ada") is None
    assert keys.key_of(1, video_frame(0, 2.0, key=True), "ada") == "ada"
    assert keys.key_of(1, video_frame(0, 3.0), "ada") == "ada"
    assert keys.key_of(1, video_frame(0, 4.0), "bob") is None
    assert keys.key_of(1, video_frame(0, 5.0), "ada") is None
    assert keys.key_of(1, video_frame(0, 6.0, key=True), None) is None
    assert keys.key_of(1, video_frame(0, 7.0), "ada") is None


def test_the_receiver_with_the_latest_key_frame_has_the_key() -> None:
    keys = ReceiverKeys()
    assert keys.key_of(1, video_frame(0, 1.0, key=True), "ada") == "ada"
    assert keys.key_of(1, video_frame(1, 2.0, key=True), "ada") == "ada"
    assert keys.key_of(1, video_frame(0, 3.0), "ada") is None
    assert keys.key_of(1, video_frame(1, 3.0), "ada") == "ada"
    assert keys.key_of(2, video_frame(0, 4.0, key=True), "ada") == "ada"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.booleans(),
            st.sampled_from(["ada", "bob", None]),
        )
    )
)
def test_what_has_one_key_is_whole_from_a_key_frame_on(seen: list[tuple[int, bool, str | None]]) -> None:
    keys = ReceiverKeys()
    last: dict[int, str | None] = {}
    holder: dict[str, int] = {}
    for place, (receiver, key, wanted) in enumerate(seen):
        shown = keys.key_of(1, video_frame(receiver, float(place), key=key), wanted)
        assert shown in (wanted, None)
        if shown is not None and not key:
            assert last.get(receiver) == shown
            assert holder[shown] == receiver
        if key:
            assert shown == wanted
        if shown is not None:
            holder[shown] = receiver
        last[receiver] = shown


def test_memory_is_bounded() -> None:
    keys = ReceiverKeys()
    for receiver in range(2 * MOST_RECEIVERS):
        assert keys.key_of(1, video_frame(receiver, 0.0, key=True), str(receiver)) is not None
    assert keys.key_of(1, video_frame(0, 1.0), "0") is None
    assert keys.key_of(1, video_frame(2 * MOST_RECEIVERS - 1, 1.0), str(2 * MOST_RECEIVERS - 1)) is not None
    bounded: Bounded[int, str] = Bounded(2)
    for number in (1, 2, 2, 3):
        bounded.put(number, str(number))
    assert [number in bounded for number in (1, 2, 3)] == [False, True, True]
    assert bounded.get(2) == "2"
    assert bounded.get(1) is None
