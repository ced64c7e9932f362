"""Compares the live sound of a recording of speakers apart with what the replica sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np

from fixtures.replica.comparison.place import place_error, place_spans
from fixtures.replica.comparison.recording import by_owner
from fixtures.replica.comparison.stems import read_payloads
from fixtures.replica.truth import Truth, TruthPacket
from tests.support.live_driving import drive, recut
from worker.audio.decoder import Samples, SpeechDecoder
from worker.audio.opus import SAMPLE_RATE, packet_samples
from worker.contracts.live_items import LiveOpus, LivePcm
from worker.rendering.output import TAPE_FOLDER
from worker.roster.tenures import split_key
from worker.streaming.live_sound import DEADLINE
from worker.tape.codec import LoggedEvent
from worker.tape.events import Frame, FrameBatch
from worker.tape.reader import TapeReader

RATE: Final = 16_000

_SAME: Final = 0.5
"""Seconds from where a packet belongs within which a live packet of the same payload is taken for it: voices repeat themselves
after seconds."""

_GOES_ON: Final = 0.0025
"""Seconds between two packets of a talk-spurt, by the times at which they were meant to sound."""

_PAUSE: Final = 0.25
"""Seconds without packets, after which decoders begin anew."""


class LiveComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The live sound of one source, compared with what was sent of it."""

    name: str
    csrc: int
    expected: int
    """Packets of speech that reached the page."""
    missing: int
    """Those of them that were not live, although they came within DEADLINE of the packets behind them."""
    too_late: int
    """Those that were not live, and came later than that."""
    foreign: int
    """Live packets that this source did not send, or not as often."""
    place_errors: list[float]
    """For each packet that was live, the seconds from where it belongs; see fixtures.replica.comparison.place."""
    runs: int
    """Talk-spurts, up to the first loss in each, whose PCM was compared with the decoded truth."""
    run_seconds: float
    unequal: int
    """How many of the runs differ from it in a sample."""


_Owner: TypeAlias = tuple[int, int]
"""A source and the index of a participant in the scenario."""


class _Pair(NamedTuple):
    sent: TruthPacket
    live: LiveOpus | None
    error: float


def compare_recorded(folder: Path, truth: Truth) -> list[LiveComparison]:
    """Feeds the tape of the recording in ``folder`` to live sound; see ``compare_live``."""
    files = folder.glob("streams/**/*.webm")
    payloads = {digest(payload): payload for path in files for _, payload in read_payloads(path)}
    return compare_live(list(TapeReader(folder / TAPE_FOLDER).logged_events()), truth, payloads)


def compare_live(
    events: list[LoggedEvent], truth: Truth, payloads: Mapping[str, bytes]
) -> list[LiveComparison]:
    """Feeds a tape to live sound in batches of 40 ms, and compares what comes out with the truth, source by source.

    ``payloads`` are those of the truth, by their SHA-256.
    """
    live = drive(recut(events), RATE)
    late = _came_too_late([f for _, event in events if isinstance(event, FrameBatch) for f in event.frames])
    comparisons = []
    owned = by_owner(truth)
    keys = {key: _owner(items, owned) for key, items in live.packets.items()}
    for (csrc, who), sent in sorted(owned.items()):
        packets = [each for key, items in live.packets.items() if keys[key] == (csrc, who) for each in items]
        chunks = [each for key, items in live.pcm.items() if keys[key] == (csrc, who) for each in items]
        pairs, foreign = _paired(sent, packets, live.zero)
        due = [each for each in pairs if each.sent.kind == "speech"]
        missing = [each.sent for each in due if each.live is None]
        too_late = sum((csrc, each.sha256) in late for each in missing)
        runs = _runs(pairs)
        unequal = sum(not _is_equal(run, chunks, payloads) for run in runs)
        comparisons.append(
            LiveComparison(
                name=truth.header.participants[who],
                csrc=csrc,
                expected=len(due),
                missing=len(missing) - too_late,
                too_late=too_late,
                foreign=foreign,
                place_errors=[each.error for each in pairs if each.live is not None],
                runs=len(runs),
                run_seconds=sum(each.sent.seconds for run in runs for each in run),
                unequal=unequal,
            )
        )
    return comparisons


