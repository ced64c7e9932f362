from __future__ import annotations

from importlib import resources

import pytest

from tests.benchmarks.script_lines import PASSES, REPLACES
from worker.browser.injected_scripts import TapLimits, VideoLimits, limits_for, page_script
from worker.tape import codec


@pytest.mark.parametrize("milliseconds", [20, 40, 80, 500])
def test_as_much_sound_may_be_in_flight_in_small_batches(milliseconds: int) -> None:
    usual, small = TapLimits(), limits_for(milliseconds)
    assert small.batch_milliseconds == milliseconds
    assert (
        small.batches_in_flight * milliseconds == usual.batches_in_flight * usual.batch_milliseconds == 10_000
    )
    assert (small.queued_frame_bytes, small.queued_event_bytes) == (
        usual.queued_frame_bytes,
        usual.queued_event_bytes,
    )


@pytest.mark.parametrize("word", ["class VideoBatch", "class VideoTap", "class VideoTracks", "STAND_INS"])
def test_only_a_job_that_asks_for_video_gets_its_scripts(word: str) -> None:
    plain, video = (
        page_script("a", "b", "c", "d", (), TapLimits(), limits) for limits in (None, VideoLimits())
    )
    assert word not in plain
    assert word in video
    assert plain.count("VIDEO_LIMITS = null") == video.count("VIDEO_LIMITS = {") == 1


def test_a_batch_of_video_fits_its_bound_with_the_largest_frame() -> None:
    limits = VideoLimits()
    assert limits.batch_bytes + limits.frame_bytes < codec.MOST_VIDEO_BYTES - 64 * 1024


@pytest.mark.parametrize(("name", "line"), [("video_tap.js", REPLACES), ("frame_copy.js", PASSES)])
def test_the_lines_that_a_benchmark_replaces_are_there(name: str, line: str) -> None:
    assert resources.files("browser_scripts").joinpath(name).read_text("utf-8").count(line) == 1
