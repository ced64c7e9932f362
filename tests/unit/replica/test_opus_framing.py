from __future__ import annotations

from itertools import pairwise

import av
import pytest
from av.audio.codeccontext import AudioCodecContext

from fixtures.replica.opus_framing import code_3, oversized, split_frames
from fixtures.replica.truth import opus_seconds
from fixtures.replica.voices import PACKET_TICKS, load_voice, packed_voice

SPEECH = [packet.payload for packet in load_voice("aria").speech[:50]]


def decoded(payloads: list[bytes]) -> bytes:
    """The samples of a stream of packets, as libopus decodes them."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    frames = [frame for payload in payloads for frame in decoder.decode(av.Packet(payload))]
    return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


@pytest.mark.parametrize("size", [None, 100, 256, 257, 258, 300, 511, 512, 513, 1274, 1300])
def test_counted_frames_decode_to_the_same_samples(size: int | None) -> None:
    framed = [code_3(payload, size) for payload in SPEECH]
    assert {payload[0] & 3 for payload in framed} == {3}
    if size is not None:
        assert {len(payload) for payload in framed} == {size}
    assert decoded(framed) == decoded(SPEECH)


def test_packets_of_two_frames_are_split_at_their_lengths() -> None:
    first, second = bytes(range(250)) + bytes(10), b"second"
    assert split_frames(b"\x49" + second + second) == [second, second]
    assert split_frames(b"\x4a\x06" + second + first) == [second, first]
    assert split_frames(b"\x4a" + bytes([252, 2]) + first + second) == [first, second]


def test_an_oversized_frame_is_longer_than_opus_allows() -> None:
    packet = oversized(0xF8, 1300)
    assert (len(packet), packet[0] & 3) == (1300, 0)
    with pytest.raises(av.FFmpegError):
        decoded([packet])


@pytest.mark.parametrize(
    ("ms", "stereo"), [(10, False), (20, True), (40, False), (60, False), (120, False), (120, True)]
)
def test_a_voice_in_packets_of_another_form_lasts_as_long(ms: int, stereo: bool) -> None:
    voice = load_voice("bruno")
    packed = packed_voice(voice, ms, stereo=stereo, code_3=False, size=None)
    payloads = [packet.payload for packet in packed.speech]
    assert {opus_seconds(payload) for payload in payloads} == {ms / 1000}
    assert any(payload[0] & 4 for payload in payloads) == stereo
    assert len(payloads) * ms == pytest.approx(len(voice.speech) * 20, abs=2 * ms)
    samples = len(decoded(payloads)) // 2
    assert samples == len(payloads) * ms * PACKET_TICKS // 20
    assert all(first != second for first, second in pairwise(payloads))
