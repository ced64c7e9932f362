"""Live sound against the recording: the same tapes, delivered in small batches, and the stems that they render to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from fixtures.tapes import expect
from tests.support.live_driving import LiveDrive, drive, recut
from worker.audio.decoder import Samples, SpeechDecoder
from worker.audio.pcm_chunks import MOST_BEHIND
from worker.contracts.live_items import Isolation, LiveMix, LiveOpus, LivePcm
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.roster.voice import may_be_comfort_noise
from worker.streaming.live_sound import DEADLINE
from worker.tape.events import Frame, FrameBatch
from worker.tape.reader import TapeReader

NEAR: Final = 1_920
"""40 ms, in samples: how far a live packet may be from its place in the recording."""

PAUSE: Final = 12_000
"""250 ms, in samples: a pause of a source."""

LENGTH: Final = 48_000 * 30
"""Samples that are longer than every tape."""

TAPES: Final = {folder.name: folder for folder in expect.golden_tapes()}
MEET: Final = [name for name in TAPES if name.startswith("google_meet")]
TEAMS: Final = [name for name in TAPES if name.startswith("microsoft_teams")]


class Placed(NamedTuple):
    """A packet of a source at its place, in samples of meeting time."""

    position: int
    samples: int
    payload: bytes


class Recorded:
    """A recorded source: its packets and losses in order, and its PCM at 48 kHz."""

    def __init__(self) -> None:
        self.packets: list[Placed] = []
        self.lost: set[int] = set()
        self.pcm = np.zeros(LENGTH, np.int16)
        self._decoder = SpeechDecoder(self)

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        self.packets.append(Placed(position, samples, payload))
        self._decoder.speak(position, samples, payload)

    def conceal(self, position: int, samples: int) -> None:
        self.lost.add(position)
        self._decoder.conceal(position, samples)

    def add(self, position: int, samples: Samples) -> None:
        self.pcm[position : position + len(samples)] = samples

    def speech(self) -> list[Placed]:
        """The packets without those that are alone and may be comfort noise."""
        self._decoder.rest()
        before = [-PAUSE, *(each.position + each.samples for each in self.packets)]
        after = [*(each.position for each in self.packets[1:]), 2 * LENGTH]
        return [
            each
            for each, end, begin in zip(self.packets, before, after, strict=False)
            if each.position - end < PAUSE
            or begin - each.position - each.samples < PAUSE
            or not may_be_comfort_noise(each.payload)
        ]


class Sinks:
    def __init__(self) -> None:
        self.sources: dict[int, Recorded] = {}

    def open_source(self, source: int) -> Recorded:
        return self.sources.setdefault(source, Recorded())


class Pair(msgspec.Struct):
    """A tape's frames, what was recorded of it, and what came live."""

    frames: list[Frame]
    recorded: dict[int, Recorded]
    live: LiveDrive


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """By the tape's name."""
    return {name: pair(folder, tmp_path_factory.mktemp(name)) for name, folder in TAPES.items()}


def pair(folder: Path, output: Path) -> Pair:
    events = list(TapeReader(folder / "tape").logged_events())
    sinks = Sinks()
    renderer = DeferredRenderer(lambda platform: Renderer(output, platform, mix=False, sinks=[sinks]))
    for logged, event in events:
        renderer.feed(event, logged)
    renderer.finish()
    frames = [frame for _, event in events if isinstance(event, FrameBatch) for frame in event.frames]
    return Pair(frames, sinks.sources, drive(recut(events), mixed=True))


def most_late(frames: list[Frame]) -> int:
    """How many packets came after the deadline: so long after one that was sent later that this one was not waited for."""
    late = 0
    streams: dict[tuple[int, int], list[Frame]] = {}
    for frame in sorted(frames, key=lambda frame: frame.arrival):
        earlier = streams.setdefault((frame.receiver, frame.ssrc), [])
        late += any(
            0 < (each.sequence - frame.sequence) & 0xFFFF < 100 and frame.arrival - each.arrival >= DEADLINE
            for each in earlier[-20:]
        )
        earlier.append(frame)
    return late


def matched(recorded: list[Placed], live: list[LiveOpus]) -> list[tuple[Placed, LiveOpus | None]]:
    """Each recorded packet with the live one of the same payload that is nearest to it, within NEAR."""
    there: dict[bytes, list[LiveOpus]] = {}
    for item in live:
        there.setdefault(item.payload, []).append(item)
    pairs: list[tuple[Placed, LiveOpus | None]] = []
    for packet in recorded:
        same = there.get(packet.payload, [])
        nearest = min(same, key=lambda item: abs(item.position - packet.position), default=None)
        if nearest is not None and abs(nearest.position - packet.position) > NEAR:
            nearest = None
        if nearest is not None:
            same.remove(nearest)
        pairs.append((packet, nearest))
    return pairs


