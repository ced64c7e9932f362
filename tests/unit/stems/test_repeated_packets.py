"""A second track of a Teams call that repeats the mix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fixtures.replica.voices import load_voice
from tests.support.audio_files import mix
from tests.support.streams import Stream
from tests.support.tapes import STARTED_AT
from tests.support.teams_mix import ANN, ANNS, BO, render
from worker.manifest.schema import GatedMix, Manifest
from worker.stems.repeated_packets import REMEMBERED, RepeatedPackets
from worker.tape.events import Frame

BOS = [packet.payload for packet in load_voice("bruno").speech][:400]


def attributed_packets(manifest: Manifest) -> float:
    """The packets of the mix that are in stems, each counted once."""
    assert isinstance(manifest.recording.gated_mix, GatedMix)
    counts = manifest.recording.gated_mix.packets
    return counts.csrc + counts.none


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
    assert attributed_packets(manifest) == attributed_packets(expected) == 850
    loud, once = (np.abs(mix(tmp_path / name).astype(int)).sum() for name in ("both", "alone"))
    assert loud == pytest.approx(once, rel=0.02)
    if delay >= 0.004:
        assert np.array_equal(mix(tmp_path / "both"), mix(tmp_path / "alone"))


def with_noise(frames: Iterable[Frame]) -> list[Frame]:
    """The track as a mixer sends it, with a quiet packet wherever nobody speaks, until 3 s after the last."""
    by_place = {round((frame.arrival - STARTED_AT) * 50): frame for frame in frames}
    first = min(by_place)
    everywhere = []
    for number, place in enumerate(range(first, max(by_place) + 150)):
        quiet = msgspec.structs.replace(by_place[first], csrcs=(), payload=b"\x48" + bytes(20))
        everywhere.append(
            msgspec.structs.replace(
                by_place.get(place, quiet),
                sequence=number,
                timestamp=5_000 + place * 960,
                arrival=STARTED_AT + place / 50,
            )
        )
    return everywhere


@pytest.mark.parametrize("delay", [-0.5, -0.03, 0.004, 0.3, 0.9])
def test_a_track_that_brings_the_same_speakers_at_the_same_time_is_not_added(
    delay: float, tmp_path: Path
) -> None:
    alone = with_noise(main_track())
    expected = render(alone, tmp_path / "alone")
    manifest = render([*alone, *repeated(alone, delay, encoded_again)], tmp_path / "both")
    for (_, before), (_, after) in zip(expected.segments(), manifest.segments(), strict=True):
        # Some packets until a slot is known to repeat the other.
        assert before.packets.received <= after.packets.received <= before.packets.received + 4
        assert len(after.intervals) == len(before.intervals)
    assert 850 <= attributed_packets(manifest) <= 850 + 6
    loud, once = (np.abs(mix(tmp_path / name).astype(int)).sum() for name in ("both", "alone"))
    assert loud == pytest.approx(once, rel=0.02)


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_track_that_takes_over_loses_nothing_and_repeats_no_more_than_it_is_late(
    delay: float, tmp_path: Path
) -> None:
    alone = with_noise(main_track())
    old = [frame for frame in alone if frame.arrival < STARTED_AT + 5]
    new = [frame for frame in repeated(alone, delay, encoded_again) if frame.arrival >= STARTED_AT + 4]
    manifest = render([*old, *new], tmp_path)
    assert 850 <= attributed_packets(manifest) <= 850 + 3 + delay * 50


def test_a_track_with_other_speakers_is_added(tmp_path: Path) -> None:
    ann, bo = Stream(0, 7001).frames(1.0, 8.0, [ANN], ANNS), Stream(1, 7002).frames(4.0, 9.0, [BO], BOS)
    parts = []
    for name, frames in (("ann", ann), ("bo", bo), ("both", ann + bo)):
        manifest = render(frames, tmp_path / name)
        parts.append(mix(tmp_path / name).astype(int))
    assert np.array_equal(parts[2], np.clip(parts[0] + parts[1], -32768, 32767))
    assert manifest.recording.warnings == []


def test_only_the_same_bytes_of_another_track_at_about_the_same_place_are_a_repetition() -> None:
    seen, payload = RepeatedPackets(), bytes(range(40))
    assert not seen.is_repeated(0, 0, payload, ())
    assert not seen.is_repeated(0, 960, payload, ())
    assert not seen.is_repeated(1, 960, payload[:-1], ())
    assert seen.is_repeated(1, REMEMBERED, payload, ())
    assert not seen.is_repeated(1, REMEMBERED + 1, payload, ())
    assert not seen.is_repeated(0, 0, b"\xf8\xff\xfe", ()) and not seen.is_repeated(1, 0, b"\xf8\xff\xfe", ())


@pytest.mark.parametrize(
    ("first", "second", "is_repeated"),
    [
        ((ANN,), (ANN,), True),
        ((), (), True),
        ((ANN,), (), True),
        ((), (ANN,), False),
        ((BO,), (ANN,), False),
        ((BO,), (BO, ANN), False),
    ],
)
def test_a_copy_costs_no_listed_source_its_packet(
    first: tuple[int, ...], second: tuple[int, ...], is_repeated: bool
) -> None:
    seen, payload = RepeatedPackets(), bytes(range(40))
    assert not seen.is_repeated(0, 0, payload, first)
    assert seen.is_repeated(1, 960, payload, second) is is_repeated
    # What was no copy is known from here on.
    assert seen.is_repeated(2, 1_920, payload, second)


def test_what_is_remembered_of_packets_is_bounded() -> None:
    seen = RepeatedPackets()
    for number in range(3_000):
        seen.is_repeated(0, number * 960, number.to_bytes(40, "big"), (number,))
    assert len(seen._tracks) <= 2 * (REMEMBERED // 960 + 1) < 3_000