def digest(payload: bytes) -> str:
    """As the truth has it."""
    return sha256(payload).hexdigest()


def _owner(live: list[LiveOpus], owned: Mapping[_Owner, Sequence[TruthPacket]]) -> _Owner | None:
    """Whose most of the packets of a source are."""
    digests = {digest(item.payload) for item in live}
    same = [owner for owner in owned if owner[0] == split_key(live[0].source)[0]]
    return max(same, key=lambda owner: sum(each.sha256 in digests for each in owned[owner]), default=None)


def _paired(sent: list[TruthPacket], live: list[LiveOpus], zero: float) -> tuple[list[_Pair], int]:
    """Each packet that was sent with the live one of its payload that is nearest to its place; and how many are over."""
    there: defaultdict[str, list[LiveOpus]] = defaultdict(list)
    for item in live:
        there[digest(item.payload)].append(item)
    pairs = []
    for packet, span in zip(sent, place_spans(sent), strict=True):
        near = [
            (abs(error), error, place)
            for place, item in enumerate(there[packet.sha256])
            if abs(error := place_error(zero + item.position / SAMPLE_RATE, span)) < _SAME
        ]
        if not near:
            pairs.append(_Pair(packet, None, 0.0))
            continue
        _, error, place = min(near)
        pairs.append(_Pair(packet, there[packet.sha256].pop(place), error))
    return pairs, sum(map(len, there.values()))


def _came_too_late(frames: Sequence[Frame]) -> set[tuple[int, str]]:
    """The source and payload of packets that came DEADLINE after one that was sent later, or more."""
    late: set[tuple[int, str]] = set()
    streams: defaultdict[tuple[int, int], list[Frame]] = defaultdict(list)
    for frame in sorted(frames, key=lambda frame: frame.arrival):
        earlier = streams[frame.receiver, frame.ssrc]
        if any(
            0 < (each.sequence - frame.sequence) & 0xFFFF < 100 and frame.arrival - each.arrival >= DEADLINE
            for each in earlier[-100:]
        ):
            late |= {(csrc, digest(frame.payload)) for csrc in frame.csrcs}
        earlier.append(frame)
    return late


def _runs(pairs: Sequence[_Pair]) -> list[list[_Pair]]:
    """The beginnings of talk-spurts, up to where a packet is missing or was moved."""
    runs: list[list[_Pair]] = []
    end, live_end = float("-inf"), float("-inf")
    goes_on = False
    for pair in pairs:
        if pair.live is None:
            goes_on = goes_on and pair.sent.kind != "speech"
            continue
        gap = pair.sent.meant_at - end
        if goes_on and abs(gap) <= _GOES_ON and pair.live.position == live_end:
            runs[-1].append(pair)
        elif gap >= _PAUSE and pair.live.position - live_end >= _PAUSE * SAMPLE_RATE:
            runs.append([pair])
            goes_on = True
        else:
            goes_on = False
        end, live_end = pair.sent.meant_at + pair.sent.seconds, pair.live.position + pair.live.samples
    return runs


class _Joined:
    """The PCM of one talk-spurt."""

    def __init__(self) -> None:
        self.pieces: list[Samples] = []

    def add(self, position: int, samples: Samples) -> None:
        self.pieces.append(samples)


def _is_equal(run: list[_Pair], chunks: list[LivePcm], payloads: Mapping[str, bytes]) -> bool:
    joined = _Joined()
    decoder = SpeechDecoder(joined, rate=RATE)
    position = 0
    for pair in run:
        payload = payloads[pair.sent.sha256]
        samples = packet_samples(payload)
        decoder.speak(position, samples, payload)
        position += samples
    decoder.settle()
    expected = np.concatenate(joined.pieces).tobytes()
    assert run[0].live is not None
    begin = next((n for n, chunk in enumerate(chunks) if chunk.position == run[0].live.position), len(chunks))
    return b"".join(chunk.pcm for chunk in chunks[begin:])[: len(expected)] == expected
