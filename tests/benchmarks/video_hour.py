"""Records a synthetic meeting with nine cameras as fast as possible:
``python -m tests.benchmarks.video_hour CODEC HOURS FOLDER``.

The frames are those of tests.benchmarks.nine_cameras, in batches as the page sends them; eight people talk beside them. They go
through the recorder of a call, to the tape, whose parts are deleted once they are complete, and to the files. Prints one JSON
object.
"""

from __future__ import annotations

import heapq
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast

import psutil

from fixtures.replica.video.clips import Clip
from fixtures.replica.video.counter import PICTURES
from fixtures.replica.video.scenario import Codec
from tests.benchmarks.nine_cameras import CAMERAS, filled_clip
from tests.support.conversation import conversation
from tests.support.tapes import STARTED_AT, synthetic_tape
from worker.recording.recorder import Recorder
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.output import TAPE_FOLDER, VIDEO_FOLDER
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    FrameBatch,
    TapeEvent,
    TapeStarted,
    VideoBatch,
    VideoFrame,
    VideoRequested,
    VideoTrackSeen,
)
from worker.tape.writer import TapeWriter

Result = TypeVar("Result")

FPS: Final = 15

BATCH_SECONDS: Final = 0.5

LOOKS: Final = 10
"""How often memory and open files are looked at."""

LONGEST_CALLS: Final = 10


class Meter:
    """What calls of the recorder cost, in processor time of this process."""

    def __init__(self) -> None:
        self.calls: list[float] = []

    def run(self, call: Callable[[], Result]) -> Result:
        """Measures one call, which holds up the event loop of a live recording."""
        used = time.process_time()
        result = call()
        self.calls.append(time.process_time() - used)
        return result


def main(codec: str, hours: str, folder: str) -> None:
    """Records into ``folder``, which must not exist or be empty."""
    output, seconds = Path(folder), float(hours) * 3600
    tape_bytes = 0
    now = 0.0

    def delete(part: Path) -> None:
        nonlocal tape_bytes
        tape_bytes += part.stat().st_size
        part.unlink()

    process = psutil.Process()
    events = recorded_events(cast("Codec", codec), seconds)
    meter, looks = Meter(), iter(range(1, LOOKS + 1))
    next_look = STARTED_AT + seconds * next(looks) / LOOKS
    memory, most_files = [], 0
    with TapeWriter(output / TAPE_FOLDER, delete, video=True) as tape:
        recorder = Recorder(tape, DeferredRenderer(lambda platform: Renderer(output, platform)), lambda: now)
        for event in events:
            now = max(now, log_time(event))
            meter.run(partial(recorder.take, event))
            if now >= next_look:
                memory.append(process.memory_info().rss / 2**20)
                most_files = max(most_files, process.num_fds())
                next_look = STARTED_AT + seconds * next(looks, LOOKS + 1) / LOOKS
        ended = time.perf_counter()
        while meter.run(recorder.write_due):
            pass
        manifest = recorder.finish()
        finished = time.perf_counter() - ended
    assert manifest is not None
    assert recorder.error is None, recorder.error
    segments = list(manifest.video_segments())
    print(
        json.dumps(
            {
                "files": len(segments),
                "frames": sum(segment.frames for _, segment in segments),
                "lost": sum(segment.lost for _, segment in segments),
                "video_bytes": sum(path.stat().st_size for path in (output / VIDEO_FOLDER).iterdir()),
                "tape_bytes": tape_bytes,
                "cores": sum(meter.calls) / seconds,
                "longest_calls": sorted(meter.calls)[-LONGEST_CALLS:],
                "finish": finished,
                "open_files": most_files,
                "memory_mib": memory,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
                "warnings": manifest.recording.warnings,
            }
        )
    )


def recorded_events(codec: Codec, seconds: float) -> Iterator[TapeEvent]:
    """The meeting's events in order."""
    heard = synthetic_tape(conversation(seconds), seconds, jitter=0.005)
    first = next(heard)
    assert isinstance(first, TapeStarted)
    yield first
    yield VideoRequested(at=first.at)
    for camera in range(CAMERAS):
        yield VideoTrackSeen(
            at=first.at, document=1, connection=0, receiver=100 + camera, streams=[f"{camera}"]
        )
    yield from heapq.merge(heard, _batches(codec, seconds), key=log_time)


def _batches(codec: Codec, seconds: float) -> Iterator[VideoBatch]:
    clips = [filled_clip(codec, 360, camera) for camera in range(CAMERAS)]
    pictures = iter(range(int(seconds * FPS)))
    for number in range(int(seconds / BATCH_SECONDS)):
        frames = []
        for picture in pictures:
            frames += [_frame(codec, clip, camera, picture) for camera, clip in enumerate(clips)]
            if (picture + 1) / FPS >= (number + 1) * BATCH_SECONDS:
                break
        yield VideoBatch(1, number, 0, frames)


def _frame(codec: Codec, clip: Clip, camera: int, picture: int) -> VideoFrame:
    key = Clip.is_key(picture % PICTURES)
    return VideoFrame(
        100 + camera,
        9_000 + camera,
        (),
        (camera * 1_000_000 + picture * 90_000 // FPS) & 0xFFFF_FFFF,
        None,
        0,
        0,
        key,
        clip.width if key else 0,
        clip.height if key else 0,
        96,
        f"video/{codec}",
        STARTED_AT + picture / FPS + 0.03 + camera / 1_000,
        clip.frames[picture % PICTURES],
    )


def log_time(event: TapeEvent) -> float:
    """When an event reaches the tape: frames as soon as the last of them has arrived."""
    return event.frames[-1].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at


if __name__ == "__main__":
    main(*sys.argv[1:])
