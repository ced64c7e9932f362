import subprocess
import wave
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from tests.support.audio_files import packets_of
from worker.audio.opus import SILENCES, is_silence, packet_samples
from worker.audio.webm import OPENING, WebmWriter

SPEECH: list[int | bytes] = [packet.payload for packet in load_voice("aria").speech[:100]]


def write(path: Path, parts: list[int | bytes]) -> int:
    """Writes speech (a payload of 20 ms) and silence (its samples); returns the file's samples."""
    writer = WebmWriter(path)
    position = 0
    for part in parts:
        if isinstance(part, int):
            writer.be_silent(position, part)
            position += part
        else:
            writer.write(position, 960, part)
            position += 960
    writer.close()
    return position


def test_packets_are_written_unchanged(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", SPEECH)
    assert packets_of(tmp_path / "a.webm") == SPEECH
    with av.open(str(tmp_path / "a.webm")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("opus", 48_000, 1)


def test_timestamps_are_the_nearest_whole_milliseconds(tmp_path: Path) -> None:
    """2.5 ms, the shortest packet, is between two of them."""
    writer = WebmWriter(tmp_path / "a.webm")
    for number in range(100):
        writer.write(number * 120, 120, b"\xe0\xff\xfe")
    writer.close()
    with av.open(str(tmp_path / "a.webm")) as container:
        written = [packet.pts for packet in container.demux(audio=0) if packet.size]
    assert written == [(5 * number + 1) // 2 for number in range(100)]


@given(steps=st.integers(0, 5_000))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_be_silent_writes_exactly_the_given_length(steps: int, tmp_path: Path) -> None:
    write(tmp_path / "a.webm", [SPEECH[0], steps * 120, SPEECH[1]])
    packets = packets_of(tmp_path / "a.webm")
    assert (packets[0], packets[-1]) == (SPEECH[0], SPEECH[1])
    lengths = {payload: samples for samples, payload in SILENCES}
    assert sum(lengths[payload] for payload in packets[1:-1]) == steps * 120


def test_ffmpeg_decodes_the_whole_length_and_silence_as_silence(tmp_path: Path) -> None:
    samples = write(
        tmp_path / "a.webm",
        [48_000 * 2, *SPEECH, 120 * 7],
    )
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.webm", tmp_path / "a.wav"], check=True)
    with wave.open(str(tmp_path / "a.wav")) as decoded:
        assert decoded.getnframes() == samples
        assert not any(decoded.readframes(96_000))
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.duration == pytest.approx(samples / 0.048, abs=2_000), (
            "the header has the duration, in µs"
        )


def test_a_long_silence_is_a_packet_for_each_120_ms(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", [SPEECH[0], 48_000 * 60])
    packets = packets_of(tmp_path / "a.webm")[1:]
    assert packets == [SILENCES[0][1]] * 500
    assert all(is_silence(packet) for packet in packets)


@given(
    parts=st.lists(
        st.one_of(st.integers(1, 30_000).map(lambda steps: steps * 120), st.just(SPEECH[3])),
        min_size=1,
        max_size=8,
    ),
    pieces=st.lists(st.integers(1, 300), max_size=20),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_is_written_in_pieces_has_the_same_bytes(
    parts: list[int | bytes], pieces: list[int], tmp_path: Path
) -> None:
    write(tmp_path / "a.webm", parts)
    writer = WebmWriter(tmp_path / "b.webm")
    position = 0
    due = iter(pieces)
    for part in parts:
        if isinstance(part, int):
            writer.be_silent(position, part)
        else:
            writer.write(position, 960, part)
        position += part if isinstance(part, int) else 960
        most = next(due, 0)
        assert writer.write_due(most) <= most + OPENING + 10
    writer.close()
    assert (tmp_path / "a.webm").read_bytes() == (tmp_path / "b.webm").read_bytes()


def test_long_silence_waits_until_it_is_due_to_be_written(tmp_path: Path) -> None:
    writer = WebmWriter(tmp_path / "a.webm")
    writer.be_silent(0, 48_000 * 7_200)
    writer.write(48_000 * 7_200, 960, b"speech")
    assert [writer.write_due(25_000) for _ in range(4)] == [25_000, 25_000, 10_001 + OPENING, 0]
    writer.close()


def test_a_file_is_created_when_it_is_due(tmp_path: Path) -> None:
    """Hundreds of people can begin to speak at the same moment, and a file takes as long to create as hundreds of packets."""
    payload_of_20_ms = load_voice("aria").speech[0].payload
    path = tmp_path / "a.webm"
    writer = WebmWriter(path)
    writer.be_silent(0, 48_000)
    writer.write(48_000, 960, payload_of_20_ms)
    assert writer.write_due(0) == 0
    assert not path.exists()
    assert writer.write_due(1) == OPENING
    assert path.exists()
    assert writer.write_due(100) == 11, "silence of eight times 120 ms and two times 20 ms, and speech"
    writer.write(48_960, 960, payload_of_20_ms)
    assert writer.write_due(100) == 0, "what comes later is written at once"
    writer.close()
    assert len(packets_of(path)) == 12


def test_a_file_can_be_sought(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", [3_000 * 960, *SPEECH])
    assert b"\x1c\x53\xbb\x6b" in (tmp_path / "a.webm").read_bytes(), "there are cues"
    with av.open(str(tmp_path / "a.webm")) as container:
        container.seek(60_000_000)
        first = next(packet for packet in container.demux(audio=0) if packet.size)
        assert first.pts is not None
        assert 54_000 <= first.pts <= 60_000


def test_timestamps_follow_the_samples_to_the_millisecond(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", [120, SPEECH[0]] * 400)
    position = 0
    with av.open(str(tmp_path / "a.webm")) as container:
        for packet in container.demux(audio=0):
            if packet.size:
                assert packet.pts is not None
                assert abs(packet.pts - position / 48) <= 0.5
                position += packet_samples(bytes(packet))
    assert position == 400 * 1_080


def test_the_same_packets_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", SPEECH)
    write(tmp_path / "b.webm", SPEECH)
    assert (tmp_path / "a.webm").read_bytes() == (tmp_path / "b.webm").read_bytes()
