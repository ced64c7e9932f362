import subprocess
from pathlib import Path

import av
import pytest

from fixtures.replica.voices import load_voice
from worker.stems.opus import SILENCE_20_MS, silence
from worker.stems.webm import WebmWriter

SPEECH = [packet.payload for packet in load_voice("aria").speech[:100]]


def write(path: Path, packets: list[tuple[int, bytes]]) -> int:
    writer = WebmWriter(path)
    position = 0
    for samples, payload in packets:
        writer.write(position, samples, payload)
        position += samples
    writer.close()
    return position


def test_packets_come_out_as_they_went_in(tmp_path: Path) -> None:
    packets = [*silence(48_000 + 600), *((960, payload) for payload in SPEECH), *silence(480)]
    write(tmp_path / "a.webm", packets)
    with av.open(str(tmp_path / "a.webm")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("opus", 48_000, 1)
        assert [bytes(packet) for packet in container.demux(stream) if packet.size] == [
            each for _, each in packets
        ]


def test_any_player_decodes_the_whole_length(tmp_path: Path) -> None:
    samples = write(
        tmp_path / "a.webm",
        [*silence(48_000 * 2), *((960, payload) for payload in SPEECH), *silence(120 * 7)],
    )
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.webm", tmp_path / "a.wav"], check=True)
    with av.open(str(tmp_path / "a.wav")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == samples
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.duration == pytest.approx(samples / 0.048, abs=2_000), (
            "the header tells the duration, in µs"
        )


def test_it_can_be_sought(tmp_path: Path) -> None:
    packets = [(960, SILENCE_20_MS)] * 3_000 + [(960, payload) for payload in SPEECH]
    write(tmp_path / "a.webm", packets)
    assert b"\x1c\x53\xbb\x6b" in (tmp_path / "a.webm").read_bytes(), "there are cues"
    with av.open(str(tmp_path / "a.webm")) as container:
        container.seek(60_000_000)
        first = next(packet for packet in container.demux(audio=0) if packet.size)
        assert first.pts is not None
        assert 54_000 <= first.pts <= 60_000


def test_timestamps_follow_the_samples_to_the_millisecond(tmp_path: Path) -> None:
    packets = [each for _ in range(400) for each in (*silence(120), (960, SPEECH[0]))]
    write(tmp_path / "a.webm", packets)
    position = 0
    with av.open(str(tmp_path / "a.webm")) as container:
        for packet, (samples, _) in zip(container.demux(audio=0), packets, strict=False):
            assert packet.pts is not None
            assert abs(packet.pts - position / 48) <= 0.5
            position += samples


def test_the_same_packets_give_the_same_bytes(tmp_path: Path) -> None:
    packets = [(960, payload) for payload in SPEECH]
    write(tmp_path / "a.webm", packets)
    write(tmp_path / "b.webm", packets)
    assert (tmp_path / "a.webm").read_bytes() == (tmp_path / "b.webm").read_bytes()
