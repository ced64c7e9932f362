"""Records nine people with cameras once and measures it: ``python -m tests.benchmarks.video_once MODE OUTPUT``.

``dark``: nobody has a camera, and the job asks for no video. ``plain``: the job asks for no video. ``video``: it does.
``decoded``: it does, and Chromium decodes every frame, in place of stand-ins. Prints one JSON object: that of
tests.benchmarks.record_once, ``frames``, those of video in files, and ``events``, how many of each kind are on the tape.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from fixtures.replica.demo import running_replica
from tests.benchmarks.record_once import Meter
from tests.benchmarks.script_lines import REPLACES, replaced_lines
from worker.platforms.links import parse_link
from worker.recording.outcome import RecordingRequest
from worker.recording.session import record
from worker.rendering.renderer import Renderer
from worker.settings import BrowserSettings
from worker.tape.reader import TapeReader

SCENARIO: Final = Path(__file__).parent / "nine_cameras.toml"

MEASURED_SECONDS: Final = 25.0


def main(mode: str, output: str) -> None:
    """Records into ``output``, which must not exist or be empty."""
    folder, meter = Path(output), Meter(MEASURED_SECONDS)
    with (
        replaced_lines({REPLACES: ""} if mode == "decoded" else {}),
        tempfile.TemporaryDirectory() as truth,
        running_replica(
            _scenario(mode, Path(truth)), Path(truth) / "t.jsonl", "tests.benchmarks.nine_cameras"
        ) as url,
    ):
        settings = BrowserSettings.from_environment(os.environ)
        request = RecordingRequest(
            bot_id="bot",
            link=parse_link(url),
            output=folder,
            bot_name="Notes",
            separate_video=mode not in ("dark", "plain"),
        )
        outcome = asyncio.run(record(request, settings, meter, lambda platform: Renderer(folder, platform)))
    manifest = outcome.manifest
    assert manifest is not None
    meter.count_packets(manifest)
    segments = [] if manifest.video_streams is msgspec.UNSET else list(manifest.video_segments())
    meter.result["cameras"] = len({stream.participant_name for stream, _ in segments})
    meter.result["frames"] = sum(segment.frames for _, segment in segments)
    meter.result["seconds"] = sum(segment.duration_seconds for _, segment in segments)
    meter.result["bytes"] = sum(segment.size_bytes for _, segment in segments)
    meter.result["events"] = Counter(type(event).__name__ for event in TapeReader(folder / "tape"))
    print(json.dumps(meter.result))


def _scenario(mode: str, folder: Path) -> str:
    """The path of the scenario; that of ``dark`` is the same without cameras, in ``folder``."""
    if mode != "dark":
        return str(SCENARIO)
    text = SCENARIO.read_text("utf-8")
    text = re.sub(r"^camera.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\[video\]\n(?:\w.*\n)*", "", text, flags=re.MULTILINE)
    path = folder / "dark.toml"
    path.write_text(text, "utf-8")
    return str(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
