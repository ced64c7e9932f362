"""PCM at a lower rate: what it can hold passes, what it cannot is gone, and pieces join without a seam."""

from __future__ import annotations

import numpy as np
import pytest

from worker.audio.decoder import SpeechDecoder
from worker.audio.downsampling import Downsampler, Samples, step_of


def tone(hertz: float) -> Samples:
    return (10_000 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000)).astype(np.int16)


def reduced(samples: Samples, piece: int) -> Samples:
    downsampler = Downsampler(16_000)
    parts = [downsampler.reduce(samples[at : at + piece]) for at in range(0, len(samples), piece)]
    return np.concatenate(parts)


@pytest.mark.parametrize("hertz", [100, 1_000, 3_400, 6_000])
def test_speech_passes_a_millisecond_late(hertz: float) -> None:
    out = reduced(tone(hertz), 960).astype(float)
    times = np.arange(16_000) / 16_000 - 47.5 / 48_000
    assert np.abs(out - 10_000 * np.sin(2 * np.pi * hertz * times))[100:].max() < 120


@pytest.mark.parametrize("hertz", [9_000, 12_000, 15_000, 20_000])
def test_what_the_lower_rate_cannot_hold_is_gone(hertz: float) -> None:
    assert np.abs(reduced(tone(hertz), 960))[100:].max() < 20


@pytest.mark.parametrize("piece", [120, 480, 2_880, 5_760])
def test_the_pieces_do_not_matter(piece: int) -> None:
    whole = reduced(tone(700), 48_000)
    assert np.array_equal(
        reduced(tone(700)[: 48_000 // piece * piece], piece), whole[: 48_000 // piece * piece // 3]
    )


def test_loud_sound_is_clipped() -> None:
    square = np.where(np.arange(9_600) // 200 % 2, 32_767, -32_768).astype(np.int16)
    out = reduced(square, 960)
    assert out.max() == 32_767
    assert out.min() == -32_768


@pytest.mark.parametrize("rate", [44_100, 32_000, 96_000])
def test_other_rates_are_refused(rate: int) -> None:
    with pytest.raises(ValueError, match=f"rate {rate}"):
        step_of(rate)


class Pcm:
    def __init__(self) -> None:
        self.pieces: list[tuple[int, int]] = []

    def add(self, position: int, samples: Samples) -> None:
        self.pieces.append((position, len(samples)))


def test_a_decoder_gives_the_lower_rate_at_places_at_48_khz() -> None:
    pcm = Pcm()
    decoder = SpeechDecoder(pcm, rate=16_000)
    for number in range(3):
        decoder.speak(960 * number, 960, b"\xf8\xff\xfe" + bytes(10))
    decoder.conceal(2_880, 960)
    decoder.speak(3_840, 960, b"\xf8\xff\xfe" + bytes(10))
    decoder.settle()
    places = {position + 3 * at for position, count in pcm.pieces for at in range(0, count, 40)}
    assert places == set(range(0, 4_800, 120))
