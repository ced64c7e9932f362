"""Tapes whose packets are made to do harm: nothing fails, the others' packets are in their files, and the mix is right.

``MEETSTEMS_FUZZ`` is the number of seeds; ``make fuzz`` tries 2,000.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fixtures.replica.comparison.recording import StemPacket, read_stem
from tests.support.fuzzed_tapes import ANN, BO, EVENT_TYPES, SPEECH, FuzzedTape
from tests.support.opus_packets import decode
from tests.support.tapes import feed_all
from worker.audio.decoder import DecoderPool, SpeechDecoder
from worker.audio.mixer import Mixer, SampleSink
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer

SEEDS = range(int(os.environ.get("MEETSTEMS_FUZZ", "20")))
PACKET = 960
LEAST_SPOKEN = 100
"""Packets that Ann and Bo speak at least; a hostile source may have sent some copies of theirs and nothing else."""

PAYLOADS = {sha256(payload).hexdigest(): payload for speech in SPEECH.values() for payload in speech}


class HeardInput(SpeechDecoder):
    """Remembers where something is to sound, and what."""

    def __init__(self, mixer: Mixer, pool: DecoderPool) -> None:
        super().__init__(mixer, pool)
        self.payloads: list[bytes] = []
        self.places: list[tuple[int, int]] = []

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        self.payloads.append(payload)
        self.places.append((position, position + samples))
        super().speak(position, samples, payload)

    def conceal(self, position: int, samples: int) -> None:
        self.places.append((position, position + samples))
        super().conceal(position, samples)


class HeardMixer(Mixer):
    def __init__(self, sink: SampleSink) -> None:
        super().__init__(sink)
        self.heard: list[HeardInput] = []

    def open_input(self) -> SpeechDecoder:
        self.heard.append(HeardInput(self, self._decoders))
        return self.heard[-1]

    def places_of_others(self) -> Iterator[tuple[int, int]]:
        """(from, to) in samples, wherever something sounds that is in no packet of Ann or Bo."""
        theirs = set(PAYLOADS.values())
        for each in self.heard:
            if len(each.payloads) < LEAST_SPOKEN or not theirs.issuperset(each.payloads):
                yield from each.places


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("seed", SEEDS)
def test_hostile_packets_cost_no_other_speaker_a_packet(
    seed: int, platform: Platform, tmp_path: Path
) -> None:
    tape = FuzzedTape(seed, platform)
    mixers: list[HeardMixer] = []

    def open_mix(sink: SampleSink) -> HeardMixer:
        mixers.append(HeardMixer(sink))
        return mixers[-1]

    renderer = DeferredRenderer(lambda platform: Renderer(tmp_path, platform, open_mix=open_mix))
    feed_all(renderer, tape.events())
    heard = stems(renderer.finish(), tmp_path)
    for person, payloads in tape.sent.items():
        assert [each.sha256 for each in heard[person]] == [sha256(each).hexdigest() for each in payloads]
    compare_mix(tmp_path / "audio.wav", voices(heard, platform), mixers[0].places_of_others())


def stems(manifest: Manifest, output: Path) -> dict[int | None, list[StemPacket]]:
    """The packets of speech of each source; of several unknown ones those of one. Every file can be read."""
    return {
        segment.sources[0].csrc: [each for each in read_stem(output / segment.url) if not each.silent]
        for _, segment in manifest.segments()
    }


def voices(heard: dict[int | None, list[StemPacket]], platform: Platform) -> list[list[StemPacket]]:
    """The packets that one decoder gets: on Meet those of one speaker, on Teams those of the mix."""
    if platform is Platform.GOOGLE_MEET:
        return [heard[ANN], heard[BO]]
    # What both said at once is one packet, in both files.
    mix = {packet.position: packet for packet in (*heard[ANN], *heard[BO])}
    return [[mix[position] for position in sorted(mix)]]


def compare_mix(path: Path, voices: list[list[StemPacket]], others: Iterable[tuple[int, int]]) -> None:
    """The mix is the sum of the decoded voices wherever nothing else sounds."""
    with wave.open(str(path)) as file:
        mix = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    expected = np.zeros(len(mix), np.int32)
    for speech in voices:
        for position, samples in decoded(speech):
            expected[position : position + len(samples)] += samples
    alone = np.ones(len(mix), np.bool_)
    for start, end in others:
        alone[start:end] = False
    assert alone.sum() >= 3 * 48_000, "there is something to compare"
    assert np.abs(expected[alone]).max() > 1_000, "which is not silence"
    assert np.array_equal(mix[alone], expected[alone].clip(-32_768, 32_767))


def decoded(speech: list[StemPacket]) -> Iterator[tuple[int, npt.NDArray[np.int16]]]:
    """Each talk-spurt's place and samples."""
    places = [packet.position for packet in speech]
    begins = [at for at, (before, place) in enumerate(pairwise(places), 1) if place != before + PACKET]
    for start, end in pairwise([0, *begins, len(speech)]):
        yield places[start], decode([PAYLOADS[packet.sha256] for packet in speech[start:end]])


def test_the_tapes_hold_every_event_that_a_page_or_the_worker_may_add() -> None:
    tapes = [FuzzedTape(seed, Platform.GOOGLE_MEET) for seed in range(20)]
    assert {type(event) for tape in tapes for event in tape.events()} >= set(EVENT_TYPES)
