"""Mixes a tape on several processors: child processes and this one decode, and this one adds the parts up.

Decoding Opus takes three quarters of the time of a replay. A speaker's decoder begins anew at each talk-spurt, so each
talk-spurt can be decoded by another process; a sum does not depend on its order. The samples are those of
``worker.audio.mixer.Mixer``. Threads would not do: decoding releases the interpreter's lock for a tenth of a millisecond at a
time.
"""

from __future__ import annotations

import logging
import mmap
import os
import subprocess
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from worker.audio.mixer import Mix, Mixer, OpenMix, SampleSink, Sums
from worker.audio.opus import SAMPLE_RATE
from worker.audio.partial_mix import Adder, SecondsRing, ring_bytes
from worker.rendering import decoding_process
from worker.rendering.decoding_process import (
    COUNT_BYTES,
    LENGTH_BYTES,
    SOUND,
    Batch,
    Call,
    PartialMixer,
    Then,
)
from worker.rendering.processors import usable_processors
from worker.tape.parts import PART_PATTERN

logger = logging.getLogger(__name__)

SHORT_TAPE: Final = 4_000_000
"""Bytes: about three minutes of three people who never pause. Starting the processes would take as long as it saves."""

MOST_CHILDREN: Final = 3
"""With more each has less to do than this process, which reads the tape."""

PLACING: Final = 0.37
"""What this process does about each call, also of one that another decodes, as a part of decoding: 9 of 25 us were
measured."""

SECONDS_AHEAD: Final = 32
"""Seconds of meeting time that the tape is read ahead of the slowest process. Each costs 192 kB for each process."""

SECONDS_AT_ONCE: Final = 8
"""Seconds of meeting time that a process is asked for in one message at most: each message costs three processes some work."""

PIPE_BYTES: Final = 1 << 20
"""Minutes of speech that wait for a process; Linux allows no more to every user (pipe(7), pipe-max-size)."""

DECAY: Final = 0.7
"""Of a process's load, with each message, which is mostly of three seconds: it counts the speech of the last ten or so."""

MOST_LOGGED: Final = 15_000
"""Calls of one talk-spurt that are all kept in case its process dies: five minutes without a gap of one sample."""

WARM_UP: Final = SAMPLE_RATE
"""Of a longer talk-spurt one second is kept beyond what is not written: a new decoder agrees with the old one by then."""


@contextmanager
def parallel_mixes(tape: Path) -> Iterator[OpenMix]:
    """Yields what mixes ``tape`` best on the processors that this process may use; on exit no child process is left.

    That is the plain Mixer for a short tape or one processor.
    """
    processors = usable_processors()
    size = sum(part.stat().st_size for part in tape.glob(PART_PATTERN))
    if processors < 2 or size < SHORT_TAPE:
        yield Mixer
        return
    with mixing_on(min(processors - 1, MOST_CHILDREN)) as open_mix:
        yield open_mix


@contextmanager
def mixing_on(children: int) -> Iterator[OpenMix]:
    """Yields what mixes on this process and ``children`` others, at least one; on exit none of them is left."""
    opened: list[ParallelMixer] = []

    def open_mix(sink: SampleSink) -> Mix:
        try:
            mixer = ParallelMixer(sink, children)
        except Exception as error:  # noqa: BLE001 - whatever it is, this process can decode as well
            logger.warning("no process can be started to decode the mix, so this one decodes it: %s", error)
            return Mixer(sink)
        opened.append(mixer)
        return mixer

    try:
        yield open_mix
    finally:
        for mixer in opened:
            mixer.stop()


