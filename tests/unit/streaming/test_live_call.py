"""A whole call, live: people and sound in order, in valid messages, under the numbers that the documents have."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from fixtures.tapes import expect
from tests.support.fuzzed_tapes import FuzzedTape
from tests.support.live_driving import recut
from tests.support.live_endpoints import EVERYTHING
from tests.support.live_validators import (
    check_meetstream_event,
    check_meetstream_frame,
    check_recall,
)
from tests.support.meet_wire import device, field, listed, message, nested, user
from tests.support.tapes import with_log_times
from worker.contracts.live_endpoints import (
    LiveEndpoint,
    LiveForm,
    Transport,
)
from worker.contracts.live_forms import LiveBot, open_form
from worker.contracts.live_items import (
    Action,
    LiveEnd,
    LiveEvent,
    LiveItem,
    LiveMicrophone,
    LiveMix,
    LiveOpus,
    LivePcm,
    LiveStart,
)
from worker.manifest.meeting_schema import Meeting, MeetingLog
from worker.manifest.merge_meetings import merge_meetings
from worker.manifest.schema import Interval
from worker.platforms.registry import Platform, read_platform
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.output import MEETING_FILE
from worker.rendering.renderer import Renderer
from worker.streaming.live_call import LiveCall
from worker.streaming.live_people import SPEECH_HANGOVER
from worker.tape.codec import LoggedEvent
from worker.tape.events import (
    ChannelMessage,
    RecordingEnded,
    RecordingStarted,
    TapeStarted,
)
from worker.tape.reader import TapeReader

TAPES: Final = {folder.name: folder for folder in expect.golden_tapes()}
TICK: Final = 0.02
NEAR: Final = 0.04
"""Seconds that a place may be off."""
START: Final = 1_000.0


def call(platform: Platform = Platform.GOOGLE_MEET, **options: Any) -> LiveCall:
    asked: dict[str, Any] = {
        "rate": 16_000,
        "opus": True,
        "mixed": True,
        "deadline": 0.06,
        "continuous": False,
        "attempt": 1,
        "relative_zero": None,
        **options,
    }
    return LiveCall(platform, **asked)


def run(live: LiveCall, events: list[LoggedEvent]) -> list[LiveItem]:
    """Drives the core as the sender does: events as they come, and a tick every 20 ms between them."""
    items: list[LiveItem] = []
    now = events[0].logged
    for logged, event in events:
        now = max(now, logged - 2.0)
        while now + TICK < logged:
            now += TICK
            items += live.advance(now)
        items += live.event(event, logged)
        now = max(now, logged)
    return items


def played(name: str, **options: Any) -> tuple[LiveCall, list[LiveItem]]:
    events = list(recut(TapeReader(TAPES[name] / "tape").logged_events()))
    platform = next(event.platform for _, event in events if isinstance(event, TapeStarted))
    live = call(read_platform(platform), **options)
    return live, run(live, events)


@pytest.mark.parametrize("name", TAPES)
def test_a_tape_gives_valid_messages_under_the_numbers_of_its_documents(name: str, tmp_path: Path) -> None:
    live, items = played(name)
    assert live.failures == 0
    assert isinstance(items[0], LiveStart)
    assert isinstance(items[-1], LiveEnd)
    assert Counter(map(type, items))[LiveStart] == Counter(map(type, items))[LiveEnd] == 1
    check_messages(items, live)

    documented = {person.id: person.name for person in meeting_of(name, tmp_path).participants}
    last_words = {
        item.person.number: item.person.name
        for item in items
        if isinstance(item, LiveEvent | LivePcm) and item.person is not None and item.person.participant_id
    }
    assert last_words
    assert set(last_words) <= set(documented)
    named = {number: name for number, name in last_words.items() if name is not None}
    assert named.items() <= documented.items()
    spoke = [item for item in items if isinstance(item, LiveEvent) and item.action is Action.SPEECH_ON]
    assert {item.person.number for item in spoke} <= {
        item.person.number for item in items if isinstance(item, LivePcm) and item.person is not None
    }


def meeting_of(name: str, folder: Path) -> Meeting:
    """The document that the tape renders to."""
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform, mix=False))
    for logged, event in TapeReader(TAPES[name] / "tape").logged_events():
        renderer.feed(event, logged)
    manifest = renderer.finish()
    log = msgspec.json.decode((folder / MEETING_FILE).read_bytes(), type=MeetingLog)
    return merge_meetings(manifest, [log])


@pytest.mark.parametrize(
    "name", [name for name in TAPES if name.startswith("google_meet")] + ["microsoft_teams-2"]
)
def test_speech_is_told_of_where_the_documents_have_it(name: str, tmp_path: Path) -> None:
    """Where the packets name their speakers. Before a name is found, speech is an unknown speaker's."""
    _, items = played(name)
    documents = meeting_of(name, tmp_path)
    told = [item for item in items if isinstance(item, LiveEvent)]
    ends = {person.id: [end for _, end in turns(person.speech)] for person in documents.participants}
    begins = sorted(begin for person in documents.participants for begin, _ in turns(person.speech))
    for item in told:
        if item.action is Action.SPEECH_OFF and item.person.number in ends:
            assert min(abs(item.at - end) for end in ends[item.person.number]) < NEAR
    on = [item.at for item in told if item.action is Action.SPEECH_ON]
    assert all(min(abs(begin - at) for at in on) < NEAR for begin in begins)
    last = {
        item.person.number: item.action
        for item in told
        if item.action in (Action.SPEECH_ON, Action.SPEECH_OFF)
    }
    assert set(last.values()) == {Action.SPEECH_OFF}


