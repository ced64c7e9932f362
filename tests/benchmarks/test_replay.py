"""The speed of rendering a tape, and the places of packets and the memory in four hours."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
from pathlib import Path

import av
import pytest
from av.audio.codeccontext import AudioCodecContext

from fixtures.replica.comparison.recording import read_stem
from tests.benchmarks.measured import measured
from tests.support.conversation import conversation, monologues
from tests.support.tapes import Talker, meant_places, synthetic_tape
from worker.rendering.processors import usable_processors
from worker.tape.events import FrameBatch, VideoBatch
from worker.tape.reader import read_tape
from worker.tape.writer import TapeWriter

pytestmark = pytest.mark.timeout(900)
HOUR = 3_600.0
REPEATED = 3
"""Runs of each kind, in turn; the quickest counts, because other programs only slow down."""


def write_tape(folder: Path, talkers: list[Talker], seconds: float, jitter: float = 0.005) -> int:
    """Writes a tape as a recording does; returns the number of its packets."""
    count = 0
    folder.mkdir(parents=True)
    with TapeWriter(folder) as writer:
        at = 0.0
        for event in synthetic_tape(talkers, seconds, jitter=jitter):
            if isinstance(event, FrameBatch | VideoBatch):
                count += len(event.frames)
                at = event.frames[-1].arrival
            else:
                at = max(at, event.at)
            writer.write(event, at)
    return count


def replay(tape: Path, output: Path, what: str, processors: int = 1) -> dict[str, float]:
    answer: dict[str, float] = asyncio.run(measured("replay_once", tape, output, what, processors))
    return answer


def decoding_alone(tape: Path) -> float:
    """Seconds of processor time that libopus alone needs to decode all packets of a tape."""
    contexts: dict[int, AudioCodecContext] = {}
    packets: list[tuple[int, bytes]] = []
    for event in read_tape(tape):
        if isinstance(event, FrameBatch):
            packets += [(frame.csrcs[0], frame.payload) for frame in event.frames]
    for csrc, _ in packets:
        if csrc not in contexts:
            context = av.CodecContext.create("libopus", "r")
            assert isinstance(context, AudioCodecContext)
            context.sample_rate, context.layout = 48_000, "mono"
            contexts[csrc] = context
    used = time.process_time()
    for csrc, payload in packets:
        contexts[csrc].decode(av.Packet(payload))
    return time.process_time() - used


@pytest.mark.parametrize("kind", ["monologues", "conversation"])
def test_print_the_speed_of_an_hour_with_three_slots(kind: str, tmp_path: Path) -> None:
    talkers = monologues(HOUR) if kind == "monologues" else conversation(HOUR)
    count = write_tape(tmp_path / "tape", talkers, HOUR)
    stems = replay(tmp_path / "tape", tmp_path / "stems", "stems")
    mix = replay(tmp_path / "tape", tmp_path / "mix", "mix")
    decoding = decoding_alone(tmp_path / "tape")
    print(
        f"\n1 h, three slots, {kind}: {len(talkers)} speakers, {count:,} packets ({count / HOUR / 150:.0%} of three full slots)"
        f"\n  stems alone    {HOUR / stems['cpu']:>7,.0f} x real time  ({1e6 * stems['cpu'] / count:.1f} us a packet)"
        f"\n  stems and mix  {HOUR / mix['cpu']:>7,.0f} x real time  ({1e6 * mix['cpu'] / count:.1f} us a packet)"
        f"\n  libopus alone  {HOUR / decoding:>7,.0f} x real time, the limit for a mix on this core"
        f"\n  peak memory    {mix['peak_bytes'] / 1e6:,.0f} MB"
    )


@pytest.mark.skipif(usable_processors() < 2, reason="needs two processors")
@pytest.mark.parametrize("kind", ["monologues", "conversation"])
def test_two_processors_mix_an_hour_at_least_1_7_times_as_fast_as_one(kind: str, tmp_path: Path) -> None:
    talkers = monologues(HOUR) if kind == "monologues" else conversation(HOUR)
    write_tape(tmp_path / "tape", talkers, HOUR)
    runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    mixes = []
    for number in range(REPEATED):
        for processors, done in runs.items():
            output = tmp_path / f"on-{processors}-{number}"
            done.append(replay(tmp_path / "tape", output, "mix", processors))
            with (output / "audio.wav").open("rb") as mix:
                mixes.append(hashlib.file_digest(mix, "sha256").hexdigest())
            shutil.rmtree(output)
    one, two = (min(measured, key=lambda run: run["wall"]) for measured in runs.values())
    work = two["cpu"] + two["children_cpu"]
    print(f"\n1 h, three slots, {kind}, with the mix; the quickest of {REPEATED} runs")
    for name, run in ("one processor", one), ("two processors", two):
        print(
            f"  {name:<14}  {run['wall']:>6.2f} s wall, CPU: {run['cpu']:>6.2f} s, children {run['children_cpu']:>6.2f} s;"
            f" peak {run['peak_bytes'] / 1e6:.0f} MB, largest child {run['child_peak_bytes'] / 1e6:.0f} MB"
        )
    print(
        f"  {one['wall'] / two['wall']:.2f} times as fast; {one['cpu'] / max(work / 2, two['cpu']):.2f} if both processors"
        " were always busy"
    )
    assert len(set(mixes)) == 1
    assert one["wall"] / two["wall"] >= 1.7


def test_four_hours_of_drifting_speakers_stay_in_place_and_in_memory(tmp_path: Path) -> None:
    seconds = 4 * HOUR
    talkers = conversation(seconds)
    count = write_tape(tmp_path / "tape", talkers, seconds)
    usage = replay(tmp_path / "tape", tmp_path / "out", "mix")
    manifest = json.loads((tmp_path / "out" / "audio_streams.json").read_bytes())
    print(
        f"\n4 h, 8 speakers, +-100 ppm, {count:,} packets: {seconds / usage['cpu']:,.0f} x real time", end=""
    )
    print(f", peak memory {usage['peak_bytes'] / 1e6:,.0f} MB")
    by_csrc = {talker.csrc: talker for talker in talkers}
    for person in manifest["participants"]:
        segment = person["streams"][0]["segments"][0]
        talker = by_csrc[segment["sources"][0]["csrc"]]
        spoken = [
            packet.position for packet in read_stem(tmp_path / "out" / segment["url"]) if not packet.silent
        ]
        errors = [
            1_000 * abs(at / 48_000 - place) for at, place in zip(spoken, meant_places(talker), strict=True)
        ]
        print(
            f"  {talker.ppm:>+5.0f} ppm  {len(errors):>7,} packets  worst {max(errors):.1f} ms,"
            f" worst of the last 1,000 {max(errors[-1000:]):.1f} ms"
        )
        assert max(errors) <= 20
    assert usage["peak_bytes"] <= 250e6
