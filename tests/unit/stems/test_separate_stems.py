"""Whole tapes of Meet with what the platform should not send: several speakers in a packet, more sources than files."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fixtures.replica.comparison.recording import read_stem
from fixtures.replica.voices import load_voice
from tests.support.hearing_sinks import HearingSinks
from tests.support.streams import Stream, tape
from tests.support.tapes import feed_all
from worker.manifest.schema import Manifest, Segment
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.stems import separate_stems
from worker.stems.overflow import OVERFLOW
from worker.tape.events import Frame

ANNS = [packet.payload for packet in load_voice("aria").speech]
BOS = [packet.payload for packet in load_voice("bruno").speech]
ANN, BO, CEM = 101, 102, 103


def render(
    frames: Iterable[Frame], folder: Path, seconds: float = 10.0, sinks: HearingSinks | None = None
) -> Manifest:
    renderer = DeferredRenderer(
        lambda platform: Renderer(folder, platform, sinks=[] if sinks is None else [sinks])
    )
    feed_all(renderer, tape("google_meet", seconds, frames))
    return renderer.finish()


def by_source(manifest: Manifest) -> dict[int | None, Segment]:
    return {each.sources[0].csrc: each for _, each in manifest.segments()}


def payloads(segment: Segment, folder: Path) -> list[str]:
    return [packet.sha256 for packet in read_stem(folder / segment.url) if not packet.silent]


def mix(folder: Path) -> npt.NDArray[np.int16]:
    with wave.open(str(folder / "audio.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture
def two_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separate_stems, "MOST_SOURCES", 2)


@pytest.mark.parametrize("marker", [(), (42,)])
def test_a_packet_that_lists_two_people_is_in_the_files_of_both_and_in_the_mix_once(
    marker: tuple[int, ...], tmp_path: Path
) -> None:
    lists = [(1.0, 3.0, (ANN,)), (3.0, 6.0, (ANN, BO)), (6.0, 8.0, (BO, ANN)), (8.0, 9.0, (BO,))]
    for name, alone in (("shared", False), ("alone", True)):
        stream = Stream(0, 6666)
        frames = [
            frame
            for start, end, csrcs in lists
            for frame in stream.frames(start, end, [*marker, *(csrcs[:1] if alone else csrcs)], ANNS)
        ]
        manifest = render(frames, tmp_path / name)
        if not alone:
            stems = by_source(manifest)
    assert {csrc: each.intervals for csrc, each in stems.items()} == {ANN: [(1.0, 8.0)], BO: [(3.0, 9.0)]}
    assert [each.isolation for each in stems.values()] == ["gated-mix", "gated-mix"]
    for csrc, other in ((ANN, BO), (BO, ANN)):
        (overlap,) = stems[csrc].overlaps or []
        assert (overlap.start_seconds, overlap.end_seconds, overlap.csrcs) == (3.0, 8.0, [other])
    assert [each.packets.received for each in stems.values()] == [350, 300]
    assert payloads(stems[ANN], tmp_path / "shared")[100:] == payloads(stems[BO], tmp_path / "shared")[:250]
    # The mix is that of a call whose packets list the first speaker alone.
    assert np.array_equal(mix(tmp_path / "shared"), mix(tmp_path / "alone"))


def test_a_file_without_shared_packets_stays_separated(tmp_path: Path) -> None:
    stream, other = Stream(0, 6666), Stream(1, 6667)
    frames = stream.frames(1.0, 2.0, [ANN, BO], ANNS) + other.frames(1.0, 3.0, [CEM], BOS)
    stems = by_source(render(frames, tmp_path))
    assert {csrc: each.isolation for csrc, each in stems.items()} == {
        ANN: "gated-mix",
        BO: "gated-mix",
        CEM: "separated",
    }


def test_what_a_file_has_already_from_another_slot_is_not_shared_again(tmp_path: Path) -> None:
    frames = Stream(0, 6666).frames(1.0, 4.0, [BO], BOS) + Stream(1, 6667).frames(2.0, 3.0, [ANN, BO], ANNS)
    bos = by_source(render(frames, tmp_path))[BO]
    assert (bos.packets.received, bos.packets.duplicate, bos.intervals) == (150, 50, [(1.0, 4.0)])


def test_dtx_that_lists_two_people_is_in_no_file(tmp_path: Path) -> None:
    stream = Stream(0, 6666)
    frames = stream.frames(1.0, 3.0, [ANN], ANNS) + stream.frames(3.0, 5.0, [ANN, BO], [b"\xf8"])
    assert list(by_source(render(frames, tmp_path))) == [ANN]


def test_sources_past_the_limit_share_one_file_and_are_all_in_the_mix(
    two_files: None, tmp_path: Path
) -> None:
    sources = [(ANN, ANNS), (BO, BOS), (CEM, ANNS), (104, BOS), (105, ANNS)]
    streams = [Stream(receiver, 6666 + receiver) for receiver in range(2)]
    frames = [
        frame
        for number, (csrc, voice) in enumerate(sources)
        for frame in streams[number % 2].frames(1.0 + number, 1.8 + number, [csrc], voice)
    ]
    sinks = HearingSinks()
    manifest = render(frames, tmp_path, sinks=sinks)
    shared = manifest.participants[-1]
    (segment,) = shared.segments()
    assert (shared.participant_id, shared.name_source, segment.isolation) == (None, "none", "mixed-only")
    assert [each.csrc for each in segment.sources] == [CEM, 104, 105]
    assert segment.intervals == [(3.0, 5.8)]
    assert segment.packets.received == 120
    assert manifest.recording.warnings == [
        "More sources spoke than can have a file: 3 of them share one file of an unknown speaker, and 0 of their packets "
        "are only in the mixed audio, because another of them spoke."
    ]
    assert list(sinks.sources) == [ANN, BO, OVERFLOW]
    sound = np.abs(mix(tmp_path).astype(int)).reshape(-1, 4_800).max(axis=1)
    assert all(sound[10 * (1 + number) + 2 : 10 * (1 + number) + 7].max() > 500 for number in range(5))
    assert manifest.recording.unattributed_packets == 120


def test_of_two_sources_in_the_shared_file_at_once_one_is_written_and_both_are_in_the_mix(
    two_files: None, tmp_path: Path
) -> None:
    def talk(*, both: bool) -> list[Frame]:
        cem = Stream(0, 6666)
        frames = Stream(2, 1).frames(0.5, 0.6, [ANN], ANNS) + Stream(2, 2).frames(0.7, 0.8, [BO], ANNS)
        frames += cem.frames(1.0, 4.0, [CEM], ANNS) + cem.frames(5.0, 5.5, [CEM], ANNS)
        return frames + (Stream(1, 6667).frames(2.0, 6.0, [104], BOS) if both else [])

    manifest = render(talk(both=True), tmp_path / "both")
    (segment,) = manifest.participants[-1].segments()
    # 104 is written from the end of CEM's first words on, and keeps CEM's second out.
    assert segment.intervals == [(1.0, 6.0)]
    assert segment.packets.received == 150 + 97
    assert f"{100 + 3 + 25} of their packets" in manifest.recording.warnings[0]
    assert segment.duration_seconds == 10.0
    render(talk(both=False), tmp_path / "one")
    voice = Stream(1, 6667).frames(2.0, 6.0, [104], BOS)
    render(voice, tmp_path / "other")
    together = mix(tmp_path / "both").astype(int)
    parts = mix(tmp_path / "one").astype(int) + mix(tmp_path / "other")
    assert np.array_equal(together, np.clip(parts, -32768, 32767))
