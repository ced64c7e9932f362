"""The summary of a finished recording or replay."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.cli.display import clock
from worker.manifest.schema import Manifest
from worker.safe_text import printable

PLAIN_WIDTH: Final = 160
"""Columns of the table without a terminal."""


def print_summary(console: Console, manifest: Manifest, output: Path, notes: list[tuple[str, str]]) -> None:
    """Prints the table of speakers, that of videos if there were to be some, the warnings, and ``notes`` (label, value)."""
    recording = manifest.recording
    lines = [
        ("recorded", f"{clock(round(recording.duration_seconds))} ({recording.duration_seconds:.2f} s)"),
        (
            "ended",
            ": ".join(
                part for part in (recording.ended_reason, printable(recording.ended_detail, 120)) if part
            ),
        ),
        *notes,
        ("files", str(output)),
    ]
    console.print(speakers_table(manifest))
    if manifest.video_streams is not msgspec.UNSET:
        console.print()
        console.print(videos_table(manifest))
    console.print()
    for label, value in lines:
        console.print(Text.assemble((f"{label:<24}", "dim"), value), soft_wrap=True)
    for warning in recording.warnings:
        console.print(Text.assemble(("warning: ", "yellow"), printable(warning, 300)), soft_wrap=True)


def speakers_table(manifest: Manifest) -> Table:
    """One row per file."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("speaker", overflow="ellipsis", no_wrap=True, max_width=40)
    for heading in ("speech", "packets", "recovered", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("isolation", no_wrap=True)
    table.add_column("file", overflow="fold")
    for participant, segment in manifest.segments():
        packets = segment.packets
        table.add_row(
            Text(printable(participant.participant_name)),
            f"{segment.speech_seconds:.1f} s",
            f"{packets.received:,}",
            f"{packets.recovered:,}",
            Text(f"{packets.lost:,}", "red" if packets.lost else ""),
            segment.isolation,
            Text(printable(segment.url, 300)),
        )
    if not manifest.participants:
        table.add_row(Text("nobody spoke", "dim"))
    return table


def videos_table(manifest: Manifest) -> Table:
    """One row per video file; ``shown`` is the time in which it holds frames, which is shorter than the file."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("video", overflow="ellipsis", no_wrap=True, max_width=40)
    table.add_column("kind", no_wrap=True)
    for heading in ("from", "shown", "size", "fps", "frames", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("codec", no_wrap=True)
    table.add_column("file", overflow="fold")
    for stream, segment in manifest.video_segments():
        table.add_row(
            Text(printable(stream.participant_name)),
            stream.kind,
            f"{segment.start_seconds:.1f} s",
            f"{sum(end - start for start, end in segment.intervals):.1f} s",
            f"{segment.width}×{segment.height}",
            f"{segment.fps:.1f}",
            f"{segment.frames:,}",
            Text(f"{segment.lost:,}", "red" if segment.lost else ""),
            segment.codec,
            Text(printable(segment.url, 300)),
        )
    if not manifest.video_streams:
        table.add_row(Text("nobody showed a video", "dim"))
    return table
