"""What people do is told in the right order, and what they are called as soon as it is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.audio.opus import SAMPLE_RATE
from worker.contracts.live_items import (
    Action,
    Isolation,
    LiveEvent,
    LiveMicrophone,
    LiveOpus,
    LivePerson,
)
from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.manifest.meeting_log import MOST_PARTICIPANTS
from worker.manifest.person_numbers import BOT_NUMBER, number_of_participant, number_of_source
from worker.platforms.registry import Platform
from worker.roster.roster import Device, Evidence, Roster, SourceOwner, Status
from worker.roster.tenures import tenure_key
from worker.streaming.live_people import (
    MOST_EARLY_MESSAGES,
    OURSELVES_WITHIN,
    SPEECH_HANGOVER,
    UNNAMED_LINGER,
    LivePeople,
)
from worker.tape.events import ChatReceived, RecordingPaused, TilesSeen

ZERO = 1_000.0
VOICE = b"\xf8" + bytes(range(1, 60))
"""A packet of CELT, in which nothing says that it holds no voice."""
NOISE = b"\xf8\x01"
"""So short that it may be comfort noise."""
FRAME = SAMPLE_RATE // 50


class SetRoster:
    """A decoder whose roster is set."""

    undecodable = harvested = 0

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.owners: dict[int, str] = {}
        self.tenures: dict[int, tuple[str | None, ...]] = {}
        self.readings = 0

    def observe(self, event: object) -> None:
        pass

    def tenure(self, source: int, at: float) -> int:
        return 0

    def roster(self) -> Roster:
        self.readings += 1
        return Roster(
            devices=dict(self.devices),
            sources={source: _owner(device_id) for source, device_id in self.owners.items()},
            tenures={
                source: tuple(None if each is None else _owner(each) for each in devices)
                for source, devices in self.tenures.items()
            },
        )


def _owner(device_id: str) -> SourceOwner:
    return SourceOwner(device_id=device_id, evidence=(Evidence.COLLECTIONS,))


class Room:
    """A call whose roster a test sets; times are seconds of meeting time."""

    def __init__(
        self,
        platform: Platform = Platform.GOOGLE_MEET,
        known: Any = lambda roster: roster,
        *,
        knows_us: bool = True,
    ) -> None:
        self.decoder = SetRoster()
        if knows_us:
            self.decoder.devices["bot"] = Device(device_id="bot", status=Status.IN, is_us=True)
        self.people = LivePeople(platform, self.decoder, known)

    def show(self, device_id: str, at: float = 0.0, *, source: int | None = None, **facts: Any) -> None:
        before = self.decoder.devices.get(device_id) or Device(device_id=device_id, status=Status.IN)
        self.decoder.devices[device_id] = replace(before, **facts)
        if source is not None:
            self.decoder.owners[source] = device_id
        self.changed(at)
        # Small rosters are read at once, but not twice at one moment.
        self.people.advance(ZERO + at + 0.002)

    def changed(self, at: float = 0.0) -> None:
        event = TilesSeen(at=ZERO + at, document=1, tiles=[])
        self.people.observe(event, at, ZERO + at)

    def begin(self) -> list[str]:
        self.people.begin(ZERO)
        return self.told()

    def hear(self, at: float, source: int = 1, payload: bytes = VOICE, frames: int = 1) -> None:
        for number in range(frames):
            moment = at + number / 50
            self.people.hear(
                LiveOpus(
                    person=self.people.person_of(source, ZERO + moment),
                    source=source,
                    position=round(moment * SAMPLE_RATE),
                    samples=FRAME,
                    payload=payload,
                    arrived=ZERO + moment,
                    isolation=Isolation.SEPARATED,
                )
            )

    def advance(self, at: float) -> list[str]:
        self.people.advance(ZERO + at)
        return self.told()

    def told(self) -> list[str]:
        return [_words(item) for item in self.people.drain()]


def _words(item: LiveEvent | LiveMicrophone) -> str:
    who = item.person.name or f"#{item.person.number}"
    if isinstance(item, LiveMicrophone):
        return f"{item.at:g} {who} microphone {'on' if item.on else 'off'}"
    said = "" if item.text is None else f": {item.text}"
    return f"{item.at:g} {who} {item.action}{said}"


@pytest.fixture
def room() -> Room:
    return Room()


def test_those_who_are_there_join_when_the_recording_begins(room: Room) -> None:
    room.show("a", name="Ada", muted=False)
    room.show("b", name="Ben", muted=True)
    room.show("gone", name="Gus")
    room.show("gone", status=Status.OUT)
    room.show("waits", name="Wes", status=Status.WAITING)
    room.show("us", name="Notes", is_us=True)
    room.show("screen", parent_id="b")
    room.people.observe(chat("b", "early"), 0.0, ZERO)
    assert room.told() == []
    assert room.begin() == [
        "0 Ada join",
        "0 Ada microphone on",
        "0 Ben join",
        "0 Ben screenshare_on",
        "0 Ben chat_message: early",
    ]


def chat(who: str, text: str, name: str | None = None) -> ChatReceived:
    return ChatReceived(at=ZERO, message_id="m", participant_id=who, name=name, text=text)


def test_nobody_joins_before_it_is_known_who_the_bot_is() -> None:
    room = Room(knows_us=False)
    room.begin()
    room.show("us", 0.5, name="Notes")
    room.show("a", 0.6, name="Ada")
    assert room.told() == []
    room.show("us", 0.7, is_us=True)
    assert room.told() == ["0.7 Ada join"]


def test_a_roster_that_never_tells_who_the_bot_is_holds_nobody_up_for_long() -> None:
    room = Room(knows_us=False)
    room.show("a", name="Ada")
    room.begin()
    assert room.advance(OURSELVES_WITHIN - 0.1) == []
    assert room.advance(OURSELVES_WITHIN) == ["0 Ada join"]
    room.show("b", 4.0, name="Ben")
    assert room.told() == ["4 Ben join"]


def test_mute_unmute_leave_and_rejoin_come_in_their_order(room: Room) -> None:
    room.begin()
    room.show("a", 1.0, name="Ada", muted=False)
    room.show("a", 2.0, muted=True)
    room.show("a", 3.0, muted=False)
    room.show("a", 4.0, name="Ada L")
    room.show("a", 5.0, status=Status.OUT)
    room.show("a", 6.0, status=Status.IN)
    room.show("a", 7.0, status=Status.REMOVED)
    assert room.told() == [
        "1 Ada join",
        "1 Ada microphone on",
        "2 Ada microphone off",
        "3 Ada microphone on",
        "4 Ada L update",
        "5 Ada L microphone off",
        "5 Ada L leave",
        "6 Ada L join",
        "6 Ada L microphone on",
        "7 Ada L microphone off",
        "7 Ada L leave",
    ]


def test_speech_begins_with_a_voice_and_ends_after_silence(room: Room) -> None:
    room.show("a", name="Ada", muted=False, source=1)
    room.begin()
    room.hear(1.0, frames=5)
    assert room.told() == ["1 Ada speech_on"]
    room.hear(1.5, frames=5)
    assert room.advance(1.6 + SPEECH_HANGOVER - 0.01) == []
    assert room.advance(1.6 + SPEECH_HANGOVER + 0.01) == ["1.6 Ada speech_off"]
    assert room.advance(9.0) == []


def test_lone_comfort_noise_is_no_speech_and_does_not_go_on_with_one(room: Room) -> None:
    room.show("a", name="Ada", muted=False, source=1)
    room.begin()
    for number in range(5):
        room.hear(1.0 + 0.4 * number, payload=NOISE)
    assert room.told() == []
    room.hear(4.0)
    room.hear(4.4, payload=NOISE)
    assert room.advance(4.02 + SPEECH_HANGOVER + 0.01) == ["4 Ada speech_on", "4.02 Ada speech_off"]


def test_a_late_packet_of_speech_that_is_over_does_not_begin_another(room: Room) -> None:
    room.show("a", name="Ada", muted=False, source=1)
    room.begin()
    room.hear(2.0)
    room.advance(5.0)
    room.told()
    room.hear(1.9)
    assert room.told() == []


@pytest.mark.parametrize("how", ["leave", "pause", "end"])
def test_speech_is_over_where_the_recording_or_the_speaker_is_gone(room: Room, how: str) -> None:
    room.show("a", name="Ada", muted=False, source=1)
    room.begin()
    room.hear(1.0)
    room.told()
    off = "1.02 Ada speech_off"
    if how == "leave":
        room.show("a", 1.1, status=Status.OUT)
        assert room.told() == [off, "1.1 Ada microphone off", "1.1 Ada leave"]
        room.hear(1.1)
        assert room.told() == []
    elif how == "pause":
        room.people.observe(RecordingPaused(at=ZERO + 1.1), 1.1, ZERO + 1.1)
        assert room.told() == [off]
    else:
        room.people.end()
        assert room.told() == [off]


def test_who_speaks_has_a_microphone_that_is_on_unless_the_roster_knows(room: Room) -> None:
    room.show("a", name="Ada", source=1)
    room.show("b", name="Ben", muted=True, source=2)
    room.begin()
    room.hear(1.0, source=1)
    room.hear(1.0, source=2)
    assert room.told() == ["1 Ada microphone on", "1 Ada speech_on", "1 Ben speech_on"]


def test_a_source_without_an_owner_is_a_speaker_without_a_name(room: Room) -> None:
    room.begin()
    assert room.people.person_of(7, ZERO) == LivePerson(
        number=number_of_source(7), participant_id=None, name=None
    )
    assert room.people.person_of(~9, ZERO) == LivePerson(
        number=number_of_source(9), participant_id=None, name=None
    )
    assert Room(Platform.MICROSOFT_TEAMS).people.person_of(-1, ZERO) is None


def test_an_owner_found_late_is_in_the_next_message_and_the_unknown_speaker_is_gone(room: Room) -> None:
    room.begin()
    unknown = f"#{number_of_source(1)}"
    room.hear(1.0)
    assert room.told() == [f"1 {unknown} microphone on", f"1 {unknown} speech_on"]
    room.show("a", 1.5, name="Ada", muted=False, source=1)
    found = room.people.person_of(1, ZERO + 1.5)
    assert found == LivePerson(number=number_of_participant("a"), participant_id="a", name="Ada")
    room.hear(1.6)
    assert room.told() == [
        "1.5 Ada join",
        "1.5 Ada microphone on",
        f"1.02 {unknown} speech_off",
        f"1.6 {unknown} microphone off",
        "1.6 Ada speech_on",
    ]


def test_an_unknown_speaker_is_forgotten_after_a_long_silence(room: Room) -> None:
    room.begin()
    room.hear(1.0, source=1)
    room.hear(2.0, source=2)
    room.hear(3.0, source=1)
    room.advance(4.0 + SPEECH_HANGOVER)
    room.told()
    assert room.advance(2.0 + UNNAMED_LINGER) == []
    assert room.advance(2.5 + UNNAMED_LINGER) == [f"62.5 #{number_of_source(2)} microphone off"]
    assert room.advance(3.5 + UNNAMED_LINGER) == [f"63.5 #{number_of_source(1)} microphone off"]


def test_later_tenures_belong_to_their_owners(room: Room) -> None:
    room.show("a", name="Ada", source=1)
    room.show("b", name="Ben")
    room.decoder.tenures[1] = ("a", "b", None)
    room.changed(1.0)
    people = [room.people.person_of(tenure_key(1, tenure), ZERO) for tenure in range(4)]
    assert [person and person.name for person in people] == ["Ada", "Ben", None, None]
    assert people[2] == people[3]


def test_a_speaker_whom_a_caption_names_is_found_without_a_change_of_the_roster() -> None:
    assigned: dict[int, str] = {}

    def known(roster: Roster) -> Roster:
        return replace(roster, sources={source: _owner(user) for source, user in assigned.items()})

    room = Room(Platform.MICROSOFT_TEAMS, known)
    room.show("a", name="Ada")
    room.begin()
    assigned[FIRST_CAPTION_SOURCE] = "a"
    person = room.people.person_of(FIRST_CAPTION_SOURCE, ZERO)
    assert person is not None
    assert person.name == "Ada"


def test_cameras_are_told_of_while_somebody_is_there(room: Room) -> None:
    room.show("a", name="Ada", camera=True)
    room.show("b", name="Ben", camera=True, shares=True)
    room.show("b", camera=False)
    assert room.begin() == ["0 Ada join", "0 Ben join", "0 Ada webcam_on", "0 Ben screenshare_on"]
    room.show("b", 1.0, camera=True)
    room.show("a", 2.0, camera=False)
    room.show("b", 3.0, status=Status.OUT)
    assert room.told() == [
        "1 Ben webcam_on",
        "2 Ada webcam_off",
        "3 Ben webcam_off",
        "3 Ben screenshare_off",
        "3 Ben leave",
    ]


def test_a_screen_share_is_somebody_while_it_is_heard(room: Room) -> None:
    room.show("a", name="Ada", muted=False)
    room.begin()
    room.show("screen", 1.0, parent_id="a", source=2)
    room.hear(2.0, source=2)
    room.show("a", 2.5, name="Ada L")
    room.show("screen", 3.0, status=Status.OUT)
    room.hear(3.1, source=2)
    assert room.told() == [
        "1 Ada screenshare_on",
        "2 Ada (screen share) microphone on",
        "2 Ada (screen share) speech_on",
        "2.5 Ada L update",
        "3 Ada L screenshare_off",
        "2.02 Ada L (screen share) speech_off",
        "3 Ada L (screen share) microphone off",
    ]


def test_a_device_that_turns_out_to_be_a_screen_or_ours_leaves(room: Room) -> None:
    room.begin()
    room.show("x", 1.0, name="X", muted=False)
    room.show("y", 1.0, name="Y")
    room.show("x", 2.0, parent_id="y")
    room.show("y", 3.0, is_us=True)
    assert [each for each in room.told() if "screenshare" not in each] == [
        "1 X join",
        "1 X microphone on",
        "1 Y join",
        "2 X microphone off",
        "2 X leave",
        "3 Y leave",
    ]


def test_a_new_host_is_an_update(room: Room) -> None:
    room.show("a", name="Ada")
    room.begin()
    room.show("a", 1.0, is_host=True)
    (update,) = room.people.drain()
    assert isinstance(update, LiveEvent)
    assert (update.action, update.person.is_host) == (Action.UPDATE, True)


def test_what_the_bot_and_strangers_write_is_told(room: Room) -> None:
    room.show("us", name="Notes", is_us=True)
    room.begin()
    room.people.observe(chat("us", "I record"), 1.0, ZERO + 1)
    room.people.observe(chat("stranger", "hi\ud800", name="Sam"), 2.0, ZERO + 2)
    room.people.observe(chat("", "who am I"), 3.0, ZERO + 3)
    ours, strangers, nobodys = room.people.drain()
    assert (ours.person.number, ours.person.name) == (BOT_NUMBER, "Notes")
    assert strangers.person.number == number_of_participant("stranger")
    assert _words(strangers) == "2 Sam chat_message: hi?"
    assert nobodys.person.participant_id is None
    assert nobodys.person.number > 0


def test_two_people_with_one_hash_have_two_numbers(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.streaming.live_people.number_of_participant", lambda _: 5)
    room.show("a", name="Ada", muted=False)
    room.show("b", name="Ben", muted=False)
    room.begin()
    room.show("a", 1.0, status=Status.OUT)
    room.show("b", 2.0, status=Status.OUT)
    assert [(item.person.number, item.person.name) for item in room.people.drain()] == [
        (5, "Ada"),
        (5, "Ada"),
        (6, "Ben"),
        (6, "Ben"),
    ]


def test_nobody_has_the_number_of_the_bot(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.streaming.live_people.number_of_participant", lambda _: BOT_NUMBER)
    room.show("a", name="Ada")
    room.begin()
    room.show("a", 1.0, status=Status.OUT)
    assert {item.person.number for item in room.people.drain()} == {BOT_NUMBER + 1}


def test_of_what_was_written_early_the_latest_is_kept(room: Room) -> None:
    for number in range(MOST_EARLY_MESSAGES + 5):
        room.people.observe(chat("", f"{number}", name="Ada"), 0.0, ZERO)
    told = room.begin()
    assert len(told) == MOST_EARLY_MESSAGES
    assert told[0] == "0 Ada chat_message: 5"


def test_a_large_roster_is_not_read_for_each_message(room: Room) -> None:
    for number in range(1_000):
        room.decoder.devices[f"d{number}"] = Device(device_id=f"d{number}", status=Status.IN)
    room.changed()
    room.begin()
    before = room.decoder.readings
    for number in range(1_000):
        room.changed(1.0 + number / 1_000)
    assert room.decoder.readings - before <= 11
    room.show("d5", 2.0, muted=False)
    assert [each for each in room.advance(2.2) if "microphone" in each]
    room.changed(2.3)
    room.decoder.devices["d6"] = Device(device_id="d6", status=Status.OUT)
    room.changed(2.31)
    room.people.end()
    assert [each for each in room.told() if "leave" in each]


@pytest.mark.parametrize("heard", ["sources", "packets"])
def test_memory_is_bounded_whoever_speaks(room: Room, heard: str) -> None:
    room.begin()
    for source in range(1, 3 * MOST_PARTICIPANTS):
        if heard == "sources":
            room.people.person_of(source, ZERO)
        else:
            room.hear(1.0, source=source)
    room.people.drain()
    parts = (room.people, room.people._numbers)
    held = [each for part in parts for each in vars(part).values() if isinstance(each, dict | set)]
    assert all(len(each) <= 2 * MOST_PARTICIPANTS for each in held)


DEVICES = st.sampled_from(["a", "b", "c", "\ud800", "x" * 600])
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(Status),
        "muted": st.sampled_from([None, True, False]),
        "name": st.none() | st.text(st.characters(), max_size=5),
        "is_us": st.booleans(),
        "is_host": st.booleans(),
        "parent_id": st.none() | DEVICES,
    },
)
STEPS = st.lists(
    st.tuples(st.just("show"), DEVICES, FACTS)
    | st.tuples(st.just("own"), DEVICES, st.integers(1, 4))
    | st.tuples(st.just("hear"), st.integers(-1, 5), st.integers(1, 3))
    | st.tuples(st.just("chat"), DEVICES | st.just(""), st.text(st.characters(), max_size=5)),
    max_size=30,
)


@given(STEPS, st.integers(0, 10))
def test_whatever_happens_each_thing_begins_before_it_ends(steps: list[tuple[Any, ...]], begin: int) -> None:
    room = Room()
    items: list[LiveEvent | LiveMicrophone] = []
    for number, (kind, subject, value) in enumerate(steps):
        at = max(0, number - begin) * 0.5
        if number == begin:
            room.people.begin(ZERO)
        match kind:
            case "show":
                room.show(subject, at, **value)
            case "own":
                room.show(subject, at, source=value)
            case "hear" if number >= begin:
                room.hear(at, source=subject, frames=value)
            case "chat":
                room.people.observe(chat(subject, value), at, ZERO + at)
            case _:
                pass
        room.people.advance(ZERO + at)
        items += room.people.drain()
        assert number >= begin or not items
    room.people.end()
    items += room.people.drain()
    pairs = ((Action.JOIN, Action.LEAVE), (Action.SPEECH_ON, Action.SPEECH_OFF))
    for number in {item.person.number for item in items}:
        assert 0 < number < 2**31
        own = [item for item in items if item.person.number == number]
        microphone = [item.on for item in own if isinstance(item, LiveMicrophone)]
        assert microphone == [position % 2 == 0 for position in range(len(microphone))]
        for begins, ends in pairs:
            actions = [
                item.action for item in own if isinstance(item, LiveEvent) and item.action in (begins, ends)
            ]
            assert actions == [(begins, ends)[position % 2] for position in range(len(actions))]
            if ends is Action.SPEECH_OFF:
                assert len(actions) % 2 == 0
