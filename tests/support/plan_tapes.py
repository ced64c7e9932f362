"""Scenarios of the replica without a browser: the tape that a perfect capture makes of a plan, and its truth."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import msgspec

from fixtures.replica.comparison.stems import TRUTH_FILE
from fixtures.replica.meet import roster
from fixtures.replica.meet.plan import make_plan
from fixtures.replica.plan import PlannedPacket, Wire
from fixtures.replica.rtp import red_payload
from fixtures.replica.scenario import Scenario
from fixtures.replica.sdp import OTHERS
from fixtures.replica.talk import Codec
from fixtures.replica.teams.mix_plan import MixPlan, make_mix_plan
from fixtures.replica.truth import Outcome, Truth, TruthWriter, read_truth
from tests.support.tapes import STARTED_AT
from worker.manifest.schema import Manifest
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    OPUS_MIME_TYPE,
    RED_MIME_TYPE,
    TAPE_VERSION,
    ChannelMessage,
    ConnectionClosed,
    ConnectionOpened,
    Frame,
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    Tick,
)

TICK_SECONDS = 5.0
"""The worker's clocks are on a tape this often."""

OPUS, RED = 111, 63
"""Payload types."""

MIME_TYPES: dict[Codec, str] = {
    "opus": OPUS_MIME_TYPE,
    "pcmu": "audio/PCMU",
    "comfort_noise": "audio/CN",
    "telephone_event": "audio/telephone-event",
}
"""As Chromium names them."""


def plan_tape(scenario: Scenario, events: Iterable[PageEvent] = ()) -> Iterator[TapeEvent]:
    """The tape of a scenario whose time 0 is STARTED_AT: batches of 100 ms and the page's events, in order of time.

    The events are those of the worker's clock and of connections, in Meet those of its roster, and ``events``.
    """
    return (event for event, _ in logged_plan_tape(scenario, events))


def logged_plan_tape(
    scenario: Scenario, events: Iterable[PageEvent] = ()
) -> Iterator[tuple[TapeEvent, float]]:
    """``plan_tape`` with the times at which the worker logged each event, in Unix seconds."""
    started = TapeStarted(
        at=STARTED_AT - 5,
        version=TAPE_VERSION,
        platform=scenario.platform,
        meeting_url="synthetic",
        bot_name="bot",
    )
    yield started, started.at
    yield RecordingStarted(at=STARTED_AT), STARTED_AT
    batches: list[tuple[float, TapeEvent]] = [
        (STARTED_AT + (tick + 1) / 10, FrameBatch(1, order, 0, [frame for _, frame in frames]))
        for order, (tick, frames) in enumerate(groupby(_frames(scenario), key=_tick))
    ]
    page_events = sorted(
        [*events, *_connections(scenario), *_meet_roster(scenario)], key=lambda event: event.at
    )
    timed: list[tuple[float, TapeEvent]] = [(event.at, event) for event in [*page_events, *_ticks(scenario)]]
    timed.sort(key=lambda entry: entry[0])
    for logged, event in heapq.merge(timed, batches, key=lambda entry: entry[0]):
        yield event, logged
    ended = STARTED_AT + scenario.duration
    yield RecordingEnded(at=ended, reason="meeting_ended"), ended


def _ticks(scenario: Scenario) -> Iterator[Tick]:
    for number in range(1, int(scenario.duration / TICK_SECONDS) + 1):
        at = STARTED_AT + number * TICK_SECONDS
        yield Tick(at=at, wall=at, elapsed=number * TICK_SECONDS)


def plan_payloads(scenario: Scenario) -> dict[str, bytes]:
    """The payloads of the scenario's packets, by SHA-256 as in its truth."""
    return {sha256(packet.payload).hexdigest(): packet.payload for packet in _plan(scenario)}


def write_plan_truth(scenario: Scenario, path: Path) -> Truth:
    """The truth of ``plan_tape``: all packets arrived that the plan does not lose."""
    plan = _plan(scenario)
    names = [person.name for person in scenario.participants]
    with TruthWriter(path, plan, scenario.title, scenario.duration, names) as writer:
        writer.start(STARTED_AT)
        for place, packet in enumerate(plan):
            sent_at = STARTED_AT + packet.meant + packet.delay if packet.fate == "sent" else None
            connection = packet.wire.connection if packet.wire else None
            writer.record(place, Outcome(packet.fate, sent_at, connection=connection))
    return read_truth(path)


