"""The stretches of speech of one speaker."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.opus_encoder import OpusEncoder
from fixtures.replica.teams.mix_audio import NOISE_BIT_RATE, comfort_noise
from fixtures.replica.voices import load_voice
from tests.support.streams import Stream, tape
from tests.support.tapes import feed_all
from worker.platforms.registry import Platform
from worker.rendering.renderer import Renderer
from worker.stems.speaker_track import SPURT_GAP, SpeakerTrack

NOISE = next(OpusEncoder(NOISE_BIT_RATE).encode(block) for block in comfort_noise(1))
SHORT = b"\x78noise"
VOICE = load_voice("elif").speech[20].payload
REFRESHES = [0.4 * number for number in range(1, 20)]


class Silent:
    def write(self, position: int, samples: int, payload: bytes) -> None:
        pass

    def be_silent(self, position: int, samples: int) -> None:
        pass


def track(*runs: tuple[float, int, bytes]) -> SpeakerTrack:
    """A track with runs of (start in seconds, number of packets of 20 ms, payload)."""
    track = SpeakerTrack(Silent())
    for start, packets, payload in runs:
        for number in range(packets):
            track.speak(round(start * 48_000) + 960 * number, 960, payload)
    return track


def seconds(track: SpeakerTrack) -> list[tuple[float, float]]:
    return [(start / 48_000, end / 48_000) for start, end in track.intervals()]


@pytest.mark.parametrize("refresh", [NOISE, SHORT])
def test_refreshes_of_comfort_noise_are_no_speech(refresh: bytes) -> None:
    noise = [(3 + at, 1, refresh) for at in REFRESHES]
    heard = track((1.0, 50, VOICE), *noise, (12.0, 25, VOICE), (13.0, 1, refresh))
    assert seconds(heard) == [(1.0, 2.0), (12.0, 12.5)]
    assert (heard.speech_length, heard.spoke_until) == (72_000, 12.5 * 48_000)
    assert seconds(track(*noise)) == []
    assert track(*noise).speech_length == 0


@pytest.mark.parametrize(
    ("packets", "payload"), [(1, VOICE), (1, b"\xf8" + bytes(40)), (2, NOISE), (2, SHORT)]
)
def test_a_lone_packet_with_a_voice_and_a_run_of_any_packets_are_speech(packets: int, payload: bytes) -> None:
    assert seconds(track((1.0, packets, payload))) == [(1.0, 1.0 + 0.02 * packets)]


def test_a_refresh_that_is_close_to_speech_belongs_to_it() -> None:
    assert seconds(track((1.0, 50, VOICE), (2.2, 1, NOISE), (2.4, 10, VOICE))) == [(1.0, 2.6)]


runs = st.lists(
    st.tuples(
        st.integers(0, 2 * SPURT_GAP // 120), st.integers(1, 4), st.sampled_from([NOISE, SHORT, VOICE])
    ),
    max_size=20,
)


@given(runs)
def test_the_length_of_speech_is_that_of_its_stretches(runs: list[tuple[int, int, bytes]]) -> None:
    track, at = SpeakerTrack(Silent()), 0
    for gap, packets, payload in runs:
        at += 120 * gap
        for _ in range(packets):
            track.speak(at, 960, payload)
            at += 960
        intervals = track.intervals()
        assert track.speech_length == sum(end - start for start, end in intervals)
        assert track.spoke_until == (intervals[-1][1] if intervals else -SPURT_GAP)


@pytest.mark.parametrize("platform", Platform)
def test_who_sends_only_comfort_noise_did_not_speak(platform: Platform, tmp_path: Path) -> None:
    ann, bo = Stream(0, 6666), Stream(1, 6667)
    frames = ann.frames(1.0, 2.0, [414], [VOICE])
    for at in REFRESHES:
        frames += bo.frames(at, at + 0.02, [627], [NOISE])
    renderer = Renderer(tmp_path, platform)
    feed_all(renderer, tape(platform, 10.0, frames))
    assert [each.name for each in renderer.progress().speakers] == ["Unknown 1"]
    manifest = renderer.finish()
    assert [each.sources[0].csrc for _, each in manifest.segments()] == [414]
    assert len(list((tmp_path / "streams").iterdir())) == 1
    with wave.open(str(tmp_path / "audio.wav")) as mix:
        assert mix.getnframes() == 480_000
