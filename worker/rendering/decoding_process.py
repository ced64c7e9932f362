"""A process that decodes some of the speakers and adds them up: a part of a mix that ``parallel_mixer`` puts together.

Standard input: batches, each a length (4 bytes, little-endian) and a Batch as MessagePack. Standard output: one byte for each
second of the partial mix, in order: SILENT, or SOUND once its samples are in the shared ring; at last how many packets
could not be decoded (8 bytes, little-endian). The end of standard input ends the process, so it does not outlive the one that
started it.
"""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from enum import IntEnum
from typing import IO, Final

import msgspec

from worker.audio.decoder import SpeechDecoder
from worker.audio.mixer import Mixer, Sums
from worker.audio.partial_mix import SecondsRing

SILENT: Final = b"\0"
SOUND: Final = b"\1"

LENGTH_BYTES: Final = 4
COUNT_BYTES: Final = 8

Call = tuple[int, int, int, bytes]
"""(input, position, samples, payload): SpeechDecoder.speak; without a payload: SpeechDecoder.conceal."""


class Then(IntEnum):
    """What to do after the calls of a batch."""

    WRITE = 0
    """Mixer.write_until."""
    CLOSE = 1
    """Mixer.close, and answer how many packets could not be decoded."""


class Batch(msgspec.Struct, array_like=True, gc=False):
    """Speech to add, and what to do ``then``; ``until`` is in samples of meeting time."""

    calls: list[Call]
    then: Then
    until: int


class PartialMixer:
    """Some of a mix's inputs, by number; they are opened when they first speak."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._inputs: dict[int, SpeechDecoder] = {}

    def take(self, batch: Batch) -> None:
        """Takes the next batch; the mixer writes the seconds that are complete."""
        inputs = self._inputs
        for number, position, samples, payload in batch.calls:
            voice = inputs.get(number)
            if voice is None:
                voice = inputs[number] = self._mixer.open_input()
            if payload:
                voice.speak(position, samples, payload)
            else:
                voice.conceal(position, samples)
        match batch.then:
            case Then.WRITE:
                self._mixer.write_until(batch.until)
            case Then.CLOSE:
                self._mixer.close(batch.until)

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded; complete after Then.CLOSE."""
        return self._mixer.undecodable


class _RingSink:
    """Puts each second into the ring and announces it; the announcements of a batch are sent together."""

    def __init__(self, ring: SecondsRing, announcements: IO[bytes]) -> None:
        self._ring = ring
        self._announcements = announcements
        self._second = 0

    def write(self, samples: Sums) -> None:
        self._announcements.write(SOUND if self._ring.put(self._second, samples) else SILENT)
        self._second += 1

    def close(self) -> None:
        """Nothing is left to do: each second is announced when it is put."""


def serve(batches: IO[bytes], announcements: IO[bytes], ring: SecondsRing) -> None:
    """Takes batches until ``batches`` ends."""
    mixer = PartialMixer(Mixer(_RingSink(ring, announcements)))
    decoder = msgspec.msgpack.Decoder(Batch)
    while header := batches.read(LENGTH_BYTES):
        body = batches.read(int.from_bytes(header, "little"))
        if len(body) != int.from_bytes(header, "little"):
            return
        batch = decoder.decode(body)
        mixer.take(batch)
        if batch.then is Then.CLOSE:
            announcements.write(mixer.undecodable.to_bytes(COUNT_BYTES, "little"))
        announcements.flush()


def main(descriptor: int) -> None:
    """The process: ``descriptor`` is the open file of the shared ring."""
    ring = SecondsRing(memoryview(mmap.mmap(descriptor, 0)))
    # Nobody reads any more where the process that started this one has died.
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer, ring)


if __name__ == "__main__":
    main(int(sys.argv[1]))
