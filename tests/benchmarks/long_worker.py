"""``meetstems run`` with hours of synthetic recording before the live call.

    python -m tests.benchmarks.long_worker HOURS

Everything else is real. The recording is made to begin HOURS earlier: a synthetic conversation goes through the same recorder,
tape, files and upload as fast as possible, then the live call follows. The line ``caught up`` is printed at that point.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from tests.support import tapes
from tests.support.conversation import conversation
from worker.cli.run import run_command
from worker.recording import session
from worker.recording.recorder import Recorder
from worker.tape.events import FrameBatch, RecordingStarted, TapeEvent

BATCHES_AT_ONCE: Final = 50
PAUSE: Final = 0.01
"""Seconds to wait after BATCHES_AT_ONCE batches, so that the other tasks can run: the worker must not become deaf."""

SECONDS: Final = float(sys.argv[1]) * 3600


class LongRecorder(Recorder):
    """Records the synthetic hours first. Observers get live events at once, the tape gets all events in order."""

    _held: list[TapeEvent]
    _catching_up: asyncio.Task[None] | None = None

    def take(self, event: TapeEvent) -> None:
        if isinstance(event, RecordingStarted):
            self._held = []
            self._write(RecordingStarted(at=event.at - SECONDS), event.at - SECONDS)
            self._catching_up = asyncio.create_task(self._catch_up(event.at))
        elif self._catching_up is not None and not self._catching_up.done():
            self._held.append(event)
            for observer in self.observers:
                observer(event)
        else:
            super().take(event)

    async def _catch_up(self, live: float) -> None:
        for number, batch in enumerate(_batches(live - SECONDS)):
            self._write(batch, batch.frames[-1].arrival)
            if number % BATCHES_AT_ONCE == 0:
                await asyncio.sleep(PAUSE)
        for event in self._held:
            self._write(event, time.time())
        print("caught up", flush=True)

    def _write(self, event: TapeEvent, at: float) -> None:
        self._render(self._tape.write(event, at))


def _batches(start: float) -> Iterator[FrameBatch]:
    tapes.STARTED_AT = start
    for event in tapes.synthetic_tape(conversation(SECONDS), SECONDS, jitter=0.005):
        if isinstance(event, FrameBatch) and event.frames:
            yield msgspec.structs.replace(event, document=1)


if __name__ == "__main__":
    setattr(session, "Recorder", LongRecorder)  # noqa: B010 - the module does not export it
    sys.exit(run_command(None, forever=False, local=False, output=None))
