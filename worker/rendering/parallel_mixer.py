"""Mixes a tape on several processors: child processes and this one decode, and this one adds the parts up.

Decoding Opus takes three quarters of the time of a replay. A speaker's decoder begins anew at each talk-spurt, so each
talk-spurt can be decoded by another process; a sum does not depend on its order. The samples are those of
``worker.audio.mixer.Mixer``. Threads would not do: decoding releases the interpreter's lock for a tenth of a millisecond at a
time.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from worker.audio.mixer import Mix, Mixer, OpenMix, SampleSink, Sums
from worker.audio.opus import SAMPLE_RATE
from worker.audio.partial_mix import Adder
from worker.rendering.decoding_process import Batch, Call, Then
from worker.rendering.partial_decoding import ChildProcess, Decoding, InThisProcess
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
        self._own = _Worker(InThisProcess(SECONDS_AHEAD))
        self._adder = Adder()
        self._sent = 0
        """Whole seconds that the processes were asked for."""
        self._written = 0
        self.undecodable = 0
        """Packets that could not be decoded, after ``close``; of a process that died only those that were decoded again."""
        try:
            for _ in range(children):
                self._children.append(_Worker(ChildProcess(SECONDS_AHEAD)))
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

    def __init__(self, decoding: Decoding) -> None:
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
        self._decoding = InThisProcess(SECONDS_AHEAD, number)
        self._decoding.send(Batch(calls, self._then, self._until))

    def stop(self) -> None:
        """Ends the process."""
        self._decoding.stop()
