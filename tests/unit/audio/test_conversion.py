"""Other forms of stems and mixes are as long as these, and in step with them."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from tests.support.audio_files import Pcm, decoded, lag, likeness
from worker.audio.conversion import convert
from worker.audio.converted_forms import FORMS, converted_bytes
from worker.audio.wav import WavWriter
from worker.audio.webm import WebmWriter

SPEECH = [packet.payload for packet in load_voice("aria").speech][:250]
BEFORE = 24_000
SAMPLES = BEFORE + len(SPEECH) * 960 + 48_000


def write_stem(path: Path, payloads: list[bytes] = SPEECH) -> bytes:
    """Half a second of silence, speech, a second of silence."""
    writer = WebmWriter(path)
    writer.be_silent(0, BEFORE)
    for number, payload in enumerate(payloads):
        writer.write(BEFORE + number * 960, 960, payload)
    writer.be_silent(BEFORE + len(payloads) * 960, 48_000)
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_stem(tmp_path_factory.mktemp("stem") / "stem.webm")


def converted(form: str, source: bytes, samples: int = SAMPLES) -> bytes:
    return b"".join(convert(form, io.BytesIO(source), samples))


def test_raw_is_the_decoded_stem_at_16_khz(stem: bytes) -> None:
    samples = np.frombuffer(converted("raw", stem), "<i2").astype(np.float64)
    expected = decoded(stem, 16_000)
    assert len(samples) == len(expected) == SAMPLES // 3
    assert abs(lag(expected, samples)) <= 1, (
        "FFmpeg's own decoder of Opus, by which it is judged, has a delay of its own"
    )
    assert likeness(expected, samples) > 0.9


def test_mp3_is_as_long_as_the_stem_and_in_step_with_it(stem: bytes) -> None:
    data = converted("mp3", stem)
    played, expected = decoded(data), decoded(stem)
    assert len(played) == SAMPLES
    assert abs(lag(expected, played)) <= 48
    assert likeness(expected, played) > 0.95
    with av.open(io.BytesIO(data), "r") as container:
        assert container.streams.audio[0].codec_context.name in {"mp3", "mp3float"}


@pytest.mark.parametrize("form", FORMS)
def test_the_mix_is_converted_likewise(form: str, tmp_path: Path) -> None:
    tone = (8_000 * np.sin(np.arange(96_000) * 2 * np.pi * 440 / 48_000)).astype(np.int32)
    writer = WavWriter(tmp_path / "mix.wav")
    writer.write(tone)
    writer.close()
    data = converted(form, (tmp_path / "mix.wav").read_bytes(), 96_000)
    if form == "raw":
        played: Pcm = np.frombuffer(data, "<i2").astype(np.float64)
        expected = tone[::3].astype(np.float64)
    else:
        played, expected = decoded(data), tone.astype(np.float64)
    assert len(played) == len(expected)
    assert likeness(expected, played) > 0.99


def test_a_packet_that_cannot_be_decoded_is_silent_and_moves_nothing(stem: bytes, tmp_path: Path) -> None:
    broken = write_stem(tmp_path / "broken.webm", [*SPEECH[:50], b"\x0b" + bytes(30), *SPEECH[51:]])
    whole = np.frombuffer(converted("raw", stem), "<i2").astype(np.float64)
    rest = np.frombuffer(converted("raw", broken), "<i2").astype(np.float64)
    assert len(rest) == len(whole)
    after = (BEFORE + 60 * 960) // 3
    assert likeness(whole[after:], rest[after:]) > 0.99


ONE_FRAME = 48
"""Samples: fewer, less than a millisecond, are one frame, and FFmpeg refuses an MP3 of one frame."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(samples=1, form="mp3")
@example(samples=ONE_FRAME, form="mp3")
@given(samples=st.integers(0, SAMPLES + 100_000), form=st.sampled_from(FORMS))
def test_any_length_is_kept_to_the_byte(stem: bytes, samples: int, form: str) -> None:
    data = converted(form, stem, samples)
    assert len(data) == converted_bytes(form, samples)
    if form == "mp3" and samples >= ONE_FRAME:
        assert len(decoded(data)) == samples


def test_an_unknown_form_or_file_is_refused(stem: bytes) -> None:
    for call in (lambda: converted_bytes("ogg", 1), lambda: converted("ogg", stem)):
        with pytest.raises(ValueError, match="expected raw or mp3"):
            call()
    with pytest.raises(av.error.FFmpegError):
        converted("raw", b"no audio at all")
