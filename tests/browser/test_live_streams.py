"""Live streams of a recording by a real Chromium, from the replica's packets to what receivers get."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pytest

from fixtures.replica.comparison.recording import compare
from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.truth import Truth, TruthPacket, audible, read_truth
from tests.support.audio_files import Pcm, decoded, lag, likeness
from tests.support.live_endpoints import EVENTS, EVERYTHING
from tests.support.live_validators import check_meetstream_frame, check_meetstream_text, check_recall
from tests.support.places import assert_in_place
from tests.support.receivers import Receiver, receiving
from tests.support.record_process import settings_for
from tests.support.timed_connections import TimedConnection, TimedConnections, timed_connections
from worker.browser.injected_scripts import limits_for
from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_SEPARATE,
    PARTICIPANT_EVENTS,
    LiveEndpoint,
    LiveForm,
    Transport,
)
from worker.contracts.live_forms import LiveBot
from worker.contracts.live_received import OpusPacket, Sound, read_text
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.lifecycle.ending import Ending
from worker.manifest.schema import Manifest
from worker.platforms.links import parse_link
from worker.platforms.registry import PLATFORMS, Platform
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingRequest
from worker.recording.session import attend
from worker.recording.steady_clock import SteadyClock
from worker.rendering.output import TAPE_FOLDER
from worker.rendering.renderer import Renderer
from worker.roster.changes import RosterChanges
from worker.settings import LiveOptions
from worker.streaming.endpoint_state import EndpointState
from worker.streaming.live_streams import LiveStreams
from worker.tape.events import FrameBatch, RecordingStarted, TapeEvent
from worker.tape.reader import TapeReader

PLACE: Final = 0.040
"""Seconds by which sound may be away from its place, by its timestamp."""

ROUNDED: Final = 0.003
"""Seconds; timestamps are rounded to milliseconds."""

RATE: Final = 16_000

WITHIN: Final = 1.0
"""Seconds in which receivers learn what the roster says, beside the time that this machine needs for sound."""

PROMPT: Final = 0.15
"""Seconds that sound needs from its end to a receiver where nothing else is at work."""


class NoMetrics:
    """Counts nothing."""

    connected = message = lag = dropped = reconnected = staticmethod(lambda *_: None)


class Observer(RecordingObserver):
    """Passes events on to live streams."""

    def __init__(self, streams: list[LiveStreams]) -> None:
        self._streams = streams
        self.began = 0.0
        """When the recording did, in Unix seconds."""

    def event(self, event: TapeEvent) -> None:
        if isinstance(event, RecordingStarted):
            self.began = event.at
        for each in self._streams:
            each.event(event)


class Consumers(NamedTuple):
    """Those who listen to a recording; ``good`` gets everything on one connection, ``each`` has one for each participant."""

    good: TimedConnections
    each: TimedConnections
    meetstream: TimedConnections
    stalled: TimedConnections
    resetting: TimedConnections
    webhook: Receiver


class Recorded(NamedTuple):
    """A recording with consumers."""

    consumers: Consumers
    manifest: Manifest
    folder: Path
    platform: Platform
    truth: Truth
    began: float
    states: dict[tuple[str, int], list[EndpointState]]

    @property
    def allowed_place(self) -> float:
        """Seconds that sound may be away from its place: more, where the machine was busy when packets were sent or came."""
        sent: defaultdict[str, list[float]] = defaultdict(list)
        late = 0.0
        for packet in self.truth.packets:
            if packet.sent_at is not None and packet.kind == "speech":
                sent[packet.sha256].append(packet.sent_at)
                late = max(late, packet.sent_at - packet.meant_at)
        transits = [
            min(abs(frame.arrival - at) for at in sent[digest])
            for event in TapeReader(self.folder / TAPE_FOLDER)
            if isinstance(event, FrameBatch)
            for frame in event.frames
            if frame.arrival > self.began and (digest := sha256(frame.payload).hexdigest()) in sent
        ]
        return PLACE + late + max(transits) - min(transits)

    @property
    def sent(self) -> list[TruthPacket]:
        """The packets that somebody has to hear."""
        return [packet for packet in self.truth.packets if audible(packet)]


@asynccontextmanager
async def consumers() -> AsyncIterator[Consumers]:
    async with AsyncExitStack() as stack:
        good, each, meetstream, stalled, resetting = [
            await stack.enter_async_context(timed_connections(behaviour))
            for behaviour in ("reads", "reads", "reads", "stalls", "resets")
        ]
        webhook = await stack.enter_async_context(receiving())
        yield Consumers(good, each, meetstream, stalled, resetting, webhook)


def recall(number: int, url: str, *events: str, transport: Transport = Transport.WEBSOCKET) -> LiveEndpoint:
    return LiveEndpoint(
        number=number,
        form=LiveForm.RECALL,
        transport=transport,
        url=url,
        events=events,
        metadata={"number": str(number)},
    )


async def record_live(scenario: Scenario, folder: Path) -> Recorded:
    """Plays ``scenario`` to a bot with consumers, until the meeting ends."""
    states: defaultdict[tuple[str, int], list[EndpointState]] = defaultdict(list)
    platform = Platform(scenario.platform)

    def open_streams(connections: Any, endpoints: list[LiveEndpoint]) -> LiveStreams:
        return LiveStreams(
            endpoints,
            LiveBot(bot_id="bot-1", platform=platform, metadata={"team": "blue"}),
            LiveOptions(connections=connections, allow_plain=True, retry_seconds=0.5),
            UrlGuard(read_allowed(("127.0.0.1",))),
            NoMetrics(),
            lambda number, state, _: states[connections, number].append(state),
            SteadyClock(),
        )

    async with consumers() as told, Replica(scenario, folder / "truth.jsonl") as replica:
        whole = open_streams(
            "endpoint",
            [
                recall(0, told.good.url, *EVERYTHING),
                LiveEndpoint(
                    number=1,
                    form=LiveForm.MEETSTREAM_AUDIO,
                    transport=Transport.WEBSOCKET,
                    url=told.meetstream.url,
                ),
                recall(2, told.stalled.url, AUDIO_SEPARATE, AUDIO_MIXED, *EVENTS),
                recall(3, told.resetting.url, AUDIO_SEPARATE, *EVENTS),
                recall(4, told.webhook.url, *EVENTS, transport=Transport.WEBHOOK),
            ],
        )
        each = open_streams("participant", [recall(0, told.each.url, AUDIO_SEPARATE)])
        observer = Observer([whole, each])
        stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        output = folder / "out"
        request = RecordingRequest(
            "bot-1", parse_link(replica.meeting_url), output, "Notes", limits=limits_for(80)
        )
        for streams in (whole, each):
            streams.start()
        try:
            outcome = await attend(
                request,
                settings_for(replica),
                observer,
                lambda platform: Renderer(output, platform),
                stopped,
            )
        finally:
            await asyncio.gather(*(streams.close(1.0) for streams in (whole, each)))
    assert outcome.manifest is not None
    truth = read_truth(folder / "truth.jsonl")
    return Recorded(told, outcome.manifest, output, platform, truth, observer.began, states)


MEETING: Final = Scenario(
    title="mute, unmute, leave, rejoin, rename, and a name that comes late",
    duration=11.0,
    page=msgspec.convert({"lobby": 0.2}, Page),
    participants=[
        Participant(name="Ada Ray", voice="aria", csrc=7001, host=True, says=[(0.5, 3.4), (6.6, 9.8)], mutes=[(4.0, 6.0)],
                    renames=[(8.2, "Ada Roy")]),
        Participant(name="Ben Oak", voice="bruno", csrc=7002, says=[(1.0, 4.4)], leaves=5.2),
        Participant(name="Cleo Fir", voice="chiara", csrc=7003, says=[(1.6, 6.4)], named_at=3.0),
        Participant(name="Ben Oak", voice="dmitri", csrc=7004, says=[(7.4, 10.2)], joins=6.8),
    ],
)  # fmt: skip


MEETING_ON_TEAMS: Final = Scenario(
    title=f"{MEETING.title}, on Teams",
    platform="microsoft_teams",
    duration=MEETING.duration,
    participants=[
        msgspec.structs.replace(person, csrc=source)
        for person, source in zip(MEETING.participants, (414, 1053, 2331, 3105), strict=True)
    ],
)

TEAMS: Final = Scenario(
    title="three people on Teams, who talk at once at times",
    platform="microsoft_teams",
    duration=8.0,
    participants=[
        Participant(name="Ada Ray", voice="aria", csrc=414, host=True, says=[(0.5, 3.0), (6.0, 7.4)]),
        Participant(name="Ben Oak", voice="bruno", csrc=1053, says=[(2.6, 5.0)]),
        Participant(name="Cleo Fir", voice="chiara", csrc=2331, says=[(4.4, 6.6)]),
    ],
)


async def test_receivers_hear_each_speaker_while_others_stall_and_reset(tmp_path: Path) -> None:
    recorded = await record_live(MEETING, tmp_path)
    heard = all_sound(recorded.consumers.good)
    assert_packets_are_the_speakers(recorded, heard)
    assert_pcm_is_that_of_the_files(recorded, heard)
    assert_connections_follow_the_microphones(recorded, heard)
    assert_events_are_in_order(recorded)
    assert_all_is_known_within_a_second(recorded)
    assert_meetstream_hears_the_same(recorded, heard)
    assert_nothing_else_was_harmed(recorded)


async def test_receivers_hear_the_mix_of_teams_while_each_speaks(tmp_path: Path) -> None:
    recorded = await record_live(TEAMS, tmp_path)
    heard = all_sound(recorded.consumers.good)
    isolations = {
        each["extra_data"]["isolation"] for each in participants(recorded.consumers.good, AUDIO_SEPARATE)
    }
    assert isolations == {"gated-mix"}
    assert set(heard.names.values()) == {"Ada Ray", "Ben Oak", "Cleo Fir"}
    for index, person in enumerate(TEAMS.participants):
        number = next(number for number, name in heard.names.items() if name == person.name)
        spans = Spans(heard.pcm[number], recorded.allowed_place)
        alone = [packet for packet in recorded.sent if packet.mixed == [index] and packet.kind == "speech"]
        assert alone
        missing = [packet for packet in alone if not spans.cover(packet.meant_at, packet.seconds)]
        assert not missing, f"{person.name}: {len(missing)} of {len(alone)}"
    assert_events_are_in_order(recorded)
    assert_meetstream_hears_the_same(recorded, heard)
    assert_nothing_else_was_harmed(recorded)


async def test_receivers_learn_within_a_second_what_people_of_teams_do(tmp_path: Path) -> None:
    recorded = await record_live(MEETING_ON_TEAMS, tmp_path)
    assert_events_are_in_order(recorded)
    assert_all_is_known_within_a_second(recorded)
    assert_meetstream_hears_the_same(recorded, all_sound(recorded.consumers.good))
    assert_nothing_else_was_harmed(recorded)


class Heard(NamedTuple):
    """What one receiver got of each participant, by number. ``names``: the newest of each."""

    packets: dict[str, list[OpusPacket]]
    pcm: dict[str, list[Sound]]
    mix: list[Sound]
    names: dict[str, str | None]


def all_sound(receiver: TimedConnections) -> Heard:
    """All that was heard; each message is checked."""
    heard = Heard(defaultdict(list), defaultdict(list), [], {})
    for message in (text for connection in receiver.connections for text in connection.texts):
        check_recall(message)
        match received := read_text(message):
            case Sound(mixed=True):
                heard.mix.append(received)
            case Sound():
                heard.pcm[received.who.id].append(received)
                heard.names[received.who.id] = received.who.name
            case OpusPacket():
                heard.packets[received.who.id].append(received)
            case _:
                pass
    return heard


class Spans:
    """When there was sound, in Unix seconds."""

    def __init__(self, sounds: list[Sound], allowed: float) -> None:
        self._allowed = allowed
        self._spans = [(start_of(run[0]), start_of(run[-1]) + run[-1].seconds) for run in runs(sounds)]

    def cover(self, start: float, seconds: float) -> bool:
        """Whether there was sound then, or nearly then."""
        return any(
            begin - self._allowed <= start and start + seconds <= end + self._allowed
            for begin, end in self._spans
        )


def start_of(sound: Sound) -> float:
    assert sound.absolute is not None
    return sound.absolute


def assert_packets_are_the_speakers(recorded: Recorded, heard: Heard) -> None:
    """Every packet of speech came, as its own speaker's and at its place."""
    sent: defaultdict[str, list[TruthPacket]] = defaultdict(list)
    for packet in recorded.sent:
        sent[packet.sha256].append(packet)
    found: set[int] = set()
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for number, packets in heard.packets.items():
        for came in packets:
            candidates = sent[sha256(came.payload).hexdigest()]
            assert candidates, "a packet that nobody sent"
            absolute = came.absolute
            meant = min(candidates, key=lambda each: abs(each.meant_at - absolute))
            assert abs(absolute - meant.meant_at) <= recorded.allowed_place
            assert id(meant) not in found, "a packet twice"
            found.add(id(meant))
            owners[number].add(meant.csrc)
    assert all(len(csrcs) == 1 for csrcs in owners.values()), owners
    missing = [packet for packet in recorded.sent if id(packet) not in found]
    # Comfort noise is refreshed by a packet on its own, which is no speech.
    assert {packet.kind for packet in missing} <= {"noise"}
    assert all(is_alone(packet, recorded.sent) for packet in missing)


