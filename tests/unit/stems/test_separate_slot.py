"""Whole tapes of Meet whose packets list several speakers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from fixtures.replica.comparison.recording import read_stem
from fixtures.replica.voices import load_voice
from tests.support.audio_files import mix
from tests.support.streams import Stream, tape
from tests.support.tapes import feed_all
from worker.manifest.schema import Manifest, Segment
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import Frame

ANNS = [packet.payload for packet in load_voice("aria").speech]
BOS = [packet.payload for packet in load_voice("bruno").speech]
ANN, BO, CEM = 101, 102, 103


def render(frames: Iterable[Frame], folder: Path) -> Manifest:
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform))
    feed_all(renderer, tape("google_meet", 10.0, frames))
    return renderer.finish()


def by_source(manifest: Manifest) -> dict[int | None, Segment]:
    return {each.sources[0].csrc: each for _, each in manifest.segments()}


def payloads(segment: Segment, folder: Path) -> list[str]:
    return [packet.sha256 for packet in read_stem(folder / segment.url) if not packet.silent]


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
