"""Every message of the replica is read by a strict decoder that knows Meet's schema, as bots' decoders do."""

from __future__ import annotations

import base64
import gzip
import itertools
import uuid
import zlib
from collections.abc import Callable, Sequence

import msgspec
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.meet import channels, roster
from fixtures.replica.scenario import Participant, Scenario
from tests.support.meet_schema import MEET
from tests.unit.replica.meet.test_roster import PARTICIPANTS, meeting, with_own_sources

Send = Callable[[Scenario], list[tuple[str, bytes]]]


def collections(scenario: Scenario) -> list[tuple[str, bytes]]:
    """All messages of ``collections`` and bodies of the RPC, as they go over the wire."""
    sent: Sequence[roster.Member] = []
    messages = []
    for number, when in enumerate(roster.change_times(scenario)):
        known = [*roster.members(scenario, when, 0.0), roster.this_bot(scenario, "Stems")]
        if (update := roster.collections_update(sent, known)) is not None:
            messages.append(("Collections", zlib.decompress(roster.compressed(update, 2 * number))))
        messages.append(("Sync", base64.b64decode(roster.sync_body(known))))
        sent = known
    gone = roster.collections_update(sent, [roster.this_bot(scenario, "Stems", removed=True)])
    assert gone is not None
    chat = roster.chat_update(roster.self_id(scenario), "m1", 1.5, "Hello")
    return [*messages, ("Collections", gone), ("Collections", chat)]


@given(st.lists(PARTICIPANTS, max_size=4))
def test_a_strict_decoder_reads_every_roster(participants: list[Participant]) -> None:
    scenario = meeting(*itertools.starmap(with_own_sources, enumerate(participants)))
    own = roster.self_id(scenario)
    for kind, data in collections(scenario):
        message = MEET.decode(kind, data)
        users = message.f2.f2.f2 if kind == "Sync" else message.f1.f2.f13.f1.f2
        for user in users:
            assert (uuid.UUID(user.f7).version == 4) if user.f1 == own else user.f7 == ""
        if kind == "Collections":
            assert all(output.HasField("f10") for output in message.f1.f2.f3.f2)


@given(st.lists(PARTICIPANTS, max_size=4))
def test_a_strict_decoder_reads_every_announcement_and_each_stream_is_announced_once(
    participants: list[Participant],
) -> None:
    scenario = meeting(*itertools.starmap(with_own_sources, enumerate(participants)))
    sent: Sequence[roster.Member] = []
    owners: list[tuple[int, str]] = []
    for when in roster.change_times(scenario):
        known = roster.members(scenario, when, 0.0)
        if streams := roster.new_streams(sent, known):
            frame = MEET.decode("Frame", channels.announcement(1, streams))
            message = MEET.decode("Dcrpc", gzip.decompress(frame.f2) if frame.f2 else frame.f1)
            assert message.f1 == 1
            for stream in message.f5.f4:
                assert stream.f4 in ("video", *map(str, stream.f8.f1))
                owners += [(ssrc, stream.f6) for ssrc in stream.f8.f1]
        sent = known
    audio = [(csrc, member.device_id) for member in sent for csrc in member.csrcs]
    assert set(audio) <= set(owners)
    assert len(set(owners)) == len(owners)


def test_only_long_announcements_are_compressed() -> None:
    few = channels.announcement(1, [channels.Stream("7", "spaces/x/devices/1", (7,))])
    many = channels.announcement(2, [channels.Stream("7", f"spaces/x/devices/{n}", (7,)) for n in range(9)])
    assert MEET.decode("Frame", few).f2 == b""
    frame = MEET.decode("Frame", many)
    assert frame.f1 == b""
    assert len(MEET.decode("Dcrpc", gzip.decompress(frame.f2)).f5.f4) == 9


def test_a_strict_decoder_reads_every_caption_which_grows_until_it_is_final() -> None:
    said = channels.Utterance("spaces/x/devices/1", 2.0, 4.0)
    sent = list(channels.captions(7, said))
    captions = [MEET.decode("Captions", data).f1 for _, _, data in sent]
    assert {(caption.f1, caption.f2) for caption in captions} == {(said.device_id, 7)}
    assert [caption.f3 for caption in captions] == list(range(1, 6))
    assert [caption.f4 for caption in captions] == [False] * 4 + [True]
    assert [text for _, text, _ in sent] == [caption.f6 for caption in captions]
    assert all(later.f6.startswith(f"{earlier.f6} ") for earlier, later in itertools.pairwise(captions))
    assert [at for at, _, _ in sent] == sorted(at for at, _, _ in sent)
    assert all(at > said.start for at, _, _ in sent)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"\x18\x01", AssertionError), (b"\x08\x01", AssertionError), (b"\x0a\x05abc", DecodeError)],
    ids=["unknown field", "wire type", "broken"],
)
def test_the_strict_decoder_refuses_what_is_not_in_the_schema(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        MEET.decode("Collections", data)


PRESENTING = Participant(
    name="Ben", voice="nuno", csrc=1002, leaves=40.0, presents=[(10.0, 20.0), (30.0, 50.0)]
)


def test_a_presentation_is_a_device_of_its_own_without_sound() -> None:
    scenario = meeting(Participant(name="Ada", voice="elif", csrc=1001), PRESENTING)
    assert {10.0, 20.0, 30.0} <= set(roster.change_times(scenario))
    ada, ben, screen = roster.members(scenario, 15.0, 0.0)
    assert (screen.presenter, screen.name, screen.csrcs) == (ben.device_id, "Ben", ())
    others = {ada.device_id, ben.device_id, roster.self_id(scenario)}
    update = MEET.decode("Collections", roster.collections_update([ada, ben], [ada, ben, screen]) or b"")
    (user,) = update.f1.f2.f13.f1.f2
    (output,) = update.f1.f2.f3.f2
    assert user.f21 == ben.device_id
    assert user.f1 == output.f6 not in others
    assert (output.f2, output.f10.f1) == (2, False)
    *_, tile = roster.tiles([ada, ben, screen])
    assert (tile.presents, tile.participant_id) == (True, screen.device_id)
    assert tile.media_id != tile.participant_id
    assert len(roster.tiles(roster.members(scenario, 25.0, 0.0))) == 2
    later = roster.members(scenario, 35.0, 0.0)
    assert len({member.device_id for member in later}) == 4
    assert [tile.presents for tile in roster.tiles(roster.members(scenario, 45.0, 0.0))] == [False]
    assert roster.new_streams([ada, ben], [ada, ben, screen])[0].label == "video"
    assert msgspec.to_builtins(tile)["mediaId"] == tile.media_id