def is_alone(packet: TruthPacket, sent: list[TruthPacket]) -> bool:
    near = [each for each in sent if each.csrc == packet.csrc and abs(each.meant_at - packet.meant_at) < 0.1]
    return near == [packet]


def numbers_of(recorded: Recorded, heard: Heard) -> dict[int, list[str]]:
    """The numbers that each source's speaker had: another one before the name was known."""
    sources = {packet.sha256: packet.csrc for packet in recorded.sent}
    numbers: defaultdict[int, list[str]] = defaultdict(list)
    for number, packets in heard.packets.items():
        numbers[sources[sha256(packets[0].payload).hexdigest()]].append(number)
    return numbers


def assert_pcm_is_that_of_the_files(recorded: Recorded, heard: Heard) -> None:
    """The PCM of each speaker is what a player hears in the speaker's file at that time, and silence is not sent."""
    numbers = numbers_of(recorded, heard)
    for _, segment in recorded.manifest.segments():
        csrc = segment.sources[0].csrc
        assert csrc is not None
        sounds = [sound for number in numbers[csrc] for sound in heard.pcm[number]]
        file = decoded((recorded.folder / segment.url).read_bytes(), RATE)
        assert_sounds_like(file, sounds, recorded.allowed_place, segment.filename)
        count = sum(len(heard.packets[number]) for number in numbers[csrc])
        assert sum(sound.seconds for sound in sounds) == pytest.approx(count * 0.020, abs=0.1)
    assert sum(sound.seconds for sound in heard.mix) > MEETING.duration


