import itertools

import av
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from tests.support.opus_packets import decode
from tests.support.strategies import payloads
from worker.audio.opus import (
    FRAME_SAMPLES,
    LONGEST_SILENCE,
    LONGEST_SINGLE,
    SILENCES,
    SINGLE_SAMPLES,
    OpusError,
    is_silence,
    merge_packets,
    packet_samples,
    parse_packet,
    voice_activity,
)


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (bytes([0 << 3, 1]), 10),
        (bytes([3 << 3, 1]), 60),
        (bytes([13 << 3, 1]), 20),
        (bytes([16 << 3, 1]), 2.5),
        (bytes([31 << 3, 1]), 20),
        (bytes([31 << 3 | 1, 1, 1]), 40),
        (bytes([31 << 3 | 2, 1, 1]), 40),
        (bytes([31 << 3 | 3, 6, *range(6)]), 120),
        (bytes([16 << 3 | 3, 48, *range(48)]), 120),
        (bytes([3 << 3 | 3, 2]), 120),
    ],
)
def test_packet_samples_reads_the_length_from_the_table_of_contents(
    payload: bytes, milliseconds: float
) -> None:
    assert packet_samples(payload) == milliseconds * 48


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="R1: empty"),
        pytest.param(bytes(1_277), id="R2: code 0, 1,276 bytes"),
        pytest.param(b"\x01" + bytes(2 * 1_276), id="R2: code 1, 1,276 bytes each"),
        pytest.param(b"\x02\x00" + bytes(1_276), id="R2: code 2, the second has 1,276 bytes"),
        pytest.param(b"\x03\x01" + bytes(1_276), id="R2: code 3, one of 1,276 bytes"),
        pytest.param(b"\x03\x82\x00" + bytes(1_276), id="R2: code 3, the last has 1,276 bytes"),
        pytest.param(b"\x01\x00", id="R3: one byte for two frames"),
        pytest.param(b"\x02", id="R4: no length"),
        pytest.param(b"\x02\xfc", id="R4: half a length"),
        pytest.param(b"\x02\x02\x00", id="R4: the first frame is cut off"),
        pytest.param(b"\xfb\x00", id="R5: no frame"),
        pytest.param(b"\xfb\x07" + bytes(7), id="R5: 140 ms"),
        pytest.param(b"\x1b\x03" + bytes(3), id="R5: 180 ms"),
        pytest.param(b"\xfb", id="R6: no frame count"),
        pytest.param(b"\xfb\x02\x00", id="R6: one byte for two frames"),
        pytest.param(b"\xfb\x41", id="R6: no padding length"),
        pytest.param(b"\xfb\x41\xff", id="R6: the padding length goes on"),
        pytest.param(b"\xfb\x41\x02\x00", id="R6: more padding than bytes"),
        pytest.param(b"\xfb\x42\x01\x00\x00", id="R6: one byte beside the padding"),
        pytest.param(b"\xfb\x82", id="R7: no frame length"),
        pytest.param(b"\xfb\x82\xfc", id="R7: half a frame length"),
        pytest.param(b"\xfb\x82\x02\x00", id="R7: the first frame is cut off"),
        pytest.param(b"\xfb\xc2\x02\x01\x00\x00", id="R7: the first frame is in the padding"),
    ],
)
def test_a_packet_that_breaks_a_rule_is_refused(payload: bytes) -> None:
    with pytest.raises(OpusError):
        parse_packet(payload)
    with pytest.raises(av.FFmpegError if payload else ValueError):
        decode([payload])


