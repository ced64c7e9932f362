import subprocess
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.replica.voices import load_voice
from worker.audio.opus import SILENCES, packet_samples
from worker.audio.webm import WebmWriter

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


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_packets_are_written_unchanged(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", SPEECH)
    assert packets_of(tmp_path / "a.webm") == SPEECH
    with av.open(str(tmp_path / "a.webm")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("opus", 48_000, 1)


@given(steps=st.integers(0, 5_000))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_be_silent_writes_exactly_the_given_length(steps: int, tmp_path: Path) -> None:
    write(tmp_path / "a.webm", [SPEECH[0], steps * 120, SPEECH[1]])
    packets = packets_of(tmp_path / "a.webm")
    assert (packets[0], packets[-1]) == (SPEECH[0], SPEECH[1])
    lengths = {payload: samples for samples, payload in SILENCES}
    assert sum(lengths[payload] for payload in packets[1:-1]) == steps * 120


def test_ffmpeg_decodes_the_whole_length(tmp_path: Path) -> None:
    samples = write(
        tmp_path / "a.webm",
        [48_000 * 2, *SPEECH, 120 * 7],
    )
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.webm", tmp_path / "a.wav"], check=True)
    with av.open(str(tmp_path / "a.wav")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == samples
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.duration == pytest.approx(samples / 0.048, abs=2_000), (
            "the header has the duration, in µs"
        )


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