def assert_sounds_like(file: Pcm, sounds: list[Sound], allowed: float, name: str) -> None:
    """Each run of ``sounds`` is in ``file``; the file may place it better, as it knows what came later."""
    for run in runs(sounds):
        assert run[0].relative is not None
        live = np.frombuffer(b"".join(sound.pcm for sound in run), "<i2").astype(np.float64)
        margin = round(allowed * RATE)
        begin = round(run[0].relative * RATE)
        padded = np.concatenate([np.zeros(margin), live, np.zeros(margin)])
        there = np.zeros(len(padded))
        piece = file[max(0, begin - margin) : begin + len(live) + margin]
        there[len(there) - len(piece) if begin < margin else 0 :][: len(piece)] = piece
        shift = lag(there, padded)
        assert abs(shift) <= margin, f"{name}: {shift} samples away"
        assert likeness(there, np.roll(padded, -shift)) > 0.95, f"{name}, at {run[0].relative}"


def runs(sounds: list[Sound]) -> list[list[Sound]]:
    """Sounds that follow each other without a pause."""
    result: list[list[Sound]] = []
    for sound in sorted(sounds, key=start_of):
        if result and start_of(sound) - start_of(result[-1][-1]) - result[-1][-1].seconds < ROUNDED:
            result[-1].append(sound)
        else:
            result.append([sound])
    return result