def coded(length: int) -> bytes:
    """A frame length (RFC 6716, section 3.2.1)."""
    return bytes([length]) if length < 252 else bytes([252 + length % 4, (length - 252 - length % 4) // 4])


frame_lists = st.integers(1, 6).flatmap(
    lambda count: st.lists(
        st.integers(0, 1_275).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
        min_size=count,
        max_size=count,
    )
)


@given(
    toc=st.integers(0, 63).map(lambda high: high << 2),
    frames=frame_lists,
    padding=st.none() | st.integers(0, 900),
)
def test_parse_packet_reverses_packing(toc: int, frames: list[bytes], padding: int | None) -> None:
    count = len(frames)
    assume(FRAME_SAMPLES[toc] * count <= 5_760)
    equal = len(set(map(len, frames))) == 1
    body = b"".join(frames)
    lengths = b"".join(coded(len(frame)) for frame in frames[:-1])
    flags = 0 if padding is None else 0x40
    tail = b"" if padding is None else bytes(padding)
    size = b"" if padding is None else b"\xff" * (padding // 254) + bytes([padding % 254])
    packets = [bytes([toc | 3, 0x80 | flags | count]) + size + lengths + body + tail]
    if equal:
        packets.append(bytes([toc | 3, flags | count]) + size + body + tail)
    if count == 1:
        packets.append(bytes([toc]) + body)
    if count == 2:
        packets.append(bytes([toc | 2]) + lengths + body)
    if count == 2 and equal:
        packets.append(bytes([toc | 1]) + body)
    for packet in packets:
        samples, start, found = parse_packet(packet)
        assert samples == FRAME_SAMPLES[toc] * count
        assert list(found) == [len(frame) for frame in frames]
        assert packet[start : start + len(body)] == body


@given(payloads)
@settings(max_examples=400)
def test_libopus_accepts_the_same_packets_and_decodes_as_many_samples(payload: bytes) -> None:
    try:
        samples = packet_samples(payload)
    except OpusError:
        with pytest.raises(av.FFmpegError):
            decode([payload])
        return
    assert len(decode([payload])) == samples
    assert 120 <= samples <= 5_760
    assert samples % 120 == 0


@given(payloads)
def test_a_single_frame_of_a_common_length_needs_no_parsing(payload: bytes) -> None:
    if LONGEST_SILENCE < len(payload) <= LONGEST_SINGLE and SINGLE_SAMPLES[payload[0]]:
        assert packet_samples(payload) == SINGLE_SAMPLES[payload[0]]
        assert not is_silence(payload)


@pytest.mark.parametrize(("samples", "payload"), SILENCES)
def test_packets_of_silence_have_their_stated_length(samples: int, payload: bytes) -> None:
    assert packet_samples(payload) == samples
    assert is_silence(payload)


def test_silence_decodes_to_zeros() -> None:
    decoded = decode([payload for _, payload in SILENCES])
    assert len(decoded) == sum(samples for samples, _ in SILENCES)
    assert not decoded.any()


def test_speech_is_not_silence() -> None:
    assert not any(is_silence(packet.payload) for packet in load_voice("aria").speech[:100])
    assert is_silence(b"\xf8")


SILENT_FRAME = b"\xff\xfe"


@pytest.mark.parametrize(
    "payload",
    [
        b"\x48",
        b"\x48\x00",  # decoders take a frame of one byte for a lost one
        b"\x59",
        b"\xf9",
        b"\xfa\x00",
        b"\xfb\x03",
        b"\xfb\x86\x00\x00\x00\x00\x00",
        b"\x5b\x42\x05" + bytes(5),  # padding
        b"\xf9" + 2 * SILENT_FRAME,
        b"\xfa\x02" + 2 * SILENT_FRAME,
        b"\xfb\x06" + 6 * SILENT_FRAME,
        b"\xfb\x83\x02\x00" + 2 * SILENT_FRAME,
        b"\xfc" + SILENT_FRAME,  # stereo
        b"\x80" + SILENT_FRAME,  # narrowband
    ],
)
def test_empty_and_silent_frames_are_silence_in_any_framing(payload: bytes) -> None:
    assert is_silence(payload)
    assert not decode([payload]).any()


@pytest.mark.parametrize(
    "payload",
    [
        b"\x48" + SILENT_FRAME,  # SILK
        b"\xf8\xff\xfd",
        b"\xf9" + SILENT_FRAME + b"\xff\xfd",
        b"\xfb\x02" + SILENT_FRAME + b"\x00\x01",
        b"\xfb\x00",  # not a packet
        b"\xfb",
    ],
)
def test_one_frame_with_sound_makes_a_packet_of_sound(payload: bytes) -> None:
    assert not is_silence(payload)


def test_merged_packets_decode_to_the_same_samples() -> None:
    payloads = [packet.payload for packet in load_voice("aria").speech[:90]]
    merged: list[bytes] = []
    for _, run in itertools.groupby(payloads, key=lambda payload: payload[0]):
        same = list(run)
        merged += [merge_packets(same[at : at + 6]) for at in range(0, len(same), 6)]
    assert len(merged) < len(payloads)
    assert np.array_equal(decode(payloads), decode(merged))


@given(st.integers(0, 63).map(lambda high: high << 2), frame_lists)
def test_merged_packets_keep_frames_of_every_length(toc: int, frames: list[bytes]) -> None:
    assume(FRAME_SAMPLES[toc] * len(frames) <= 5_760)
    merged = merge_packets([bytes([toc]) + frame for frame in frames])
    samples, start, lengths = parse_packet(merged)
    assert samples == FRAME_SAMPLES[toc] * len(frames)
    assert list(lengths) == [len(frame) for frame in frames]
    assert merged[start:] == b"".join(frames)


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


@given(payloads | st.just(b""))
def test_voice_activity_accepts_any_payload(payload: bytes) -> None:
    assert voice_activity(payload) in (True, False, None)
