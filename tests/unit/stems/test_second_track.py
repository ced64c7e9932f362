"""A second track of a Teams call that repeats the mix, and a track that stays silent."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from fixtures.replica.opus_encoder import OpusEncoder
from fixtures.replica.teams.mix_audio import NOISE_BIT_RATE, comfort_noise
from fixtures.replica.voices import load_voice
from tests.support.streams import Stream, tape
from tests.support.tapes import STARTED_AT, feed_all
from worker.manifest.schema import Manifest
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.stems.repeated_packets import REMEMBERED, RepeatedPackets
from worker.stems.silent_tracks import SPEECH_BESIDE, SilentTracks
from worker.tape.events import Frame, PageEvent, ReceiverTapped

ANN, BO = 414, 627
ANNS = [packet.payload for packet in load_voice("aria").speech][:400]
BOS = [packet.payload for packet in load_voice("bruno").speech][:400]
NOISE = [
    OpusEncoder(NOISE_BIT_RATE).encode(block) for _, block in zip(range(50), comfort_noise(1), strict=False)
]


def render(frames: Iterable[Frame], folder: Path, events: Iterable[PageEvent] = ()) -> Manifest:
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform))
    feed_all(renderer, tape("microsoft_teams", 30.0, frames, events))
    return renderer.finish()


def mix(folder: Path) -> npt.NDArray[np.int16]:
    with wave.open(str(folder / "audio.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def main_track(csrcs: bool = True) -> list[Frame]:
    stream = Stream(0, 7001)
    frames = stream.frames(1.0, 8.0, [ANN] if csrcs else [], ANNS)
    frames += stream.frames(9.0, 12.0, [ANN, BO] if csrcs else [], ANNS)
    return frames + stream.frames(13.0, 20.0, [BO] if csrcs else [], BOS)


def repeated(frames: Iterable[Frame], delay: float, change: Callable[[bytes], bytes] = bytes) -> list[Frame]:
    """The same packets on another receiver with another clock, ``delay`` seconds later."""
    return [
        msgspec.structs.replace(
            frame,
            receiver=1,
            ssrc=7002,
            sequence=(frame.sequence + 40_000) % 2**16,
            timestamp=(frame.timestamp + 99_000_000) % 2**32,
            arrival=frame.arrival + delay,
            payload=change(frame.payload),
        )
        for frame in frames
    ]


def encoded_again(payload: bytes) -> bytes:
    """Other bytes that stand for about the same sound: another mixer's packet."""
    return payload[:-1] + bytes([payload[-1] ^ 1])


@pytest.mark.parametrize("csrcs", [True, False], ids=["listed", "unlisted"])
@pytest.mark.parametrize("delay", [-0.03, 0.0, 0.004, 0.03, 0.3])
def test_a_track_that_repeats_the_packets_changes_nothing(csrcs: bool, delay: float, tmp_path: Path) -> None:
    alone = main_track(csrcs)
    expected = render(alone, tmp_path / "alone")
    manifest = render([*alone, *repeated(alone, delay)], tmp_path / "both")
    sent = [each.packets.received for _, each in expected.segments()]
    assert [each.packets.received for _, each in manifest.segments()] == sent
    assert [len(each.intervals) for _, each in manifest.segments()] == [
        len(each.intervals) for _, each in expected.segments()
    ]
    assert manifest.recording.warnings == [
        "850 packets came on a second track as well and are in the files once."
    ]
    loud, once = (np.abs(mix(tmp_path / name).astype(int)).sum() for name in ("both", "alone"))
    assert loud == pytest.approx(once, rel=0.02)
    if delay >= 0.004:
        assert np.array_equal(mix(tmp_path / "both"), mix(tmp_path / "alone"))