def assert_connections_follow_the_microphones(recorded: Recorded, heard: Heard) -> None:
    """Each connection is one participant's, opened on unmute and closed on mute; together they bring the same sound."""
    zero = recorded.truth.header.started_at
    assert zero is not None
    of: defaultdict[str, list[TimedConnection]] = defaultdict(list)
    for connection in recorded.consumers.each.connections:
        assert connection.code == 1000
        (number,) = {str(each["id"]) for each in participants_of(connection.texts, AUDIO_SEPARATE)}
        of[number].append(connection)
    together = all_sound(recorded.consumers.each)
    for numbers in numbers_of(recorded, heard).values():
        seconds = [
            sum(sound.seconds for each in numbers for sound in pcm[each]) for pcm in (heard.pcm, together.pcm)
        ]
        assert seconds[0] == pytest.approx(seconds[1], abs=0.1)
    ada = next(number for number, name in heard.names.items() if name == "Ada Roy")
    before, after = of[ada]
    muted, unmuted = (zero + at for at in MEETING.participants[0].mutes[0])
    assert muted < (before.closed_at or 0.0)
    assert unmuted < after.opened_at
    assert max(map(start_of, sounds_of(before))) < muted < unmuted < min(map(start_of, sounds_of(after)))
    (first,), (second,) = (of[number] for number, name in heard.names.items() if name == "Ben Oak")
    left, joined = MEETING.participants[1].leaves or 0.0, MEETING.participants[3].joins
    assert zero + left < (first.closed_at or 0.0)
    assert zero + joined < second.opened_at
    assert max(map(start_of, sounds_of(first))) < zero + joined < min(map(start_of, sounds_of(second)))


