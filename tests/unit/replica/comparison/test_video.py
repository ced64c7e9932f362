"""What must be in a file of video: all that follows a key frame of its stream."""

from __future__ import annotations

import pytest

from fixtures.replica.comparison.video import decodable
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
