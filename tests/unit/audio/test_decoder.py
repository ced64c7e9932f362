from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from tests.support.opus_packets import decode
from tests.support.strategies import payloads
from worker.audio import decoder
from worker.audio.decoder import MAX_CONCEALED, Samples, SpeechDecoder
from worker.audio.opus import OpusError, packet_samples

ARIA = [packet.payload for packet in load_voice("aria").speech]
BRUNO = [packet.payload for packet in load_voice("bruno").speech]
MUSIC = [bytes([0xFC]) + bytes(range(number, number + 60)) for number in range(40)]
"""CELT, 20 ms, stereo."""


class Track:
    """What a decoder adds: samples at their positions, each sample once."""

    def __init__(self, length: int) -> None:
        self.samples = np.zeros(length, np.int16)
        self.added = np.zeros(length, bool)

    def add(self, position: int, samples: Samples) -> None:
        place = slice(position, position + len(samples))
        assert not self.added[place].any(), "a sample is added twice"
        self.samples[place] = samples
        self.added[place] = True


def decoded(length: int, feed: Callable[[SpeechDecoder], None]) -> tuple[Track, SpeechDecoder]:
    track = Track(length)
    speech = SpeechDecoder(track)
    feed(speech)
    speech.settle()
    return track, speech


def speak(speech: SpeechDecoder, start: int, packets: list[bytes]) -> None:
    for number, payload in enumerate(packets):
        speech.speak(start + number * 960, 960, payload)


def test_a_talk_spurt_does_not_depend_on_what_was_said_before() -> None:
    """The decoder starts anew after a pause, as each player does that jumps there."""

    def two_spurts(speech: SpeechDecoder) -> None:
        speak(speech, 0, BRUNO[:40])
        speak(speech, 96_000, ARIA[:40])

    track, _ = decoded(200_000, two_spurts)
    assert np.array_equal(track.samples[96_000 : 96_000 + 40 * 960], decode(ARIA[:40]))


@pytest.mark.parametrize("lost", [1, 2, 3, 5])
def test_a_loss_of_up_to_100_ms_is_concealed_to_its_end(lost: int) -> None:
    def with_a_loss(speech: SpeechDecoder) -> None:
        speak(speech, 0, ARIA[:30])
        speech.conceal(30 * 960, lost * 960)
        speak(speech, (30 + lost) * 960, ARIA[30 + lost : 60])

    track, _ = decoded(60 * 960, with_a_loss)
    assert track.added.all()
    for packet in range(30, 30 + lost):
        assert track.samples[packet * 960 : (packet + 1) * 960].any(), f"packet {packet} is silent"


@pytest.mark.parametrize("lost", [6, 40])
def test_a_longer_loss_is_concealed_for_100_ms(lost: int) -> None:
    def with_a_loss(speech: SpeechDecoder) -> None:
        speak(speech, 0, ARIA[:30])
        speech.conceal(30 * 960, lost * 960)

    track, _ = decoded(100 * 960, with_a_loss)
    assert np.flatnonzero(track.added)[-1] == 30 * 960 + MAX_CONCEALED - 1
    assert track.samples[34 * 960 : 35 * 960].any(), "concealment goes on for 100 ms"


def test_nothing_is_concealed_before_the_first_packet_of_a_spurt() -> None:
    track, _ = decoded(9_600, lambda speech: speech.conceal(0, 1_920))
    assert not track.added.any()


@pytest.mark.parametrize("step", [480, 720, 900])
def test_a_packet_ends_where_its_caller_says(step: int) -> None:
    """Another packet follows there, and no sample is added twice."""

    def crowded(speech: SpeechDecoder) -> None:
        for number, payload in enumerate(ARIA[:20]):
            speech.speak(number * step, step, payload)

    track, _ = decoded(20 * 960, crowded)
    assert np.flatnonzero(track.added)[-1] == 20 * step - 1


class Refusing:
    """A libopus that refuses packets that contain one of ``refused``."""

    def __init__(self, refused: list[bytes], error: Exception) -> None:
        self._inner = decoder.mono_decoder()
        self._refused = refused
        self._error = error

    def decode(self, packet: av.Packet[Any]) -> list[Any]:
        if any(each in bytes(packet) for each in self._refused):
            raise self._error
        return list(self._inner.decode(packet))

    def flush_buffers(self) -> None:
        self._inner.flush_buffers()


@pytest.mark.parametrize("error", [av.error.InvalidDataError(1, "no"), ValueError("no"), MemoryError()])
def test_a_packet_that_cannot_be_decoded_is_silent_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is decoded together with its neighbours."""
    refusing = Refusing([ARIA[13][1:], ARIA[31][1:]], error)
    monkeypatch.setattr(decoder, "mono_decoder", lambda: refusing)
    track, speech = decoded(40 * 960, lambda speech: speak(speech, 0, ARIA[:40]))
    silent = [number for number in range(40) if not track.added[number * 960 : (number + 1) * 960].any()]
    assert silent == [13, 31]
    assert speech.undecodable == 2


@given(st.lists(payloads, max_size=12))
@settings(max_examples=150, deadline=None)
def test_valid_packets_of_any_kind_never_raise_and_fill_their_places(packets: list[bytes]) -> None:
    valid: list[tuple[int, bytes]] = []
    for payload in packets:
        try:
            valid.append((packet_samples(payload), payload))
        except OpusError:
            continue
    length = sum(samples for samples, _ in valid)

    def back_to_back(speech: SpeechDecoder) -> None:
        position = 0
        for samples, payload in valid:
            speech.speak(position, samples, payload)
            position += samples

    track, speech = decoded(length, back_to_back)
    assert speech.undecodable == 0
    assert track.added.all()


def test_stereo_is_mixed_down() -> None:
    track, speech = decoded(40 * 960, lambda speech: speak(speech, 0, MUSIC))
    expected: npt.NDArray[np.int16] = decode(MUSIC)
    assert np.array_equal(track.samples, expected)
    assert speech.undecodable == 0