def turns(speech: list[Interval]) -> list[Interval]:
    """The stretches of speech without the pauses that are too short to be told of."""
    joined: list[Interval] = []
    for start, end in speech:
        if joined and start - joined[-1][1] < SPEECH_HANGOVER:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def check_messages(items: list[LiveItem], live: LiveCall) -> None:
    forms = {
        kind: open_form(
            LiveEndpoint(
                number=0,
                form=kind,
                transport=Transport.WEBSOCKET,
                url="wss://example.com",
                events=EVERYTHING,
            ),
            LiveBot(bot_id="7f0a4d3c-9d0e-4c1f-8a3f-7a116e4f6f5b", platform=Platform.GOOGLE_MEET),
        )
        for kind in LiveForm
    }
    checks = {
        LiveForm.RECALL: check_recall,
        LiveForm.MEETSTREAM: check_meetstream_event,
        LiveForm.MEETSTREAM_AUDIO: check_meetstream_frame,
    }
    for item in items:
        for kind, form in forms.items():
            made = form.encode(item)
            if made is not None:
                checks[kind](made)


@pytest.mark.parametrize(("option", "kind"), [("opus", LiveOpus), ("mixed", LiveMix), ("rate", LivePcm)])
def test_what_is_not_asked_for_does_not_come_and_who_speaks_is_told_all_the_same(
    option: str, kind: type[LiveItem]
) -> None:
    _, items = played("google_meet-2", **{option: None if option == "rate" else False})
    assert not [item for item in items if isinstance(item, kind)]
    actions = {item.action for item in items if isinstance(item, LiveEvent)}
    assert {Action.SPEECH_ON, Action.SPEECH_OFF} <= actions


def collections(at: float, data: bytes) -> LoggedEvent:
    event = ChannelMessage(at=START + at, document=1, connection=0, label="collections", payload=data)
    return LoggedEvent(START + at, event)


US: Final = listed(user(9, "Notes", (4, 1), (7, 1)))
"""The bot's own entry."""


def person(number: int, name: str, status: int = 1) -> bytes:
    return listed(user(number, name, (4, status)))


def muted(number: int, stream: str, *, is_muted: bool) -> bytes:
    state = field(10, message((1, int(is_muted))))
    return nested("1.2.3.2", message((2, 1), (4, stream), (6, device(number))) + state)


def begin(at: float = 0.0) -> LoggedEvent:
    return LoggedEvent(START + at, RecordingStarted(at=START + at))


def told(items: list[LiveItem]) -> list[str]:
    words = []
    for item in items:
        match item:
            case LiveEvent():
                words.append(f"{item.at:.1f} {item.person.name} {item.action}")
            case LiveMicrophone():
                words.append(f"{item.at:.1f} {item.person.name} microphone {'on' if item.on else 'off'}")
            case _:
                words.append(type(item).__name__)
    return words


