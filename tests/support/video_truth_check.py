"""Compares the video that a bot recorded in all its attempts with what the replica sent."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from fixtures.replica.comparison.video import VideoComparison, compare_video
from fixtures.replica.truth import Truth, TruthFrame
from tests.support.truth_check import KILL_SECONDS, PartOfMeeting, connections_began, parts_of
from tests.support.video_checks import decoded, probed
from worker.manifest.schema import Manifest

TRANSIT_SECONDS = 1.5
"""Maximum seconds from a frame's first packet to the tape, resent packets and a batch of half a second included."""

PLACE_TOLERANCE = 0.05
"""Seconds by which 99 % of the pictures are away from their place on the meeting clock at most."""


def assert_video_matches_truth(
    folder: Path, manifest: Manifest, truth: Truth, kills: Sequence[float], max_lost: float
) -> list[VideoComparison]:
    """Checks that all files play, and that they hold, in order and at their place, what was sent while the bot recorded.

    ``kills`` are in Unix seconds: at most ``max_lost`` seconds before each of them may be missing. Returns what was compared.
    """
    for _, segment in manifest.video_segments():
        path = folder / segment.url
        said = probed(path)
        assert said.codec == segment.codec
        assert len(said.times) == segment.frames == len(decoded(path)), segment.filename
        assert said.keys[0], f"{segment.filename}: begins with a frame that needs others"
        assert abs(said.seconds - segment.duration_seconds) <= 1 / segment.fps, segment.filename
    for kill in kills:
        lost = _lost(manifest, truth, kill)
        print(f"video lost before the kill: {lost:.2f} s")
        assert lost <= max_lost, f"{lost:.2f} s of video lost before a kill, expected at most {max_lost} s"
    began = connections_began(truth)
    due = [_due(part, kills, max_lost) for part in parts_of(manifest)]

    def must_be_recorded(frame: TruthFrame) -> bool:
        sent, connection = frame.sent_at, frame.connection
        return (
            frame.arrived
            and sent is not None
            and any(
                each.start <= sent < each.end
                # Frames that were sent to a Chromium that had been killed were never received.
                and (connection is None or began.get(connection, inf) > each.killed_before + KILL_SECONDS)
                for each in due
            )
        )

    compared = compare_video(folder, truth, must_be_recorded)
    for each in compared:
        assert each.exact, each
        assert each.place_error(0.99) <= PLACE_TOLERANCE, (each.name, each.place_error(0.99))
    return compared


def _lost(manifest: Manifest, truth: Truth, kill: float) -> float:
    """Seconds from the end of the camera that was recorded the shortest to the kill; 0 if nothing was recorded before it.

    All cameras of the meeting are on until its end.
    """
    kill = min(kill, (truth.header.started_at or inf) + truth.header.duration)
    parts = [part for part in parts_of(manifest) if part.start < kill]
    if not parts:
        return 0.0
    zero, last = parts_of(manifest)[0].start, parts[-1]
    ends: dict[str, float] = {}
    for person, segment in manifest.video_segments():
        end = ends.get(person.participant_name, last.start)
        if zero + segment.start_seconds < kill:
            end = max(end, zero + segment.intervals[-1][1])
        ends[person.participant_name] = end
    return max(0.0, kill - min(ends.values(), default=last.start))


class _Due(NamedTuple):
    """What was sent from ``start`` to ``end`` must be in the files, in Unix seconds. ``killed_before``: the kill before it."""

    start: float
    end: float
    killed_before: float


def _due(part: PartOfMeeting, kills: Sequence[float], max_lost: float) -> _Due:
    kill = min((kill for kill in kills if kill > part.start), default=None)
    end = part.end - TRANSIT_SECONDS
    before = max((kill for kill in kills if kill <= part.start), default=0.0)
    return _Due(part.start, end if kill is None else max(end, kill - max_lost), before)
