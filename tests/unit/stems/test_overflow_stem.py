"""Whole tapes of Meet with more sources than files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from fixtures.replica.voices import load_voice
from tests.support.audio_files import mix
from tests.support.hearing_sinks import HearingSinks
from tests.support.streams import Stream, tape
from tests.support.tapes import feed_all
from worker.manifest.schema import Manifest
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.stems import separate_stems
from worker.stems.overflow import OVERFLOW
from worker.tape.events import Frame

ANNS = [packet.payload for packet in load_voice("aria").speech]
BOS = [packet.payload for packet in load_voice("bruno").speech]
ANN, BO, CEM = 101, 102, 103


def render(frames: Iterable[Frame], folder: Path, sinks: HearingSinks | None = None) -> Manifest:
    renderer = DeferredRenderer(
        lambda platform: Renderer(folder, platform, sinks=[] if sinks is None else [sinks])
    )
    feed_all(renderer, tape("google_meet", 10.0, frames))
    return renderer.finish()


@pytest.fixture
def two_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separate_stems, "MOST_SOURCES", 2)


def test_everybody_in_a_large_meeting_has_a_file(tmp_path: Path) -> None:
    stream = Stream(0, 6666)
    turns = [(1_000 + number, 1.0 + number / 10) for number in range(60)]
    frames = [frame for csrc, at in turns for frame in stream.frames(at, at + 0.1, [csrc], ANNS)]
    segments = render(frames, tmp_path).segments()
    assert [segment.sources[0].csrc for _, segment in segments] == [csrc for csrc, _ in turns]


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
