import itertools

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from worker.stems.opus import SILENCES, OpusError, is_silence, merge_packets, packet_samples


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
def test_a_packets_length_is_in_its_table_of_contents(payload: bytes, milliseconds: float) -> None:
    assert packet_samples(payload) == milliseconds * 48


@pytest.mark.parametrize("payload", [b"", b"\xfb", b"\xfb\x00", b"\xfb\x07", bytes([3 << 3 | 3, 3])])
def test_what_is_no_packet_is_refused(payload: bytes) -> None:
    with pytest.raises(OpusError):
        packet_samples(payload)


@given(st.binary(max_size=10))
def test_any_payload_lasts_up_to_120_ms_or_is_refused(payload: bytes) -> None:
    try:
        samples = packet_samples(payload)
    except OpusError:
        return
    assert 120 <= samples <= 5760
    assert samples % 120 == 0


@pytest.mark.parametrize(("samples", "payload"), SILENCES)
def test_silence_says_how_long_it_lasts(samples: int, payload: bytes) -> None:
    assert packet_samples(payload) == samples
    assert is_silence(payload)


def test_silence_decodes_to_nothing_but_zeros() -> None:
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