@pytest.mark.parametrize("delay", [0.004, 0.03, 0.3])
def test_a_track_that_brings_the_same_speakers_at_the_same_time_is_not_added(
    delay: float, tmp_path: Path
) -> None:
    alone = main_track()
    expected = render(alone, tmp_path / "alone")
    manifest = render([*alone, *repeated(alone, delay, encoded_again)], tmp_path / "both")
    for (_, before), (_, after) in zip(expected.segments(), manifest.segments(), strict=True):
        # The last packets of a talk-spurt are not known as copies: nothing else is there at their moment.
        echo = 3 + round(len(before.intervals) * delay * 50)
        assert before.packets.received <= after.packets.received <= before.packets.received + echo
    loud, once = (np.abs(mix(tmp_path / name).astype(int)).sum() for name in ("both", "alone"))
    assert loud == pytest.approx(once, rel=0.06)


def test_a_track_with_other_speakers_is_added(tmp_path: Path) -> None:
    ann, bo = Stream(0, 7001).frames(1.0, 8.0, [ANN], ANNS), Stream(1, 7002).frames(4.0, 9.0, [BO], BOS)
    parts = []
    for name, frames in (("ann", ann), ("bo", bo), ("both", ann + bo)):
        manifest = render(frames, tmp_path / name)
        parts.append(mix(tmp_path / name).astype(int))
    assert np.array_equal(parts[2], np.clip(parts[0] + parts[1], -32768, 32767))
    assert manifest.recording.warnings == []


def tapped(receiver: int, kind: str = "audio", document: int = 1) -> PageEvent:
    return ReceiverTapped(
        at=STARTED_AT + 0.5, document=document, connection=0, receiver=receiver, kind=kind, via="track"
    )


@pytest.mark.parametrize("sends", ["nothing", "comfort noise", "dtx"])
def test_a_silent_track_beside_one_that_speaks_is_warned_of(sends: str, tmp_path: Path) -> None:
    speaking = Stream(1, 7002).frames(1.0, 28.0, [ANN], ANNS)
    silent = {"nothing": [], "comfort noise": NOISE, "dtx": [b"\xf8"]}[sends]
    frames = Stream(0, 7001).frames(1.0, 28.0, [], silent) if silent else []
    manifest = render(frames + speaking, tmp_path, [tapped(0), tapped(1), tapped(2, "video")])
    assert manifest.recording.warnings == [
        "1 audio track was silent while another carried speech; all tracks are in the files."
    ]


def test_silence_of_all_tracks_or_of_another_document_or_before_the_track_is_no_warning() -> None:
    tracks = SilentTracks()
    for track in [(1, 0), (2, 0), (2, 1)]:
        tracks.open(track)
    tracks.add_speech((1, 0), 100 * SPEECH_BESIDE)
    assert tracks.warnings() == []
    tracks.open((1, 1))
    tracks.add_speech((1, 0), SPEECH_BESIDE - 1)
    assert tracks.warnings() == []
    tracks.add_speech((1, 0), 1)
    assert len(tracks.warnings()) == 1
    tracks.add_speech((1, 1), 1)
    assert tracks.warnings() == []


def test_only_the_same_bytes_of_another_track_at_about_the_same_place_are_a_repetition() -> None:
    seen, payload = RepeatedPackets(), bytes(range(40))
    assert not seen.is_repeated(0, 0, payload)
    assert not seen.is_repeated(0, 960, payload)
    assert not seen.is_repeated(1, 960, payload[:-1])
    assert seen.is_repeated(1, REMEMBERED, payload)
    assert not seen.is_repeated(1, REMEMBERED + 1, payload)
    assert not seen.is_repeated(0, 0, b"\xf8\xff\xfe") and not seen.is_repeated(1, 0, b"\xf8\xff\xfe")


def test_what_is_remembered_of_packets_is_bounded() -> None:
    seen = RepeatedPackets()
    for number in range(3_000):
        seen.is_repeated(0, number * 960, number.to_bytes(40, "big"))
    assert len(seen._tracks) <= REMEMBERED // 960 + 1 < 3_000
