"""Compares what a bot recorded in all its attempts with what the replica sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import av

from fixtures.replica.comparison.recording import SAMPLE_RATE, read_stem
from fixtures.replica.truth import Truth, TruthPacket, reached
from worker.manifest.schema import Manifest, RecordedPart, Segment
from worker.tape.events import LONGEST_BATCH

PLACE_TOLERANCE: Final = 0.020
"""The maximum distance of a packet from its intended place, in seconds, in addition to the replica's own lateness."""


TRANSIT_SECONDS: Final = LONGEST_BATCH + 0.15
"""Maximum seconds from sending to the tape: a page collects frames for LONGEST_BATCH, and a busy machine needs a while."""

KILL_SECONDS: Final = 1.5
"""A kill takes so long on a busy machine: until then the killed Chromium may open its connection. The next one needs longer."""


class PartOfMeeting(NamedTuple):
    """An uninterrupted part of the recording, in Unix seconds."""

    number: int
    start: float
    end: float


def parts_of(manifest: Manifest) -> list[PartOfMeeting]:
    zero = datetime.fromisoformat(manifest.recording.started_at).timestamp()
    parts = manifest.recording.parts
    if not isinstance(parts, list):
        return [PartOfMeeting(0, zero, zero + manifest.recording.duration_seconds)]
    return [_part(each, zero) for each in parts]


def _part(part: RecordedPart, zero: float) -> PartOfMeeting:
    start = zero + part.start_seconds
    return PartOfMeeting(part.segment_index, start, start + part.duration_seconds)


def assert_matches_truth(
    folder: Path,
    manifest: Manifest,
    truth: Truth,
    kills: Sequence[float],
    max_lost: float = 5.0,
    away: Sequence[tuple[float, float]] = (),
) -> set[int]:
    """Returns the indexes of the packets of the truth that are in files.

    ``kills`` are in Unix seconds: at most ``max_lost`` seconds before each of them may be missing. ``away`` are spans, in Unix
    seconds, in which the page was not there: what was sent then may be missing.
    """
    parts = parts_of(manifest)
    lateness = _lateness(truth)
    seen: set[int] = set()
    heard: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for person in manifest.participants:
        for stream in person.streams:
            for segment in stream.segments:
                part = parts[segment.segment_index]
                path = folder / segment.url
                assert_playable(path, segment.duration_seconds)
                csrc = segment.sources[0].csrc
                assert csrc is not None
                found = _packets_in_file(path, segment, part, truth, csrc, lateness)
                assert not seen & found, f"{segment.filename}: packets that are also in another file"
                seen |= found
                heard[part.number, csrc] |= found
    for part in parts:
        _assert_nothing_missing(part, truth, heard, kills, max_lost, away)
    return seen


def assert_all_in_files(
    folder: Path, manifest: Manifest, truth: Truth, spans: Sequence[tuple[float, float]]
) -> None:
    """Checks that all that was sent within ``spans`` (Unix seconds) is in its source's files, wherever it is placed there.

    For packets that waited for a paused process: their arrival says little about when they were spoken.
    """
    there: Counter[tuple[int | None, str]] = Counter()
    for _, segment in manifest.segments():
        spoken = (each for each in read_stem(folder / segment.url) if not each.silent)
        there.update((segment.sources[0].csrc, each.sha256) for each in spoken)
    due: Counter[tuple[int | None, str]] = Counter(
        (packet.csrc, packet.sha256)
        for packet in truth.packets
        if any(_must_be_recorded(packet, start, end) for start, end in spans)
    )
    missing = due - there
    assert not missing, f"{missing.total()} of {due.total()} packets are in no file"


def assert_playable(path: Path, seconds: float) -> None:
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert abs(samples / SAMPLE_RATE - seconds) < 0.02, (
        f"{path.name}: {samples / SAMPLE_RATE} s of {seconds} s"
    )


def _packets_in_file(
    path: Path, segment: Segment, part: PartOfMeeting, truth: Truth, csrc: int, lateness: float
) -> set[int]:
    """The packets of the truth in the file, by index; checks that each is there once, in order, at its place."""
    by_hash: defaultdict[str, list[int]] = defaultdict(list)
    for index, packet in enumerate(truth.packets):
        if packet.csrc == csrc and reached(packet) and not packet.silent:
            by_hash[packet.sha256].append(index)
    found: list[int] = []
    for spoken in read_stem(path):
        if spoken.silent:
            continue
        at = part.start + spoken.position / SAMPLE_RATE
        candidates = by_hash[spoken.sha256]
        assert candidates, f"{segment.filename}: a packet that this source never sent"
        index = min(candidates, key=lambda each: abs(truth.packets[each].meant_at - at))
        error = at - truth.packets[index].meant_at
        assert abs(error) <= PLACE_TOLERANCE + lateness, (
            f"{segment.filename}: a packet is {error:.3f} s away from its place"
        )
        found.append(index)
    assert found == sorted(set(found)), f"{segment.filename}: packets twice, or out of order"
    return set(found)


def _assert_nothing_missing(
    part: PartOfMeeting,
    truth: Truth,
    heard: dict[tuple[int, int], set[int]],
    kills: Sequence[float],
    max_lost: float,
    away: Sequence[tuple[float, float]],
) -> None:
    kill = min((kill for kill in kills if kill > part.start), default=None)
    before = max((kill for kill in kills if kill <= part.start), default=0.0)
    end = part.end if kill is None else max(part.end - TRANSIT_SECONDS, kill - max_lost)
    began = connections_began(truth)
    missing = [
        packet
        for index, packet in enumerate(truth.packets)
        if _must_be_recorded(packet, part.start, end)
        and index not in heard.get((part.number, packet.csrc), ())
        # Packets that were sent to a Chromium that had been killed were never received.
        and (packet.connection is None or began[packet.connection] > before + KILL_SECONDS)
        and not any(left <= (packet.sent_at or 0.0) < back for left, back in away)
    ]
    assert not missing, (
        f"part {part.number} from {part.start:.2f} to {part.end:.2f}, kills {kills}: {len(missing)} packets are missing: "
        f"{[_described(packet, truth) for packet in missing[:5]]}"
    )


def _described(packet: TruthPacket, truth: Truth) -> str:
    """Which packet it is, for a failed assertion."""
    name = f"CSRC {packet.csrc}, sequence {packet.sequence}"
    if packet.sent_at is None or packet.connection is None:
        return f"{name}, sent as a copy only"
    after = packet.sent_at - connections_began(truth)[packet.connection]
    return (
        f"{name}, sent {packet.sent_at:.3f}, {after:.3f} s after the first of connection {packet.connection}"
    )


def connections_began(truth: Truth) -> dict[int, float]:
    """When the first packet was sent on each connection, in Unix seconds."""
    began: dict[int, float] = {}
    for packet in truth.packets:
        if packet.connection is not None and packet.sent_at is not None:
            began[packet.connection] = min(packet.sent_at, began.get(packet.connection, packet.sent_at))
    return began


def _must_be_recorded(packet: TruthPacket, start: float, end: float) -> bool:
    """Whether somebody spoke in the packet, within the span. A refresh of comfort noise alone makes nobody a speaker."""
    sent = packet.sent_at
    return (
        reached(packet)
        and packet.kind == "speech"
        and sent is not None
        and start <= sent
        and sent + packet.seconds < end
    )


def _lateness(truth: Truth) -> float:
    late = [packet.sent_at - packet.meant_at for packet in truth.packets if packet.sent_at is not None]
    return max(0.0, max(late, default=0.0))
