from __future__ import annotations

import base64
import gzip
import itertools
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.meet import roster
from fixtures.replica.meet.roster_pb2 import CollectionsMessage, DeviceOutput, SyncResponse, User
from fixtures.replica.meet.scenario import Page, Waiting
from fixtures.replica.scenario import Participant, Roster, Scenario
from fixtures.replica.video.scenario import VideoMedia
from fixtures.replica.video.sources import Source

ADA = Participant(name="Ada", voice="elif", csrc=1001, host=True)
BEN = Participant(name="Ben", voice="nuno", csrc=1002, joins=10.0, leaves=40.0, mutes=[(20.0, 30.0)])


def meeting(*participants: Participant, sources: Roster | None = None) -> Scenario:
    return Scenario(title="test", duration=60.0, participants=list(participants), roster=sources or Roster())


def parsed(message: bytes | None) -> CollectionsMessage:
    assert message is not None
    return CollectionsMessage.FromString(message)


def users(message: bytes | None) -> list[User]:
    return list(parsed(message).envelope.collections.space.users.users)


def audio(message: bytes | None) -> list[DeviceOutput]:
    outputs = parsed(message).envelope.collections.device_outputs.outputs
    return [output for output in outputs if output.kind == DeviceOutput.Kind.AUDIO]


def update(scenario: Scenario, before: float | None, now: float) -> bytes | None:
    sent = [] if before is None else roster.members(scenario, before, 0.0)
    return roster.collections_update(sent, roster.members(scenario, now, 0.0))


def test_fields_have_meets_numbers() -> None:
    # {1: {2: {3: {2: [...]}, 13: {1: {2: [...]}}}}}, field by field as Meet's client would read it.
    message = update(meeting(ADA), None, 0.0)
    assert message is not None
    collections = field(field(message, 1), 2)
    output = field(field(collections, 3), 2)
    assert output.startswith(b"\x10\x01\x22\x041001\x32")
    assert field(output, 6) == b"spaces/rB4kQx7mZ0cB/devices/23"
    user = field(field(field(collections, 13), 1), 2)
    assert field(user, 1) == field(output, 6)
    assert (field(user, 2), field(user, 29)) == (b"Ada", b"Ada")
    assert user.endswith(b"\x90\x02\x01"), "34: host"


