from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.video.counter import PEOPLE, PICTURES, CounterError, Mark, colour_of, draw, read_mark
from fixtures.replica.video.sources import Kind

MARKS = st.builds(
    Mark,
    st.integers(0, PEOPLE - 1),
    st.sampled_from(["webcam", "screenshare"]),
    st.integers(0, PICTURES - 1),
)


@given(MARKS, st.sampled_from([(320, 180), (640, 360), (1280, 720), (64, 48)]))
def test_the_mark_of_a_drawn_picture_is_read(mark: Mark, size: tuple[int, int]) -> None:
    assert read_mark(draw(mark, *size)) == mark


def test_the_mark_of_a_grey_picture_in_another_size_is_read() -> None:
    mark = Mark(11, "webcam", 77)
    grey = draw(mark, 640, 360).mean(axis=2).astype(np.uint8)
    assert read_mark(grey[::2, ::2]) == mark


def test_every_person_has_another_colour() -> None:
    assert len({colour_of(person) for person in range(PEOPLE)}) == PEOPLE


@pytest.mark.parametrize("kind", ["webcam", "screenshare"])
def test_two_marks_in_one_picture_are_none(kind: Kind) -> None:
    half = draw(Mark(3, kind, 64), 320, 180)
    half[:, 160:] = draw(Mark(4, kind, 13), 320, 180)[:, 160:]
    with pytest.raises(CounterError, match="check"):
        read_mark(half)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.full((180, 320), 128, np.uint8), "block 0/0: brightness 128"),
        (np.zeros((180, 320, 3), np.uint8), "check 0"),
        (np.zeros((4, 8), np.uint8), "too small"),
    ],
)
def test_a_picture_without_a_mark_is_refused(picture: np.ndarray, message: str) -> None:
    with pytest.raises(CounterError, match=message):
        read_mark(picture)