def test_roster_messages_are_told_at_once_in_the_order_in_which_they_came() -> None:
    events = [
        collections(-2.0, US),
        collections(-1.0, person(1, "Ada")),
        collections(-0.9, muted(1, "11", is_muted=True)),
        begin(),
        collections(1.0, muted(1, "11", is_muted=False)),
        collections(2.0, person(2, "Ben")),
        collections(3.0, person(1, "Ada L")),
        collections(4.0, muted(1, "11", is_muted=True)),
        collections(5.0, muted(1, "11", is_muted=False)),
        collections(6.0, person(1, "Ada L", status=6)),
        collections(7.0, person(1, "Ada L")),
        LoggedEvent(START + 8, RecordingEnded(at=START + 8, reason="meeting_ended")),
    ]
    assert told(run(call(mixed=False), events)) == [
        "LiveStart",
        "0.0 Ada join",
        "1.0 Ada microphone on",
        "2.0 Ben join",
        "3.0 Ada L update",
        "4.0 Ada L microphone off",
        "5.0 Ada L microphone on",
        "6.0 Ada L microphone off",
        "6.0 Ada L leave",
        "7.0 Ada L join",
        "7.0 Ada L microphone on",
        "LiveEnd",
    ]


def test_times_count_from_the_first_attempt_and_the_attempt_is_told() -> None:
    (start,) = call(attempt=3, relative_zero=500.0).event(begin().event, START)
    assert start == LiveStart(zero=START, relative_zero=500.0, attempt=3)
    (start,) = call().event(begin().event, START)
    assert start == LiveStart(zero=START, relative_zero=START, attempt=1)


def test_nothing_comes_before_the_recording_or_after_it() -> None:
    live = call()
    assert live.event(collections(-2.0, US).event, START - 2) == []
    assert live.event(collections(-1.0, person(1, "Ada")).event, START - 1) == []
    assert live.advance(START - 0.5) == live.end(START - 0.4) == []
    assert told(live.event(begin().event, START)) == ["LiveStart", "0.0 Ada join"]
    assert isinstance(live.end(START + 1.5)[-1], LiveEnd)
    assert live.end(START + 2) == live.advance(START + 2) == []
    assert live.event(collections(3.0, person(2, "Ben")).event, START + 3) == []


def test_what_waits_comes_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = next(item for item in played("google_meet-2")[1] if isinstance(item, LivePcm))
    live = call()
    live.event(begin().event, START)
    monkeypatch.setattr(live._sound, "end", lambda: [spoken])
    items = live.event(RecordingEnded(at=START + 1, reason="meeting_ended"), START + 1)
    assert items == [spoken, LiveEnd(at=1.0)]


def test_a_recording_begins_once() -> None:
    live = call()
    live.event(begin().event, START)
    assert live.event(begin(1.0).event, START + 1) == []


@pytest.mark.parametrize("part", ["_decoder", "_people", "_sound"])
def test_an_internal_error_costs_its_event_and_is_logged_once(
    part: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return list if name == "drain" else self.fail

        def fail(self, *_: Any) -> None:
            raise RuntimeError("broken")

    live = call()
    setattr(live, part, Broken())
    with caplog.at_level(logging.WARNING):
        items = run(
            live,
            [
                begin(),
                collections(1.0, person(1, "Ada")),
                *(
                    LoggedEvent(START + 2, event)
                    for event, _ in with_log_times(FuzzedTape(1, Platform.GOOGLE_MEET).events())
                ),
                LoggedEvent(START + 9, RecordingEnded(at=START + 9, reason="meeting_ended")),
            ],
        )
    assert isinstance(items[0], LiveStart)
    assert isinstance(items[-1], LiveEnd)
    assert live.failures > 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize("seed", range(3))
def test_hostile_tapes_cost_no_event(platform: Platform, seed: int) -> None:
    events = [
        LoggedEvent(logged, event) for event, logged in with_log_times(FuzzedTape(seed, platform).events())
    ]
    live = call(platform)
    items = run(live, events)
    assert live.failures == 0
    assert isinstance(items[0], LiveStart)
    assert isinstance(items[-1], LiveEnd)
    check_messages(items, live)
