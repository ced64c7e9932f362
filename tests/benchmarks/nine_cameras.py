"""Plays a meeting of nine whose cameras send 360p at 15 frames a second: ``python -m tests.benchmarks.nine_cameras SCENARIO
--truth FILE``, in place of ``python -m fixtures.replica``.

There are clips of 360p for six people only, and theirs are easier to encode than faces: so the last three show the clips of the
first three, and each frame is filled up to what cameras send. What is filled in follows the picture, where no parser looks, and
the recorder's Chromium decodes stand-ins.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Final

from fixtures.replica import __main__ as replica
from fixtures.replica.video import scenario, sender
from fixtures.replica.video.clips import Clip, load_clip
from fixtures.replica.video.scenario import Codec, Height

CAMERAS: Final = 9

FRAME_BYTES: Final = 3_000
KEY_FRAME_BYTES: Final = 20_000
"""Bytes of each frame: 0.39 Mbit/s at 15 a second with a key frame each four seconds."""


def main() -> int:
    """The command; returns its exit code."""
    scenario.PEOPLE_OF[360] = CAMERAS
    setattr(sender, "load_clip", filled_clip)  # noqa: B010 - the module does not export it
    return replica.main()


@cache
def filled_clip(codec: Codec, height: Height, person: int) -> Clip:
    """The clip that one of the nine shows."""
    clip = load_clip(codec, height, person % 6)
    frames = (_filled(codec, counter, frame) for counter, frame in enumerate(clip.frames))
    return Clip(clip.width, clip.height, tuple(frames))


def _filled(codec: Codec, counter: int, frame: bytes) -> bytes:
    missing = (KEY_FRAME_BYTES if Clip.is_key(counter) else FRAME_BYTES) - len(frame)
    if missing <= 0:
        return frame
    # H.264 has a unit for it (ITU-T H.264, section 7.3.2.7).
    return frame + b"\0\0\1\x0c" + b"\xff" * missing if codec == "h264" else frame + b"\xa5" * missing


if __name__ == "__main__":
    sys.exit(main())