@pytest.mark.parametrize("name", MEET)
def test_every_speech_packet_of_a_stem_is_live_at_its_place_and_no_other(
    name: str, pairs: dict[str, Pair]
) -> None:
    tape = pairs[name]
    missing = 0
    for source, recorded in tape.recorded.items():
        live = tape.live.packets[source]
        found = [each for each in matched(recorded.speech(), live) if each[1] is not None]
        missing += len(recorded.speech()) - len(found)
        assert max(abs(packet.position - item.position) for packet, item in found if item) <= NEAR
        assert len(found) == len(live), (
            "a live packet that the recording does not have as this source's speech"
        )
        assert {item.isolation for item in live} == {Isolation.SEPARATED}
        assert all(item.person and item.person.number == source for item in live)
    assert tape.live.packets.keys() <= tape.recorded.keys()
    assert missing == tape.live.sound.late <= most_late(tape.frames)


@pytest.mark.parametrize("name", MEET)
def test_the_live_pcm_is_the_recorded_pcm_where_nothing_was_lost(name: str, pairs: dict[str, Pair]) -> None:
    tape = pairs[name]
    equal = total = 0
    for source, recorded in tape.recorded.items():
        live = as_one(tape.live.pcm[source])
        for packets in whole_spurts(matched(recorded.speech(), tape.live.packets[source])):
            (first, item), (last, _) = packets[0], packets[-1]
            length = last.position + last.samples - first.position
            theirs = live[item.position : item.position + length]
            equal += bool(np.array_equal(recorded.pcm[first.position : first.position + length], theirs))
            total += 1
    assert equal == total > 0


def as_one(chunks: list[LivePcm]) -> npt.NDArray[np.int16]:
    pcm = np.zeros(LENGTH, np.int16)
    for chunk in chunks:
        samples = np.frombuffer(chunk.pcm, "<i2")
        pcm[chunk.position : chunk.position + len(samples)] = samples
    return pcm


def whole_spurts(
    found: list[tuple[Placed, LiveOpus | None]],
) -> list[list[tuple[Placed, LiveOpus]]]:
    """The beginnings of talk-spurts, up to where a packet is missing or was moved."""
    spurts: list[list[tuple[Placed, LiveOpus]]] = []
    end = live_end = -PAUSE
    goes_on = False
    for packet, item in found:
        if item is None:
            goes_on = False
            continue
        if packet.position - end >= PAUSE and item.position - live_end >= PAUSE:
            spurts.append([(packet, item)])
            goes_on = True
        elif goes_on and packet.position == end and item.position == live_end:
            spurts[-1].append((packet, item))
        else:
            goes_on = False
        end, live_end = packet.position + packet.samples, item.position + item.samples
    return spurts


@pytest.mark.parametrize("name", TAPES)
def test_chunks_are_short_and_follow_one_another(name: str, pairs: dict[str, Pair]) -> None:
    """Only a packet whose place is an earlier one goes back."""
    for source, chunks in pairs[name].live.pcm.items():
        starts = {each.position for each in pairs[name].live.packets[source]}
        end = None
        for chunk in chunks:
            assert 0 < len(chunk.pcm) <= 9_600
            if end is not None:
                assert chunk.position >= end - MOST_BEHIND or chunk.position in starts
            end = chunk.position + len(chunk.pcm) // 2


@pytest.mark.parametrize("name", TAPES)
def test_the_mix_is_one_stream_from_meeting_time_0_on(name: str, pairs: dict[str, Pair]) -> None:
    mixed = [item for _, item in pairs[name].live.items if isinstance(item, LiveMix)]
    end = 0
    for item in mixed:
        assert item.position == end
        end += len(item.pcm) // 2
    spoken = max(each.position + each.samples for one in pairs[name].live.packets.values() for each in one)
    assert end >= spoken


def test_on_teams_a_listed_source_has_its_packets_at_their_places(pairs: dict[str, Pair]) -> None:
    tape = pairs["microsoft_teams-2"]
    for source, recorded in tape.recorded.items():
        live = [(item.position, item.payload) for item in tape.live.packets[source]]
        assert live == [(packet.position, packet.payload) for packet in recorded.packets]
        assert {item.isolation for item in tape.live.packets[source]} == {Isolation.GATED_MIX}


@pytest.mark.parametrize("name", TEAMS)
def test_on_teams_nothing_is_invented(name: str, pairs: dict[str, Pair]) -> None:
    """Without CSRCs packets may be another's than in the recording, which waits for hints: but they are all of the mix."""
    tape = pairs[name]
    received = Counter(payload for frame in tape.frames for payload in [frame.payload])
    red = any(frame.mime_type != "audio/opus" for frame in tape.frames)
    live = Counter(item.payload for items in tape.live.packets.values() for item in items)
    assert red or live.keys() <= received.keys()
    known = {source for source in tape.live.packets if source >= 0}
    assert known <= tape.recorded.keys()
