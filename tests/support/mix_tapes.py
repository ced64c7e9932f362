"""Teams meetings without a browser: the tape of a scenario's mix, and its truth."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from fixtures.replica.plan import PlannedPacket, Wire
from fixtures.replica.rtp import red_payload
from fixtures.replica.scenario import Scenario
from fixtures.replica.teams.mix_plan import make_mix_plan
from fixtures.replica.truth import Outcome, Truth, TruthWriter, read_truth
from tests.support.tapes import STARTED_AT
from worker.tape.events import (
    OPUS_MIME_TYPE,
    RED_MIME_TYPE,
    TAPE_VERSION,
    Frame,
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
)

OPUS, RED = 111, 63
"""Payload types."""


def mix_tape(scenario: Scenario, events: Iterable[PageEvent] = ()) -> Iterator[TapeEvent]:
    """The tape of a scenario whose time 0 is STARTED_AT: batches of 100 ms and ``events``, in order of time."""
    yield TapeStarted(
        at=STARTED_AT - 5,
        version=TAPE_VERSION,
        platform="microsoft_teams",
        meeting_url="synthetic",
        bot_name="bot",
    )
    yield RecordingStarted(at=STARTED_AT)
    timed: list[tuple[float, int, TapeEvent]] = [
        (STARTED_AT + (tick + 1) / 10, order, FrameBatch(1, order, 0, [frame for _, frame in frames]))
        for order, (tick, frames) in enumerate(groupby(_frames(scenario), key=lambda pair: pair[0]))
    ]
    page_events = [(event.at, -1 - place, event) for place, event in enumerate(sorted(events, key=_at))]
    yield from (event for _, _, event in heapq.merge(timed, page_events, key=lambda entry: entry[0]))
    yield RecordingEnded(at=STARTED_AT + scenario.duration, reason="meeting_ended")


def write_mix_truth(scenario: Scenario, path: Path) -> Truth:
    """The truth of ``mix_tape``: all packets arrived that the plan does not lose."""
    plan = make_mix_plan(scenario).packets
    names = [person.name for person in scenario.participants]
    with TruthWriter(path, plan, scenario.title, scenario.duration, names) as writer:
        writer.start(STARTED_AT)
        for place, packet in enumerate(plan):
            sent_at = STARTED_AT + packet.meant if packet.fate == "sent" else None
            writer.record(place, Outcome(packet.fate, sent_at, connection=0))
    return read_truth(path)


def _frames(scenario: Scenario) -> Iterator[tuple[int, Frame]]:
    """(tenth of a second in which it arrives, frame), by arrival."""
    plan = make_mix_plan(scenario).packets
    arrivals = sorted(
        (packet.meant + packet.delay, place) for place, packet in enumerate(plan) if packet.fate == "sent"
    )
    for arrival, place in arrivals:
        packet = plan[place]
        assert packet.wire is not None, "what is sent has a wire"
        yield int(arrival * 10), _frame(packet, packet.wire, plan, arrival, red=scenario.mix.red)


def _frame(
    packet: PlannedPacket, wire: Wire, plan: list[PlannedPacket], arrival: float, *, red: bool
) -> Frame:
    payload = packet.payload
    if red and payload:
        copied = plan[packet.copies] if packet.copies is not None else None
        offset = wire.timestamp - copied.wire.timestamp if copied and copied.wire else 0
        payload = red_payload(payload, copied.payload if copied else None, offset % (1 << 32), OPUS)
    return Frame(
        receiver=wire.slot,
        ssrc=wire.ssrc,
        csrcs=wire.csrcs,
        sequence=wire.sequence,
        timestamp=wire.timestamp,
        payload_type=RED if red else OPUS,
        mime_type=RED_MIME_TYPE if red else OPUS_MIME_TYPE,
        audio_level=None,
        arrival=STARTED_AT + arrival,
        captured=None,
        payload=payload,
    )


def _at(event: PageEvent) -> float:
    return event.at