class ParallelMixer:
    """A Mixer whose inputs are decoded by ``children`` processes and this one. A child that dies costs time, but no speech.

    Raises OSError if no process can be started; its methods raise nothing, as the sink does not.
    """

    def __init__(self, sink: SampleSink, children: int) -> None:
        self._sink = sink
        self._inputs: list[ParallelInput] = []
        self._children: list[_Worker] = []
        self._own = _Worker(_InThisProcess())
        self._adder = Adder()
        self._sent = 0
        """Whole seconds that the processes were asked for."""
        self._written = 0
        self.undecodable = 0
        """Packets that could not be decoded, after ``close``; of a process that died only those that were decoded again."""
        try:
            for _ in range(children):
                self._children.append(_Worker(_ChildProcess()))
        except BaseException:
            self.stop()
            raise
        self._workers = [*self._children, self._own]
        """This process last: the others are not to wait for it."""

    def open_input(self) -> ParallelInput:
        """Returns an input for one source."""
        opened = ParallelInput(len(self._inputs), self._choose)
        self._inputs.append(opened)
        return opened

    def write_until(self, position: int) -> None:
        """Writes whole seconds up to SECONDS_AHEAD before ``position`` (samples of meeting time), or later."""
        while (seconds := min(position // SAMPLE_RATE - self._sent, SECONDS_AT_ONCE)) > 0:
            self._sent += seconds
            self._send(Then.WRITE, self._sent * SAMPLE_RATE)
            # Seconds are read while nothing is unsent, and make room for the next message.
            while self._sent - self._written > SECONDS_AHEAD - SECONDS_AT_ONCE:
                self._write_second(SAMPLE_RATE)

    def close(self, end: int) -> None:
        """Writes the rest up to ``end`` (samples of meeting time), closes the sink and ends the processes."""
        self.write_until(end)
        self._send(Then.CLOSE, end)
        self._write_seconds()
        if end > self._written * SAMPLE_RATE:
            self._write_second(end - self._written * SAMPLE_RATE)
        self.undecodable = sum(worker.undecodable(self._written, self._inputs) for worker in self._workers)
        self._sink.close()
        self.stop()

    def stop(self) -> None:
        """Ends the processes; what is not written is lost."""
        for worker in self._children:
            worker.stop()

    def _choose(self) -> _Worker:
        """The process for a new talk-spurt: the one that has the least to do."""
        child = min(self._children, key=self._load)
        own = self._own.recent + PLACING * sum(worker.recent for worker in self._workers)
        return self._own if own < self._load(child) else child

    def _load(self, child: _Worker) -> float:
        """The recent calls of a child process: half as many if it waits for more, any number if this process waits for it.

        So a processor is not left idle where PLACING is wrong or others use it.
        """
        lag = (self._sent - child.finished) / (SECONDS_AHEAD - SECONDS_AT_ONCE)
        return child.recent / max(2 - 2 * lag, 0.01)

    def _send(self, then: Then, until: int) -> None:
        for worker in self._workers:
            worker.send(then, until)

    def _write_seconds(self) -> None:
        while self._written < self._sent:
            self._write_second(SAMPLE_RATE)

    def _write_second(self, count: int) -> None:
        parts = [worker.second(self._written, self._inputs) for worker in self._workers]
        self._sink.write(self._adder.add_up([part for part in parts if part is not None], count))
        self._written += 1
        for each in self._inputs:
            each.forget(self._written * SAMPLE_RATE)


class _TalkSpurt:
    """The calls of a talk-spurt, which one process decodes."""

    def __init__(self, worker: _Worker) -> None:
        self.worker = worker
        self.calls: list[Call] = []

    @property
    def end(self) -> int:
        """Where it ends by now, in samples of meeting time."""
        _, position, samples, _ = self.calls[-1]
        return position + samples


class ParallelInput:
    """Takes one source into the mix. Each talk-spurt goes to the process that has the least to do then."""

    def __init__(self, number: int, choose: Callable[[], _Worker]) -> None:
        self._number = number
        self._choose = choose
        self._spurts: deque[_TalkSpurt] = deque()
        """The last one, and those before it of which something is not yet written."""
        self._end = -1
        self._log: Callable[[Call], None] = _ignore
        """Adds a call to those of the talk-spurt."""
        self._send: Callable[[Call], None] = _ignore
        """Adds a call to those for the talk-spurt's process."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """Adds a packet of speech at ``position``; packets come in order."""
        if position != self._end:
            self._begin_spurt()
        call = (self._number, position, samples, payload)
        self._log(call)
        self._send(call)
        self._end = position + samples

    def conceal(self, position: int, samples: int) -> None:
        """Conceals ``samples`` of lost speech at ``position``, where the last packet ended."""
        if self._spurts:
            self._end = position
            self.speak(position, samples, b"")

    def forget(self, written: int) -> None:
        """Forgets what is written up to ``written`` (samples of meeting time)."""
        spurts = self._spurts
        while len(spurts) > 1 and spurts[0].end <= written:
            spurts.popleft()
        if spurts and len(spurts[-1].calls) > MOST_LOGGED:
            calls = spurts[-1].calls
            del calls[: bisect_left(calls, written - WARM_UP, key=_position)]

    def calls_of(self, worker: _Worker) -> list[Call]:
        """The calls that ``worker`` got and that may not be written."""
        return [call for spurt in self._spurts if spurt.worker is worker for call in spurt.calls]

    def _begin_spurt(self) -> None:
        spurt = _TalkSpurt(self._choose())
        self._spurts.append(spurt)
        self._log = spurt.calls.append
        self._send = spurt.worker.calls.append


def _position(call: Call) -> int:
    return call[1]


def _ignore(_: Call) -> None:
    """Takes no call: no talk-spurt has begun."""


class _Worker:
    """A child process, or what does its work in this process after it died; or this process's own share."""

    def __init__(self, decoding: _Decoding) -> None:
        self.calls: list[Call] = []
        """What to send next."""
        self._load = 0.0
        """What was sent lately, in calls."""
        self._then = Then.WRITE
        self._until = 0
        self._decoding = decoding

    @property
    def recent(self) -> float:
        """The calls of the last ten seconds or so."""
        return self._load + len(self.calls)

    @property
    def finished(self) -> int:
        """The second up to which it has decoded, about."""
        return self._decoding.finished

    def send(self, then: Then, until: int) -> None:
        """Sends the calls, and what to do then."""
        self._then, self._until = then, until
        # A process that died is noticed when it does not answer.
        with suppress(OSError):
            self._decoding.send(Batch(self.calls, then, until))
        self._load = DECAY * self._load + len(self.calls)
        self.calls.clear()

    def second(self, number: int, inputs: list[ParallelInput]) -> Sums | None:
        """This process's part of a second, in order and with nothing unsent; None if it is silent."""
        try:
            return self._decoding.second(number)
        except EOFError:
            self._succeed(number, inputs)
            return self._decoding.second(number)

    def undecodable(self, written: int, inputs: list[ParallelInput]) -> int:
        """The answer to Then.CLOSE, with ``written`` seconds written."""
        try:
            return self._decoding.undecodable()
        except EOFError:
            self._succeed(written, inputs)
            return self._decoding.undecodable()

    def _succeed(self, number: int, inputs: list[ParallelInput]) -> None:
        """Does the work of a process that died from second ``number`` on."""
        logger.warning("a process that decodes the mix has died; its work is done again in this one")
        self.stop()
        calls = [call for each in inputs for call in each.calls_of(self)]
        self._decoding = _InThisProcess(number)
        self._decoding.send(Batch(calls, self._then, self._until))

    def stop(self) -> None:
        """Ends the process."""
        self._decoding.stop()


class _Decoding(Protocol):
    @property
    def finished(self) -> int:
        """The second up to which is decoded, about."""

    def send(self, batch: Batch) -> None:
        """Raises OSError if the process is gone."""

    def second(self, number: int) -> Sums | None:
        """Waits for the next second; None if it is silent. Raises EOFError if the process is gone."""

    def undecodable(self) -> int:
        """Waits for the answer to Then.CLOSE. Raises EOFError if the process is gone."""

    def stop(self) -> None: ...


class _ChildProcess:
    """Runs ``decoding_process``. Raises OSError if no process can be started."""

    def __init__(self) -> None:
        # The kernel frees it with the last process that has it open, however that ends.
        descriptor = os.memfd_create("meetstems-mix")
        try:
            os.ftruncate(descriptor, ring_bytes(SECONDS_AHEAD))
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
        body = self._encoder.encode(batch)
        assert self._process.stdin is not None
        self._process.stdin.write(len(body).to_bytes(LENGTH_BYTES, "little") + body)
        self._process.stdin.flush()

    def second(self, number: int) -> Sums | None:
        assert self._process.stdout is not None
        announced = self._process.stdout.read(1)
        if not announced:
            raise EOFError
        return self._ring.get(number) if announced == SOUND else None

    def undecodable(self) -> int:
        assert self._process.stdout is not None
        answer = self._process.stdout.read(COUNT_BYTES)
        if len(answer) < COUNT_BYTES:
            raise EOFError
        return int.from_bytes(answer, "little")

    def stop(self) -> None:
        self._process.kill()
        # What could not be written to a dead process is flushed again when its input is closed.
        with suppress(OSError):
            self._process.__exit__(None, None, None)


class _InThisProcess:
    """Decodes in this process, from second ``first`` on."""

    def __init__(self, first: int = 0) -> None:
        self._ring = SecondsRing(memoryview(bytearray(ring_bytes(SECONDS_AHEAD))))
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
        self._mixer.take(batch)

    def second(self, number: int) -> Sums | None:
        return self._ring.get(number) if self._sounds.popleft() else None

    def undecodable(self) -> int:
        return self._mixer.undecodable

    def stop(self) -> None:
        pass

    def write(self, samples: Sums) -> None:
        """Called by the mixer with each second."""
        self._sounds.append(self._ring.put(self._ring.count, samples))

    def close(self) -> None:
        """Called by the mixer after the last second."""
