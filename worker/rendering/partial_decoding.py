"""Where a part of a mix is decoded: in a child process, or in this one."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections import deque
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from worker.audio.mixer import Mixer, Sums
from worker.audio.opus import SAMPLE_RATE
from worker.audio.partial_mix import SecondsRing, ring_bytes
from worker.rendering import decoding_process
from worker.rendering.decoding_process import COUNT_BYTES, LENGTH_BYTES, SOUND, Batch, PartialMixer

PIPE_BYTES: Final = 1 << 20
"""Minutes of speech that wait for a process; Linux allows no more to every user (pipe(7), pipe-max-size)."""


class Decoding(Protocol):
    """Decodes some of a mix's inputs, and keeps the newest seconds of their sum."""

    @property
    def finished(self) -> int:
        """The second up to which is decoded, about."""

    def send(self, batch: Batch) -> None:
        """Raises OSError if the process is gone."""

    def second(self, number: int) -> Sums | None:
        """Waits for the next second; None if it is silent. Raises EOFError if the process is gone."""

    def undecodable(self) -> int:
        """Waits for the answer to Then.CLOSE. Raises EOFError if the process is gone."""

    def stop(self) -> None:
        """Ends the process; what it has not answered is lost."""


class ChildProcess:
    """Runs ``decoding_process``, which keeps ``seconds``. Raises OSError if no process can be started."""

    def __init__(self, seconds: int) -> None:
        # The kernel frees it with the last process that has it open, however that ends.
        descriptor = os.memfd_create("meetstems-mix")
        try:
            os.ftruncate(descriptor, ring_bytes(seconds))
            self._ring = SecondsRing(memoryview(mmap.mmap(descriptor, 0)))
            self._process = subprocess.Popen(
                [sys.executable, "-m", decoding_process.__name__, str(descriptor)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[descriptor],
                # numpy's threads would wait actively for work that never comes.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                pipesize=PIPE_BYTES,
                # Ctrl-C must reach this process only, which then ends the others.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self._encoder = msgspec.msgpack.Encoder()

    @property
    def finished(self) -> int:
        return self._ring.count

    def send(self, batch: Batch) -> None:
        """See Decoding."""
        body = self._encoder.encode(batch)
        assert self._process.stdin is not None
        self._process.stdin.write(len(body).to_bytes(LENGTH_BYTES, "little") + body)
        self._process.stdin.flush()

    def second(self, number: int) -> Sums | None:
        """See Decoding."""
        assert self._process.stdout is not None
        announced = self._process.stdout.read(1)
        if not announced:
            raise EOFError
        return self._ring.get(number) if announced == SOUND else None

    def undecodable(self) -> int:
        """See Decoding."""
        assert self._process.stdout is not None
        answer = self._process.stdout.read(COUNT_BYTES)
        if len(answer) < COUNT_BYTES:
            raise EOFError
        return int.from_bytes(answer, "little")

    def stop(self) -> None:
        """See Decoding."""
        self._process.kill()
        # What could not be written to a dead process is flushed again when its input is closed.
        with suppress(OSError):
            self._process.__exit__(None, None, None)


class InThisProcess:
    """Decodes in this process, from second ``first`` on, and keeps ``seconds``."""

    def __init__(self, seconds: int, first: int = 0) -> None:
        self._ring = SecondsRing(memoryview(bytearray(ring_bytes(seconds))))
        self._sounds: deque[bool] = deque()
        """For each second that is decoded and not asked for whether it has sound."""
        mixer = Mixer(self)
        mixer.write_until(first * SAMPLE_RATE)
        self._sounds.clear()
        self._mixer = PartialMixer(mixer)

    @property
    def finished(self) -> int:
        return self._ring.count

    def send(self, batch: Batch) -> None:
        """See Decoding."""
        self._mixer.take(batch)

    def second(self, number: int) -> Sums | None:
        """See Decoding."""
        return self._ring.get(number) if self._sounds.popleft() else None

    def undecodable(self) -> int:
        """See Decoding."""
        return self._mixer.undecodable

    def stop(self) -> None:
        """See Decoding."""

    def write(self, samples: Sums) -> None:
        """Called by the mixer with each second."""
        self._sounds.append(self._ring.put(self._ring.count, samples))

    def close(self) -> None:
        """Called by the mixer after the last second."""
