from __future__ import annotations

import pytest

from worker.browser.injected_scripts import LIVE_LIMITS, TapLimits, limits_for


@pytest.mark.parametrize("milliseconds", [20, LIVE_LIMITS.batch_milliseconds, 100, 500])
def test_as_much_sound_may_be_in_flight_in_small_batches(milliseconds: int) -> None:
    usual, small = TapLimits(), limits_for(milliseconds)
    assert small.batch_milliseconds == milliseconds
    assert limits_for(LIVE_LIMITS.batch_milliseconds) == LIVE_LIMITS
    assert (
        small.batches_in_flight * milliseconds == usual.batches_in_flight * usual.batch_milliseconds == 10_000
    )
    assert (small.queued_frame_bytes, small.queued_event_bytes) == (
        usual.queued_frame_bytes,
        usual.queued_event_bytes,
    )
