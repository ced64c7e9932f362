"""Live sound: what it costs, and that hours of it neither drift nor grow."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterable, Iterator

import pytest

from fixtures.replica.voices import load_voice
from tests.support.live_driving import LiveDrive
from tests.support.live_streams import ZERO, batches, frame
from worker.audio.decoder import Samples, SpeechDecoder
from worker.contracts.live_items import LiveMix, LiveOpus, LivePcm
from worker.platforms.registry import Platform
from worker.tape.codec import LoggedEvent
from worker.tape.events import Frame, RecordingStarted

HOURS = 4
RATE = 16_000
PAUSE = 480
"""Samples at 48 kHz that drift is corrected by at once."""
MOST_CORES = 0.05
"""Of one core, for three people who talk all the time, decoded and placed."""


def drifting(ppm: float, hours: float) -> Iterator[LoggedEvent]:
    """A sender who never pauses, 20 ms a packet, with 10 ms of jitter; every 50th packet is quiet."""
    rng = random.Random(7)
    pace = 1 - ppm / 1e6
    payloads = [packet.payload for packet in load_voice("aria").speech]

    def minute(first: int) -> Iterator[Frame]:
        for n in range(first, first + 3_000):
            yield frame(
                n,
                at=0.02 * n * pace,
                delay=rng.random() * 0.01,
                payload=payloads[n % len(payloads)],
                level=0.001 if n % 50 == 0 else 0.1,
            )

    for number in range(int(hours * 60)):
        yield from batches(minute(number * 3_000))


@pytest.mark.parametrize("ppm", [-100, 100])
def test_four_hours_of_a_drifting_sender_stay_in_place_and_in_bounds(ppm: float) -> None:
    driven = LiveDrive(Platform.GOOGLE_MEET, None)
    driven.feed(RecordingStarted(at=ZERO), ZERO)
    worst, packets, held = 0.0, 0, [0]
    began = time.process_time()
    for logged, event in drifting(ppm, HOURS):
        driven.feed(event, logged)
        for _, item in driven.items:
            assert isinstance(item, LiveOpus)
            ticks = round(item.arrived - ZERO - item.position / 48_000, 4)
            assert -0.04 <= ticks <= 0.05, f"{item.position}: {ticks}"
            worst = max(worst, abs(ticks))
            packets += 1
        driven.items.clear()
        if int(logged - ZERO) % 1_800 == 0:
            held.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    expected = HOURS * 180_000
    trimmed = max(0.0, ppm / 1e6) * HOURS * 3_600 / 0.02
    used = time.process_time() - began
    print(
        f"{ppm} ppm: {packets} of {expected} packets, at most {worst * 1000:.1f} ms from arrival; {used:.0f} s"
    )
    assert 0 <= expected - packets <= trimmed + 5, "only what the drift is corrected by is left out"
    assert held[-1] <= held[len(held) // 4] + 2_000, "KiB"


class Decoded:
    """What each packet of one sender sounds like at 16 kHz: decoded by itself, where it belongs; what drift leaves between
    them is silence.
    """

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.silence = 0
        """Samples between packets."""
        self._end = 0
        self._speech = SpeechDecoder(self, rate=RATE)

    def add(self, position: int, samples: Samples) -> None:
        """See PcmSink."""
        self.pieces.append((position, samples.tobytes()))

    def take(self, packets: list[LiveOpus]) -> list[tuple[int, bytes]]:
        """The sound of the next ``packets``, joined where one goes on where the other ended."""
        for packet in packets:
            if 0 < (gap := packet.position - self._end) <= PAUSE:
                self.pieces.append((self._end, bytes(2 * gap * RATE // 48_000)))
                self.silence += gap * RATE // 48_000
            self._end = packet.position + packet.samples
            self._speech.speak(packet.position, packet.samples, packet.payload)
            self._speech.settle()
        pieces, self.pieces = self.pieces, []
        return joined(pieces)


def joined(pieces: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Positions in samples at 48 kHz, PCM at 16 kHz."""
    runs: list[tuple[int, bytes]] = []
    for position, pcm in pieces:
        if runs and runs[-1][0] + len(runs[-1][1]) // 2 * (48_000 // RATE) == position:
            runs[-1] = runs[-1][0], runs[-1][1] + pcm
        else:
            runs.append((position, pcm))
    return runs


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("ppm", [-100, 100])
def test_four_hours_of_pcm_are_the_packets_decoded_in_their_places(ppm: float) -> None:
    driven, decoded = LiveDrive(Platform.GOOGLE_MEET, RATE), Decoded()
    driven.feed(RecordingStarted(at=ZERO), ZERO)
    payloads = [packet.payload for packet in load_voice("aria").speech]
    worst, packets, samples, number, held = 0.0, 0, 0, 0, [0]
    for logged, event in drifting(ppm, HOURS):
        driven.feed(event, logged)
        opus = [item for _, item in driven.items if isinstance(item, LiveOpus)]
        pcm = [item for _, item in driven.items if isinstance(item, LivePcm)]
        driven.items.clear()
        sound = joined((item.position, item.pcm) for item in pcm)
        assert sound == decoded.take(opus)
        for packet in opus:
            # Where a packet was left out, the sender's next is here.
            number += payloads[number % len(payloads)] != packet.payload
            assert payloads[number % len(payloads)] == packet.payload
            number += 1
        for item in pcm:
            end = item.position + len(item.pcm) // 2 * (48_000 // RATE)
            late = item.arrived - ZERO - (end - 960) / 48_000
            assert -0.04 <= late <= 0.05, f"{item.position}: {late}"
            worst = max(worst, abs(late))
            samples += len(item.pcm) // 2
        packets += len(opus)
        if int(logged - ZERO) % 1_800 == 0:
            held.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    expected = HOURS * 180_000
    trimmed = max(0.0, ppm / 1e6) * HOURS * 3_600 / 0.02
    print(f"{ppm} ppm: {packets} of {expected} packets, {samples} samples, {worst * 1000:.1f} ms at most")
    assert 0 <= expected - packets <= trimmed + 5
    assert samples == packets * RATE // 50 + decoded.silence
    assert held[-1] <= held[len(held) // 4] + 2_000, "KiB"


def test_three_talkers_cost_a_twentieth_of_a_core() -> None:
    seconds = 60.0
    voices = [[packet.payload for packet in load_voice(name).speech] for name in ("aria", "bruno", "aria")]
    frames = [
        frame(n, csrc=101 + slot, slot=slot, payload=voice[(n + 50 * slot) % len(voice)], delay=0.003)
        for n in range(int(seconds * 50))
        for slot, voice in enumerate(voices)
    ]
    for rate, mixed in ((None, False), (16_000, False), (16_000, True), (48_000, True)):
        driven = LiveDrive(Platform.GOOGLE_MEET, rate, mixed=mixed)
        driven.feed(RecordingStarted(at=ZERO), ZERO)
        used = 0.0
        for logged, event in batches(frames, 0.03):
            began = time.process_time()
            driven.feed(event, logged)
            used += time.process_time() - began
        decoded = sum(len(item.pcm) for _, item in driven.items if isinstance(item, LivePcm))
        mix = sum(isinstance(item, LiveMix) for _, item in driven.items)
        print(f"rate {rate}, {mix} items of the mix, {decoded} bytes: {used / seconds:.4f} cores")
        assert used / seconds <= MOST_CORES