def field(message: bytes, number: int) -> bytes:
    """The first length-delimited field of this number; all lengths and keys here take one or two bytes."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        value, position = varint(message, position)
        if key & 7 == 2:
            if key >> 3 == number:
                return message[position : position + value]
            position += value
    raise AssertionError(f"field {number} is missing")


def varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def test_equal_names_are_different_devices() -> None:
    scenario = meeting(ADA, Participant(name="Ada", voice="olga", csrc=1003))
    first, second = users(update(scenario, None, 0.0))
    assert first.full_name == second.full_name == "Ada"
    assert first.device_id != second.device_id
    assert roster.self_id(scenario) not in {first.device_id, second.device_id}


def test_updates_contain_only_changes() -> None:
    scenario = meeting(ADA, BEN)
    assert [user.full_name for user in users(update(scenario, None, 0.0))] == ["Ada"]
    joined = update(scenario, 0.0, 10.0)
    assert [(user.full_name, user.status) for user in users(joined)] == [("Ben", User.Status.IN_CALL)]
    assert [(output.stream_id, output.state.disabled) for output in audio(joined)] == [("1002", False)]
    muted = update(scenario, 10.0, 20.0)
    assert users(muted) == []
    assert [(output.stream_id, output.state.disabled) for output in audio(muted)] == [("1002", True)]
    unmuted = audio(update(scenario, 20.0, 30.0))
    assert [(output.stream_id, output.state.disabled) for output in unmuted] == [("1002", False)]
    left = update(scenario, 30.0, 40.0)
    assert [(user.full_name, user.status) for user in users(left)] == [("Ben", User.Status.LEFT)]
    assert audio(left) == []
    assert update(scenario, 41.0, 60.0) is None


def test_a_new_name_is_an_update_of_the_same_device() -> None:
    ada = Participant(
        name="Ada", voice="elif", csrc=1001, renames=[(10.0, "Ada L"), (12.0, "Bea")], presents=[(5.0, 20.0)]
    )
    scenario = meeting(ada)
    (before,) = users(update(scenario, None, 0.0))
    after = users(update(scenario, 9.0, 10.0))
    assert {user.full_name for user in after} == {"Ada L"}, "of the screen as well"
    assert before.device_id in {user.device_id for user in after}
    assert {10.0, 12.0} <= set(roster.change_times(scenario))
    with pytest.raises(ValueError, match="renames"):
        Participant(name="Ada", voice="elif", csrc=1001, renames=[(2.0, "B"), (1.0, "C")])


def test_a_rejoined_device_keeps_its_id() -> None:
    ada = Participant(name="Ada", voice="elif", csrc=1001, csrc_changes=[(15.0, 2001)])
    scenario = meeting(ada)
    (before,) = audio(update(scenario, None, 14.0))
    (after,) = audio(update(scenario, 14.0, 15.0))
    assert (before.stream_id, after.stream_id) == ("1001", "2001")
    assert before.device_id == after.device_id
    late = roster.collections_update([], roster.members(scenario, 20.0, 0.0))
    assert [output.stream_id for output in audio(late)] == ["1001", "2001"]


@pytest.mark.parametrize("source", ["collections_after", "rpc_after", "tiles_after"])
def test_each_source_can_be_withheld_or_delayed(source: str) -> None:
    never = meeting(ADA, sources=msgspec.convert({source: None}, Roster))
    assert roster.members(never, 60.0, getattr(never.roster, source)) == []
    late = meeting(ADA, sources=msgspec.convert({source: 12.0}, Roster))
    assert roster.members(late, 11.9, getattr(late.roster, source)) == []
    assert [member.name for member in roster.members(late, 12.0, getattr(late.roster, source))] == ["Ada"]
    assert 12.0 in roster.change_times(late)


def test_a_participant_is_not_listed_before_named_at() -> None:
    scenario = meeting(
        Participant(name="Late", voice="elif", csrc=1, named_at=30.0, leaves=20.0),
        Participant(name="Never", voice="nuno", csrc=2, named_at=None),
    )
    assert roster.change_times(scenario) == [0.0, 20.0, 30.0]
    assert roster.members(scenario, 29.9, 0.0) == []
    after = update(scenario, 29.9, 30.0)
    assert [(user.full_name, user.status) for user in users(after)] == [("Late", User.Status.LEFT)]
    assert [output.stream_id for output in audio(after)] == ["1"]
    assert roster.tiles(roster.members(scenario, 30.0, 0.0)) == []


def test_tiles_show_the_participants_in_the_call() -> None:
    scenario = meeting(ADA, BEN)
    (ada,) = roster.tiles(roster.members(scenario, 0.0, 0.0))
    assert (ada.name, ada.source, ada.muted) == ("Ada", "1001", False)
    _, ben = roster.tiles(roster.members(scenario, 25.0, 0.0))
    assert (ben.name, ben.source, ben.muted) == ("Ben", "1002", True)
    assert len(roster.tiles(roster.members(scenario, 40.0, 0.0))) == 1


def test_a_moved_schema_wraps_the_same_parts_differently() -> None:
    known = roster.members(meeting(ADA), 0.0, 0.0)
    moved = roster.collections_update([], known, moved=True)
    assert moved is not None
    assert not CollectionsMessage.FromString(moved).HasField("envelope")
    assert ADA.name.encode() in moved
    assert str(ADA.csrc).encode() in moved


def test_tiles_may_have_no_names() -> None:
    (tile,) = roster.tiles(roster.members(meeting(ADA), 0.0, 0.0), named=False)
    assert (tile.name, tile.source) == ("", str(ADA.csrc))


def test_the_bot_is_marked_as_self_and_can_be_removed() -> None:
    scenario = meeting(ADA)
    me = roster.this_bot(scenario, "Stems")
    (user,) = users(roster.collections_update([], [me]))
    assert uuid.UUID(user.self_uuid).version == 4
    gone = roster.this_bot(scenario, "Stems", removed=True)
    (user,) = users(roster.collections_update([me], [gone]))
    assert (user.status, user.device_id) == (User.Status.REMOVED, roster.self_id(scenario))
    (ada,) = users(update(scenario, None, 0.0))
    assert ada.self_uuid == ""


def test_messages_alternate_between_zlib_and_gzip() -> None:
    assert zlib.decompress(roster.compressed(b"message", 0)) == b"message"
    assert gzip.decompress(roster.compressed(b"message", 1)) == b"message"


def test_sync_body_holds_the_users() -> None:
    body = roster.sync_body(roster.members(meeting(ADA, BEN), 45.0, 0.0))
    known = SyncResponse.FromString(base64.b64decode(body)).space.users.users
    assert [(user.full_name, user.status) for user in known] == [
        ("Ada", User.Status.IN_CALL),
        ("Ben", User.Status.LEFT),
    ]


def test_a_chat_update_has_sender_time_and_text() -> None:
    line = parsed(roster.chat_update("spaces/x/devices/9", "m1", 1.5, "Hello"))
    (entry,) = line.envelope.collections.space.chat
    assert (entry.message.device_id, entry.message.sent_at, entry.message.body.text) == (
        "spaces/x/devices/9",
        1500,
        "Hello",
    )


def test_who_waits_has_a_device_that_no_roster_has() -> None:
    page = Page(waiting=[Waiting(name="Eve"), Waiting(name="Fay", at=5.0, until=9.0)])
    scenario = Scenario(title="t", duration=60.0, participants=[ADA, BEN], page=page)
    assert [row.name for row in roster.waiting(scenario, 1.0)] == ["Eve"]
    eve, fay = roster.waiting(scenario, 5.0)
    assert [row.name for row in roster.waiting(scenario, 9.0)] == ["Eve"]
    known = {member.device_id for member in roster.members(scenario, 10.0, 0.0)} | {roster.self_id(scenario)}
    assert len({eve.participant_id, fay.participant_id} | known) == 5


TIMES = st.floats(0, 60)
PARTICIPANTS = st.builds(
    Participant,
    name=st.text(min_size=1, max_size=5),
    voice=st.just("elif"),
    csrc=st.just(1),
    joins=st.floats(-60, 60),
    leaves=st.none() | TIMES,
    named_at=st.none() | TIMES,
    mutes=st.lists(TIMES, min_size=2, max_size=2, unique=True).map(lambda span: [tuple(sorted(span))]),
    csrc_changes=st.lists(
        st.tuples(TIMES, st.integers(100_000, 199_999)), max_size=2, unique_by=lambda c: c[1]
    ).map(sorted),
)


def with_own_sources(number: int, participant: Participant) -> Participant:
    """The same participant with sources that no other participant has."""
    changes = [(at, csrc * 10 + number) for at, csrc in participant.csrc_changes]
    return msgspec.structs.replace(participant, csrc=number + 1, csrc_changes=changes)


@given(st.lists(PARTICIPANTS, max_size=4))
def test_all_updates_together_give_the_roster(participants: list[Participant]) -> None:
    scenario = meeting(*itertools.starmap(with_own_sources, enumerate(participants)))
    sent: Sequence[roster.Member] = []
    seen_users: dict[str, User] = {}
    seen_sources: dict[str, str] = {}
    for when in roster.change_times(scenario):
        known = roster.members(scenario, when, 0.0)
        if (message := roster.collections_update(sent, known)) is not None:
            seen_users.update({user.device_id: user for user in users(message)})
            seen_sources.update({output.stream_id: output.device_id for output in audio(message)})
        sent = known
    final = roster.members(scenario, scenario.duration, 0.0)
    assert {device: user.status for device, user in seen_users.items()} == {
        member.device_id: member.status for member in final
    }
    assert set(seen_sources) == {str(csrc) for member in final for csrc in member.csrcs}
    assert roster.collections_update(final, [replace(member) for member in final]) is None


FILMED = msgspec.structs.replace(
    ADA, cameras=[(0.0, 10.0), (20.0, 60.0)], presents=[(5.0, 9.0), (30.0, 40.0)]
)


def video_outputs(message: bytes | None) -> list[tuple[str, bool]]:
    outputs = parsed(message).envelope.collections.device_outputs.outputs
    return [
        (output.stream_id, output.state.disabled)
        for output in outputs
        if output.kind == DeviceOutput.Kind.VIDEO
    ]


def test_a_camera_that_goes_on_and_off_switches_its_output() -> None:
    scenario = msgspec.structs.replace(meeting(FILMED), video=VideoMedia())
    at_start, off, on = (roster.members(scenario, now, 0.0)[:1] for now in (0.0, 10.0, 20.0))
    assert {0.0, 10.0, 20.0} <= set(roster.change_times(scenario))
    assert video_outputs(roster.collections_update([], at_start)) == [("501001", False)]
    assert video_outputs(roster.collections_update(at_start, off)) == [("501001", True)]
    assert video_outputs(roster.collections_update(off, on)) == [("501001", False)]
    assert video_outputs(roster.collections_update([], off)) == [("501001", True)]


def test_without_video_a_camera_changes_nothing() -> None:
    filmed, bare = meeting(FILMED), meeting(msgspec.structs.replace(FILMED, cameras=[]))
    assert roster.change_times(filmed) == roster.change_times(bare)
    assert [roster.members(filmed, now, 0.0) for now in (0.0, 10.0, 20.0)] == [
        roster.members(bare, now, 0.0) for now in (0.0, 10.0, 20.0)
    ]


def test_a_stream_of_video_is_that_of_an_output() -> None:
    scenario = msgspec.structs.replace(meeting(FILMED), video=VideoMedia())
    for now, source, stream in (
        (0.0, Source(0, "webcam"), "501001"),
        (5.0, Source(0, "screenshare"), "701001"),
        (30.0, Source(0, "screenshare"), "701002"),
    ):
        assert roster.video_stream(scenario, source, now) == stream
        known = roster.members(scenario, now, 0.0)
        assert (stream, False) in video_outputs(roster.collections_update([], known))
        assert stream in [tile.video for tile in roster.tiles(known)]