def sounds_of(connection: TimedConnection) -> list[Sound]:
    return [sound for sound in map(read_text, connection.texts) if isinstance(sound, Sound)]


def assert_events_are_in_order(recorded: Recorded) -> None:
    """Who joins, speaks and leaves does so in this order; the webhook gets the same events as the socket."""
    (connection,) = recorded.consumers.good.connections
    events = [check_recall(text) for text in connection.texts if PARTICIPANT_EVENTS in text]
    told = [check_recall(each.body.decode()) for each in recorded.consumers.webhook.received]
    assert [brief(each) for each in events] == [brief(each) for each in told]
    at: defaultdict[int, list[str]] = defaultdict(list)
    for event in events:
        _, number, action = brief(event)
        at[number].append(action)
    for number, actions in at.items():
        turns = [action for action in actions if action.startswith("speech")]
        assert turns == ["speech_on", "speech_off"] * (len(turns) // 2), number
        assert "leave" not in actions[:-1], number
    if recorded.truth.header.title in {MEETING.title, MEETING_ON_TEAMS.title}:
        names = [name for name, _, action in map(brief, events) if action == "update"]
        assert "Cleo Fir" in names
        ben = [(number, action) for name, number, action in map(brief, events) if name == "Ben Oak"]
        left = next(number for number, action in ben if action == "leave")
        assert {number for number, _ in ben} > {left}


class Change(NamedTuple):
    """A change of the roster, and when the recorder had the message that shows it (Unix seconds)."""

    action: str
    participant_id: str
    at: float


def roster_changes(recorded: Recorded) -> list[Change]:
    """What the platform's messages on the tape say, from the recording's beginning on."""
    decoder = PLATFORMS[recorded.platform].open_roster_decoder()
    changes = RosterChanges()
    found: list[Change] = []
    for logged, event in TapeReader(recorded.folder / TAPE_FOLDER).logged_events():
        if not isinstance(event, FrameBatch):
            decoder.observe(event)
            at = max(logged, recorded.began)
            found += [
                Change(each.change, each.participant_id, at)
                for each in changes.changes(decoder.roster(), at)
                # Who is there when the recording begins joins then, by the name that is known.
                if at > recorded.began or each.change == "join"
            ]
    us = decoder.roster().us
    assert us is not None
    return [each for each in found if each.participant_id != us.device_id]


def assert_all_is_known_within_a_second(recorded: Recorded) -> None:
    """Of each change of the roster, from the moment when the recorder had it."""
    (connection,) = recorded.consumers.good.connections
    came: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    slowest = 0.0
    for at, message in connection.messages:
        assert isinstance(message, str)
        if PARTICIPANT_EVENTS in message:
            came[action_of(check_recall(message))].append(at)
        elif isinstance(sound := read_text(message), Sound) and not sound.mixed:
            slowest = max(slowest, at - start_of(sound) - sound.seconds)
    within = WITHIN + max(0.0, slowest - PROMPT)
    told = {"join": "join", "leave": "leave", "rename": "update"}
    changes = roster_changes(recorded)
    for change in changes:
        if change.action in told:
            times = came[told[change.action], change.participant_id]
            assert any(change.at <= at <= change.at + within for at in times), (change, times, within)
    assert {change.action for change in changes} == {*told, "mute", "unmute"}
    (ada,) = {change.participant_id for change in changes if change.action == "mute"}
    (muted,) = (change.at for change in changes if change[:2] == ("mute", ada))
    unmuted = next(each.at for each in changes if each[:2] == ("unmute", ada) and each.at > muted)
    (renamed,) = (change.at for change in changes if change[:2] == ("rename", ada))
    first, second = [
        each
        for each in recorded.consumers.each.connections
        if ada in str(participants_of(each.texts, AUDIO_SEPARATE)[0]["extra_data"])
    ]
    assert first.closed_at is not None
    assert muted <= first.closed_at <= muted + within
    assert unmuted <= second.opened_at <= unmuted + within
    names = [(at, sound.who.name) for at, sound in sounds_at(second)]
    assert {name for at, name in names if at > renamed + within} == {"Ada Roy"}
    assert {name for at, name in names if at < renamed} == {"Ada Ray"}


def sounds_at(connection: TimedConnection) -> list[tuple[float, Sound]]:
    read = [
        (each.at, read_text(each.message)) for each in connection.messages if isinstance(each.message, str)
    ]
    return [(at, sound) for at, sound in read if isinstance(sound, Sound)]


def action_of(event: dict[str, Any]) -> tuple[str, str]:
    """The action and the platform's id of the participant."""
    extra = event["data"]["data"]["participant"]["extra_data"]
    (of_platform,) = (each for each in extra.values() if isinstance(each, dict))
    return event["event"].removeprefix(PARTICIPANT_EVENTS), of_platform["participant_id"]


def brief(event: dict[str, Any]) -> tuple[str | None, int, str]:
    """Name, number and action."""
    participant = event["data"]["data"]["participant"]
    return participant["name"], participant["id"], event["event"].removeprefix(PARTICIPANT_EVENTS)


def assert_meetstream_hears_the_same(recorded: Recorded, heard: Heard) -> None:
    (connection,) = recorded.consumers.meetstream.connections
    assert connection.code == 1000
    assert check_meetstream_text(connection.messages[0].message)["type"] == "ready"
    frames = [check_meetstream_frame(frame) for frame in connection.frames]
    names = {frame.speaker_id: frame.speaker_name for frame in frames}
    seconds: defaultdict[str, float] = defaultdict(float)
    for frame in frames:
        seconds[names[frame.speaker_id]] += len(frame.pcm) / 2 / 48_000
    expected: defaultdict[str, float] = defaultdict(float)
    for number, sounds in heard.pcm.items():
        expected[heard.names[number] or "NoSpeaker"] += sum(sound.seconds for sound in sounds)
    assert seconds == pytest.approx(expected, abs=0.021)


def assert_nothing_else_was_harmed(recorded: Recorded) -> None:
    """The files hold what was sent, whoever stalled or reset; those endpoints were tried to the end."""
    stems = compare(recorded.folder, recorded.truth)
    assert [stem.expected_name for stem in stems if not stem.exact] == []
    for stem in stems:
        assert_in_place(stem)
    assert [each.messages for each in recorded.consumers.stalled.connections] == [[]]
    assert len(recorded.consumers.resetting.connections) > 1
    whole = [EndpointState.RUNNING, EndpointState.DONE]
    assert recorded.states == {
        **{("endpoint", number): whole for number in range(5)},
        ("participant", 0): whole,
    }


def participants(receiver: TimedConnections, event: str) -> list[dict[str, Any]]:
    return participants_of([text for each in receiver.connections for text in each.texts], event)


def participants_of(texts: list[str], event: str) -> list[dict[str, Any]]:
    """The participants that messages of ``event`` name."""
    documents = (check_recall(text) for text in texts if event in text)
    return [each["data"]["data"]["participant"] for each in documents if each["event"] == event]
