"""One speaker's packets in the stem, and the stretches of speech that they make."""

from __future__ import annotations

import pytest

from worker.stems.speaker_track import SpeakerTrack


class Stem:
    """Takes packets back to back."""

    def __init__(self) -> None:
        self.end = 0

    def write(self, position: int, samples: int, payload: bytes) -> None:
        assert position == self.end
        self.end += samples

    def be_silent(self, position: int, samples: int) -> None:
        assert position == self.end
        self.end += samples


@pytest.mark.parametrize(
    ("pause", "stretches"),
    [(0.0, 1), (0.1, 1), (0.245, 1), (0.25, 2), (0.4, 2), (3.0, 2)],
)
def test_a_pause_of_250_ms_ends_a_stretch_of_speech(pause: float, stretches: int) -> None:
    track = SpeakerTrack(Stem())
    begins = 480 + 1_920 + round(pause * 48_000)
    for position in (480, 1_440, begins, begins + 960):
        track.speak(position, 960, b"\x78speech")
    expected = [(480, 2_400), (begins, begins + 1_920)] if stretches == 2 else [(480, begins + 1_920)]
    assert track.intervals() == expected


def test_without_speech_there_is_no_stretch() -> None:
    track = SpeakerTrack(Stem())
    track.be_silent_until(48_000)
    assert track.intervals() == []
    assert track.end == 48_000


NOISE = bytes([9 << 3, 0x00]) + bytes(40)
"""20 ms of SILK in which the encoder found no voice."""


@pytest.mark.parametrize("is_expected", [True, False])
def test_a_lone_packet_without_a_voice_is_speech_where_that_is_expected(is_expected: bool) -> None:
    track = SpeakerTrack(Stem())
    if is_expected:
        track.expect_speech()
    track.speak(48_000, 960, NOISE)
    track.speak(96_000, 960, NOISE)
    assert track.intervals() == ([(48_000, 48_960)] if is_expected else [])


def test_speech_is_expected_of_the_next_packet_only() -> None:
    track = SpeakerTrack(Stem())
    track.speak(480, 960, b"\x78speech")
    track.expect_speech()
    track.speak(2_400, 960, NOISE)
    track.speak(96_000, 960, NOISE)
    assert track.intervals() == [(480, 3_360)]
