import itertools

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from worker.audio.opus import (
    SILENCES,
    OpusError,
    is_silence,
    merge_packets,
    packet_samples,
    voice_activity,
)


def decode(payloads: list[bytes]) -> npt.NDArray[np.int16]:
    context = av.CodecContext.create("libopus", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 48_000, "mono"
    frames = [frame for payload in payloads for frame in context.decode(av.Packet(payload))]
    return np.concatenate([np.asarray(frame.to_ndarray()[0], np.int16) for frame in frames])


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (bytes([0 << 3, 1]), 10),
        (bytes([3 << 3, 1]), 60),
        (bytes([13 << 3, 1]), 20),
        (bytes([16 << 3, 1]), 2.5),
        (bytes([31 << 3, 1]), 20),
        (bytes([31 << 3 | 1, 1]), 40),
        (bytes([31 << 3 | 2, 1, 1]), 40),
        (bytes([31 << 3 | 3, 6, 1]), 120),
        (bytes([16 << 3 | 3, 48, 1]), 120),
    ],
)
def test_packet_samples_reads_the_length_from_the_table_of_contents(
    payload: bytes, milliseconds: float
) -> None:
    assert packet_samples(payload) == milliseconds * 48


@pytest.mark.parametrize("payload", [b"", b"\xfb", b"\xfb\x00", b"\xfb\x07", bytes([3 << 3 | 3, 3])])
def test_packet_samples_refuses_a_payload_that_is_no_packet(payload: bytes) -> None:
    with pytest.raises(OpusError):
        packet_samples(payload)


@given(st.binary(max_size=10))
def test_any_payload_is_up_to_120_ms_long_or_is_refused(payload: bytes) -> None:
    try:
        samples = packet_samples(payload)
    except OpusError:
        return
    assert 120 <= samples <= 5760
    assert samples % 120 == 0


@pytest.mark.parametrize(("samples", "payload"), SILENCES)
def test_packets_of_silence_have_their_stated_length(samples: int, payload: bytes) -> None:
    assert packet_samples(payload) == samples
    assert is_silence(payload)


def test_silence_decodes_to_zeros() -> None:
    decoded = decode([payload for _, payload in SILENCES])
    assert len(decoded) == 1800
    assert not decoded.any()


def test_speech_is_not_silence() -> None:
    assert not any(is_silence(packet.payload) for packet in load_voice("aria").speech[:100])
    assert is_silence(b"\xf8")


def test_merged_packets_decode_to_the_same_samples() -> None:
    payloads = [packet.payload for packet in load_voice("aria").speech[:90]]
    merged: list[bytes] = []
    for _, run in itertools.groupby(payloads, key=lambda payload: payload[0]):
        same = list(run)
        merged += [merge_packets(same[at : at + 6]) for at in range(0, len(same), 6)]
    assert len(merged) < len(payloads)
    assert np.array_equal(decode(payloads), decode(merged))


def test_voice_activity_distinguishes_speech_from_comfort_noise() -> None:
    voice = load_voice("aria")
    assert not any(voice_activity(packet.payload) for packet in voice.noise)
    assert sum(bool(voice_activity(packet.payload)) for packet in voice.speech) > 0.8 * len(voice.speech)


@pytest.mark.parametrize(
    ("payload", "voiced"),
    [
        (b"", False),
        (b"\x08", False),
        (b"\x48\x80", True),
        (b"\x48\x7f", False),
        (b"\x50\x40", True),  # the second of a 40 ms frame's two SILK frames
        (b"\x58\x20", True),  # the third of 60 ms
        (b"\x48\x20", False),
        (b"\x49\x00\x00\x80\x00", True),  # two frames of equal length, the second with a voice
        (b"\x4a\x02\x00\x00\x80", True),  # two frames of their own lengths
        (b"\x4a\xff", False),
        (b"\x4b\x02\x80", None),  # code 3
        (b"\xf8\x80", None),  # CELT
    ],
)
def test_voice_activity_reads_the_bits_of_each_silk_frame(payload: bytes, voiced: bool | None) -> None:
    assert voice_activity(payload) is voiced


@given(st.binary(max_size=12))
def test_voice_activity_accepts_any_payload(payload: bytes) -> None:
    assert voice_activity(payload) in (True, False, None)