def mix_plan(scenario: Scenario) -> MixPlan:
    """``make_mix_plan``, which encodes the whole meeting, once for each of the last scenarios. Not to be changed."""
    return _mix_plan(msgspec.json.encode(scenario))


def _plan(scenario: Scenario) -> list[PlannedPacket]:
    if scenario.platform == "microsoft_teams":
        return mix_plan(scenario).packets
    return _meet_plan(msgspec.json.encode(scenario))


@lru_cache(maxsize=4)
def _mix_plan(scenario: bytes) -> MixPlan:
    return make_mix_plan(msgspec.json.decode(scenario, type=Scenario))


@lru_cache(maxsize=4)
def _meet_plan(scenario: bytes) -> list[PlannedPacket]:
    return make_plan(msgspec.json.decode(scenario, type=Scenario))


def _connections(scenario: Scenario) -> Iterator[PageEvent]:
    """What the page reports of its connections."""
    media = scenario.mix if scenario.platform == "microsoft_teams" else scenario.media
    overlaps = {takeover.at: takeover.overlap for takeover in scenario.media.takeovers}
    yield ConnectionOpened(at=STARTED_AT, document=1, connection=0)
    for number, start in enumerate(media.connection_starts, start=1):
        closed = STARTED_AT + start + overlaps.get(start, 0.0)
        yield ConnectionOpened(at=STARTED_AT + start, document=1, connection=number)
        yield ConnectionClosed(at=closed, document=1, connection=number - 1)


def _meet_roster(scenario: Scenario) -> Iterator[PageEvent]:
    after = scenario.roster.collections_after
    if scenario.platform != "google_meet" or after is None:
        return
    sent: list[roster.Member] = []
    for number, when in enumerate(roster.change_times(scenario)):
        known = roster.members(scenario, when, after)
        update = roster.collections_update(sent, known, moved=scenario.roster.moved_schema)
        sent = known
        if update is not None:
            payload = roster.compressed(update, number)
            at = STARTED_AT + when
            yield ChannelMessage(at=at, document=1, connection=0, label="collections", payload=payload)


def _frames(scenario: Scenario) -> Iterator[tuple[float, Frame]]:
    """(scenario seconds of its arrival, frame), by arrival."""
    plan = _plan(scenario)
    mixed = scenario.platform == "microsoft_teams"
    red = scenario.mix.red if mixed else scenario.media.red
    slots = 1 + max((packet.wire.slot for packet in plan if packet.wire), default=0)
    arrivals = sorted(
        (packet.meant + packet.delay, place) for place, packet in enumerate(plan) if packet.fate == "sent"
    )
    for arrival, place in arrivals:
        packet = plan[place]
        assert packet.wire is not None, "what is sent has a wire"
        receiver = packet.wire.connection * slots + packet.wire.slot
        yield arrival, _frame(packet, packet.wire, plan, receiver, arrival, red=red)


def _tick(arrived: tuple[float, Frame]) -> int:
    return int(arrived[0] * 10)


def _frame(
    packet: PlannedPacket, wire: Wire, plan: list[PlannedPacket], receiver: int, arrival: float, *, red: bool
) -> Frame:
    payload, payload_type, mime_type = packet.payload, OPUS, MIME_TYPES[packet.codec]
    if packet.codec != "opus":
        payload_type = OTHERS[packet.codec]
    elif red and payload:
        copied = plan[packet.copies] if packet.copies is not None else None
        offset = wire.timestamp - copied.wire.timestamp if copied and copied.wire else 0
        payload = red_payload(payload, copied.payload if copied else None, offset % (1 << 32), OPUS)
        payload_type, mime_type = RED, RED_MIME_TYPE
    return Frame(
        receiver=receiver,
        ssrc=wire.ssrc,
        csrcs=wire.csrcs,
        sequence=wire.sequence,
        timestamp=wire.timestamp,
        payload_type=payload_type,
        mime_type=mime_type,
        audio_level=None if packet.mixed is not None else 10 ** (-packet.level / 20),
        arrival=STARTED_AT + arrival,
        captured=None,
        payload=payload,
    )


def render_plan(scenario: Scenario, folder: Path, *, mix: bool = True) -> Manifest:
    """Renders a scenario's tape into ``folder``, with its truth beside the files."""
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform, mix=mix))
    for event, logged in logged_plan_tape(scenario):
        renderer.feed(event, logged)
    manifest = renderer.finish()
    write_plan_truth(scenario, folder / TRUTH_FILE)
    return manifest
