"""Live messages are in the vendors' own forms, whatever people are called."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.live_endpoints import EVENTS, EVERYTHING
from tests.support.live_validators import (
    check_meetstream_event,
    check_meetstream_frame,
    check_meetstream_text,
    check_recall,
)
from worker.contracts.bot_facts import endpoint_id, related_id
from worker.contracts.live_endpoints import (
    PARTICIPANT_EVENTS,
    LiveEndpoint,
    LiveForm,
    Transport,
)
from worker.contracts.live_forms import LiveBot, MessageForm, open_form
from worker.contracts.live_items import (
    Action,
    Isolation,
    LiveEnd,
    LiveEvent,
    LiveItem,
    LiveMicrophone,
    LiveMix,
    LiveOpus,
    LivePcm,
    LivePerson,
    LiveStart,
)
from worker.manifest.person_numbers import number_of_source
from worker.platforms.registry import Platform

BOT_ID = "7f0a4d3c-9d0e-4c1f-8a3f-7a116e4f6f5b"
START = LiveStart(zero=1_800_000_010.5, relative_zero=1_800_000_000.0, attempt=2)
ADA = LivePerson(number=7, participant_id="spaces/a/devices/1", name="Ada", is_host=True)
PCM = LivePcm(
    person=ADA,
    source=1,
    position=48_000,
    pcm=b"\1\2" * 320,
    arrived=0.0,
    isolation=Isolation.SEPARATED,
)
JOINED = LiveEvent(action=Action.JOIN, person=ADA, at=2.25)


def form(
    kind: LiveForm = LiveForm.RECALL,
    events: tuple[str, ...] = EVERYTHING,
    metadata: dict[str, Any] | None = None,
    bot_id: str = BOT_ID,
    metadata_of_endpoint: dict[str, str] | None = None,
) -> MessageForm:
    place = LiveEndpoint(
        number=1,
        form=kind,
        transport=Transport.WEBSOCKET,
        url="wss://example.com",
        events=events,
        metadata=metadata_of_endpoint or {},
    )
    bot = LiveBot(bot_id=bot_id, platform=Platform.GOOGLE_MEET, metadata=metadata or {}, attempt=2)
    opened = open_form(place, bot)
    assert opened.encode(START) is None
    return opened


TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["👩‍👩‍👧 family", "\ud800", "a\x00b", "\u202egnp.exe", "שלום", '"},{"', "\\", "x" * 70_000, "é" * 40_000]
)
PEOPLE = st.builds(
    LivePerson,
    number=st.integers(1, 2**31 - 1),
    participant_id=st.none() | TEXTS,
    name=st.none() | TEXTS,
    is_host=st.booleans(),
)
POSITIONS = st.integers(-48_000, 48_000 * 200_000)
SOUND = st.binary(min_size=1, max_size=40).map(lambda half: half + half)
SPEAKERS = {
    "person": st.none() | PEOPLE,
    "source": st.integers(-5, 2**45),
    "position": POSITIONS,
    "arrived": st.just(0.0),
    "isolation": st.sampled_from(Isolation),
}
ITEMS: st.SearchStrategy[LiveItem] = st.one_of(
    st.builds(LivePcm, pcm=SOUND, **SPEAKERS),
    st.builds(
        LiveOpus, payload=st.binary(min_size=1, max_size=40), samples=st.integers(120, 5760), **SPEAKERS
    ),
    st.builds(LiveMix, position=POSITIONS, pcm=SOUND, arrived=st.just(0.0)),
    st.builds(
        LiveEvent,
        action=st.sampled_from(Action),
        person=PEOPLE,
        at=st.floats(0, 200_000),
        text=st.none() | TEXTS,
    ),
    st.builds(LiveMicrophone, person=PEOPLE, on=st.booleans(), at=st.floats(0, 200_000)),
    st.builds(LiveEnd, at=st.floats(0, 200_000)),
)
METADATA = st.dictionaries(
    TEXTS, TEXTS | st.integers() | st.none() | st.booleans() | st.lists(TEXTS, max_size=2), max_size=3
)


@given(st.lists(ITEMS, max_size=5), METADATA)
def test_recalls_messages_are_valid_for_any_people(items: list[LiveItem], metadata: dict[str, Any]) -> None:
    recall = form(metadata=metadata)
    for item in items:
        message = recall.encode(item)
        if isinstance(item, LiveMicrophone | LiveEnd):
            assert message is None
        else:
            check_recall(message)


@given(st.lists(ITEMS, max_size=5))
def test_meetstreams_frames_are_valid_for_any_people(items: list[LiveItem]) -> None:
    meetstream = form(LiveForm.MEETSTREAM_AUDIO)
    for item in items:
        message = meetstream.encode(item)
        if isinstance(item, LivePcm):
            assert check_meetstream_frame(message).pcm == item.pcm
        else:
            assert message is None


@given(st.lists(ITEMS, max_size=5), METADATA)
def test_meetstreams_webhooks_are_valid_for_any_people(
    items: list[LiveItem], metadata: dict[str, Any]
) -> None:
    meetstream = form(LiveForm.MEETSTREAM, metadata=metadata)
    for item in items:
        message = meetstream.encode(item)
        if isinstance(item, LiveEvent) and item.action in (Action.JOIN, Action.LEAVE):
            check_meetstream_event(message)
        else:
            assert message is None


def test_a_separate_message_tells_whose_sound_it_is_and_when_it_was() -> None:
    message = check_recall(form().encode(PCM))
    inner = message["data"]["data"]
    assert message["event"] == "audio_separate_raw.data"
    assert base64.b64decode(inner["buffer"]) == PCM.pcm
    assert inner["timestamp"] == {"relative": 11.5, "absolute": "2027-01-15T08:00:11.500Z"}
    assert inner["participant"] == {
        "id": 7,
        "name": "Ada",
        "is_host": True,
        "platform": "unknown",
        "extra_data": {
            "google_meet": {"participant_id": "spaces/a/devices/1"},
            "attempt": 2,
            "isolation": "separated",
        },
        "email": None,
    }


@pytest.mark.parametrize(
    ("own", "bots", "repeats"),
    [
        (10, 10, (True, True)),
        (2_000, 2_000, (True, True)),
        (10, 60_000, (True, False)),
        (2_500, 2_500, (True, False)),
        (10, 1_500 * 3, (True, False)),
        (16_000, 10, (False, True)),
        (16_000, 60_000, (False, False)),
    ],
)
def test_long_metadata_are_in_events_and_not_in_each_message_of_sound(
    own: int, bots: int, repeats: tuple[bool, bool]
) -> None:
    metadata = {"realtime_endpoint": {"a": "x" * own}, "bot": {"b": "é" * (bots // 2)}}
    recall = form(metadata=metadata["bot"], metadata_of_endpoint=metadata["realtime_endpoint"])
    opus = LiveOpus(
        person=ADA, source=1, position=0, samples=960, payload=b"\xf8", arrived=0, isolation=PCM.isolation
    )
    mix = LiveMix(position=0, pcm=b"\1\2", arrived=0)
    sound = [*(recall.encode(item) for item in (PCM, opus, mix)), recall.gap(1.0, ADA)]
    for message, expected in [*((each, repeats) for each in sound), (recall.encode(JOINED), (True, True))]:
        data = check_recall(message)["data"]
        found = [data[name]["metadata"] for name in metadata]
        assert found == [metadata[name] if has else {} for name, has in zip(metadata, expected, strict=True)]
        assert isinstance(message, str)
        assert expected == (True, True) or len(message) < 8_000


def test_ids_are_those_of_the_api_and_metadata_are_texts() -> None:
    recall = form(
        metadata={"a": "b\ud800", "n": 1, "deep": {"x": [True, None]}}, metadata_of_endpoint={"c": "d"}
    )
    data = check_recall(recall.encode(PCM))["data"]
    assert data["bot"] == {"id": BOT_ID, "metadata": {"a": "b?", "n": "1", "deep": '{"x":[true,null]}'}}
    assert data["realtime_endpoint"]["metadata"] == {"c": "d"}
    assert data["recording"]["id"] == related_id("recording", BOT_ID)
    assert data["audio_separate"]["id"] == related_id("audio_separate", BOT_ID)
    assert data["realtime_endpoint"]["id"] == endpoint_id(1, BOT_ID)
    mixed = check_recall(recall.encode(LiveMix(position=0, pcm=b"ab", arrived=0.0)))["data"]
    assert mixed["audio_mixed"]["id"] == related_id("audio_mixed", BOT_ID)
    joined = check_recall(recall.encode(JOINED))["data"]
    assert joined["participant_events"]["id"] == related_id("participant_events", BOT_ID)


def test_a_bot_whose_id_is_no_uuid_has_texts_as_ids_all_the_same() -> None:
    check_recall(form(bot_id="bot 1").encode(PCM))


def test_a_packet_has_its_place_and_its_length() -> None:
    packet = LiveOpus(
        person=ADA,
        source=1,
        position=960,
        samples=2880,
        payload=b"\x78opus",
        arrived=0.0,
        isolation=Isolation.GATED_MIX,
    )
    inner = check_recall(form().encode(packet))["data"]["data"]
    assert (inner["position"], inner["samples"], base64.b64decode(inner["buffer"])) == (
        960,
        2880,
        b"\x78opus",
    )
    assert inner["participant"]["extra_data"]["isolation"] == "gated-mix"


def test_a_chat_message_has_its_text_and_other_events_have_none() -> None:
    said = LiveEvent(action=Action.CHAT_MESSAGE, person=ADA, at=1.0, text="<b>hi</b>")
    assert check_recall(form().encode(said))["data"]["data"]["data"] == {
        "text": "<b>hi</b>",
        "to": "everyone",
    }
    assert check_recall(form().encode(JOINED))["data"]["data"]["data"] is None


def test_a_speaker_nobody_knows_has_the_number_of_the_source() -> None:
    unknown = msgspec.structs.replace(PCM, person=None, source=-3)
    participant = check_recall(form().encode(unknown))["data"]["data"]["participant"]
    assert (participant["id"], participant["name"]) == (number_of_source(-3), None)


@pytest.mark.parametrize("wanted", EVERYTHING)
def test_an_endpoint_gets_what_it_asked_for_and_nothing_else(wanted: str) -> None:
    items: list[LiveItem] = [
        PCM,
        LiveMix(position=0, pcm=b"ab", arrived=0.0),
        LiveOpus(
            person=ADA,
            source=1,
            position=0,
            samples=960,
            payload=b"a",
            arrived=0.0,
            isolation=Isolation.SEPARATED,
        ),
        *(LiveEvent(action=action, person=ADA, at=0.0) for action in Action),
    ]
    recall = form(events=(wanted,))
    messages = [
        json.loads(message)["event"] for item in items if (message := recall.encode(item)) is not None
    ]
    assert messages == [wanted]


def test_a_new_name_is_in_the_next_message() -> None:
    recall, meetstream = form(), form(LiveForm.MEETSTREAM_AUDIO)
    for name in ("Ada", None, "Ada Lovelace"):
        item = msgspec.structs.replace(PCM, person=msgspec.structs.replace(ADA, name=name))
        assert check_recall(recall.encode(item))["data"]["data"]["participant"]["name"] == name
        assert check_meetstream_frame(meetstream.encode(item)).speaker_name == (name or "")


def test_each_message_says_how_far_its_own_sound_is_the_speakers() -> None:
    recall = form()
    gated = msgspec.structs.replace(PCM, isolation=Isolation.GATED_MIX)
    extras = [
        check_recall(recall.encode(item))["data"]["data"]["participant"]["extra_data"]
        for item in (JOINED, PCM, gated, JOINED, PCM)
    ]
    assert [extra.get("isolation") for extra in extras] == [None, "separated", "gated-mix", None, "separated"]


def test_a_gap_is_told_to_those_who_get_sound() -> None:
    whole = check_recall(form().gap(1.23456, None))
    assert (whole["event"], whole["data"]["data"]) == (
        "realtime_endpoint.gap",
        {"seconds": 1.235, "participant": None},
    )
    assert check_recall(form().gap(1, ADA))["data"]["data"]["participant"]["id"] == 7
    assert check_meetstream_text(form(LiveForm.MEETSTREAM_AUDIO).gap(2, ADA))["seconds"] == 2.0
    assert form(events=EVENTS).gap(1.0, None) is None
    assert form(LiveForm.MEETSTREAM).gap(1.0, None) is None


def test_only_meetstreams_sockets_have_an_opening() -> None:
    (ready,) = form(LiveForm.MEETSTREAM_AUDIO).opening()
    assert check_meetstream_text(ready)["bot_id"] == BOT_ID
    assert form().opening() == form(LiveForm.MEETSTREAM).opening() == []


@pytest.mark.parametrize(
    ("person", "speaker"),
    [
        (ADA, ("spaces/a/devices/1", "Ada")),
        (msgspec.structs.replace(ADA, name=None), ("spaces/a/devices/1", "")),
        (LivePerson(number=5, participant_id=None, name=None), ("5", "NoSpeaker")),
        (None, ("NoSpeaker", "NoSpeaker")),
    ],
)
def test_a_frame_names_its_speaker(person: LivePerson | None, speaker: tuple[str, str]) -> None:
    item = msgspec.structs.replace(PCM, person=person)
    frame = check_meetstream_frame(form(LiveForm.MEETSTREAM_AUDIO).encode(item))
    assert (frame.speaker_id, frame.speaker_name) == speaker


def test_a_frame_cuts_a_long_name_between_characters() -> None:
    item = msgspec.structs.replace(PCM, person=msgspec.structs.replace(ADA, name="é" * 40_000))
    frame = check_meetstream_frame(form(LiveForm.MEETSTREAM_AUDIO).encode(item))
    assert frame.speaker_name == "é" * 32_767
    assert frame.pcm == PCM.pcm


def test_a_webhook_of_meetstream_tells_who_joined() -> None:
    body = check_meetstream_event(form(LiveForm.MEETSTREAM, metadata={"a": 1}).encode(JOINED))
    assert body["timestamp"] == "2027-01-15T08:00:12.750Z"
    assert body["data"]["data"]["participant"] == {
        "id": "spaces/a/devices/1",
        "name": "Ada",
        "full_name": "Ada",
        "platform": "google_meet",
    }
    assert body["data"]["data"]["timestamp"] == {"relative": 12.75, "absolute": "2027-01-15T08:00:12.750Z"}
    assert body["custom_attributes"] == {"a": "1"}
    assert form(LiveForm.MEETSTREAM, events=(f"{PARTICIPANT_EVENTS}leave",)).encode(JOINED) is None


def test_the_forms_of_more_people_than_are_kept_are_made_anew() -> None:
    recall, meetstream = form(), form(LiveForm.MEETSTREAM_AUDIO)
    for number in range(1, 2_500):
        item = msgspec.structs.replace(PCM, person=msgspec.structs.replace(ADA, number=number))
        assert f'"id":{number},' in str(recall.encode(item))
        meetstream.encode(item)
    assert len(recall._prepared) <= 1_000  # type: ignore[attr-defined]
    assert len(meetstream._heads) <= 1_000  # type: ignore[attr-defined]
