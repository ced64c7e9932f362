"""What must be in a file of video: all that follows a key frame of its stream."""

from __future__ import annotations

import msgspec
import pytest

from fixtures.replica.comparison.video import decodable, due_frames
from fixtures.replica.truth import TruthFrame


def frames(said: str) -> list[TruthFrame]:
    """One for each letter: of the SSRC that it names; a capital is a key frame."""
    return [
        TruthFrame(
            participant=0,
            name="Ada",
            kind="webcam",
            codec="vp8",
            slot=0,
            counter=index,
            key=letter.isupper(),
            temporal=0,
            meant_at=float(index),
            sent_at=float(index),
            connection=1,
            ssrc=ord(letter.lower()),
            timestamp=index,
            first_sequence=index,
            packets=1,
            width=640,
            height=360,
            sha256="",
            length=1,
        )
        for index, letter in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("sent", "lost", "expected"),
    [
        ("Aaaa", [], [0, 1, 2, 3]),
        ("aaAa", [], [2, 3]),
        ("Aaaa", [2], [0, 1, 3]),
        ("AaBbBb", [], [0, 1, 2, 3, 4, 5]),
        ("AaBbBb", [2], [0, 1, 4, 5]),
        ("AaBba", [], [0, 1, 2, 3]),
        ("AaAa", [2], [0, 1, 3]),
        ("Aa", [0], []),
    ],
)
def test_frames_are_due_from_their_streams_first_key_frame_on(
    sent: str, lost: list[int], expected: list[int]
) -> None:
    due = [index for index in range(len(sent)) if index not in lost]
    assert decodable(frames(sent), due) == expected


def test_what_may_have_been_early_is_due_if_it_was_found() -> None:
    sent = frames("AaaaAa")
    sent[:3] = [msgspec.structs.replace(frame, early=True) for frame in sent[:3]]
    assert due_frames(sent, {1}, lambda frame: frame.counter != 4) == [1, 3, 5]
    assert decodable(sent, [1, 3, 5]) == []
    assert due_frames(sent, {0}, lambda frame: True) == [0, 3, 4, 5]
