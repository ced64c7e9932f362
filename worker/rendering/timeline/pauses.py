"""What the timeline page shows of a recording's pauses (pure)."""

from __future__ import annotations

from worker.manifest.schema import Recording
from worker.rendering.timeline.speaker import clock_time, svg_path


def pause_band(recording: Recording) -> str:
    """The stretches behind the lanes in which nothing was recorded."""
    return f'<path class="paused" d="{svg_path(list(recording.pauses))}"/>' if recording.pauses else ""


def pause_legend(recording: Recording) -> str:
    """The legend's entry."""
    return '<span class="key paused">paused</span>' if recording.pauses else ""


def pause_notice(recording: Recording) -> list[str]:
    """A sentence about the pauses."""
    if not recording.pauses:
        return []
    stretches = ", ".join(f"{clock_time(start)}–{clock_time(end)}" for start, end in recording.pauses)
    return [f"<li>The recording was paused: {stretches}.</li>"]
