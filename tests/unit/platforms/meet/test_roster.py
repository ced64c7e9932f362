"""Raw roster messages of Google Meet, valid and invalid, are decoded into a roster."""

from __future__ import annotations

import base64
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.meet_wire import device, field, listed, message, nested, output, user
from worker.lifecycle.presence import people
from worker.platforms.meet.compression import MAX_MESSAGE_BYTES
from worker.platforms.meet.roster import MAX_DEVICES, MeetRosterDecoder
from worker.reasons import Reason
from worker.roster.roster import Evidence, Status
from worker.tape.events import ChannelMessage, DocumentClosed, RosterResponse, Tile, TilesSeen

RPC = "https://meet.google.com/$rpc/google.rtc.meetings.v1.MeetingSpaceService/SyncMeetingSpaceCollections"


def collections(data: bytes, label: str = "collections") -> ChannelMessage:
    return ChannelMessage(at=0, document=1, connection=0, label=label, payload=data)


def response(data: bytes) -> RosterResponse:
    return RosterResponse(at=0, document=1, url=RPC, payload=data)


def tiles(*seen: Tile) -> TilesSeen:
    return TilesSeen(at=0, document=1, tiles=list(seen))


def observed(*events: ChannelMessage | RosterResponse | TilesSeen | DocumentClosed) -> MeetRosterDecoder:
    decoder = MeetRosterDecoder()
    for event in events:
        decoder.observe(event)
    return decoder


@pytest.mark.parametrize("pack", [bytes, zlib.compress, gzip.compress], ids=["plain", "zlib", "gzip"])
def test_collections_give_a_device_its_name_and_its_source(pack: type[bytes]) -> None:
    data = listed(user(1, "Ada Lovelace", (4, 1), (29, "Ada"), (34, 1))) + output(1, "1234567")
    roster = observed(collections(pack(data))).roster()
    ada = roster.owner(1234567)
    assert ada is not None
    assert (ada.name, ada.full_name, ada.display_name) == ("Ada Lovelace", "Ada Lovelace", "Ada")
    assert (ada.device_id, ada.is_host, ada.is_us, ada.status) == (device(1), True, False, Status.IN)
    assert roster.sources[1234567].evidence == (Evidence.COLLECTIONS,)
    assert not roster.sources[1234567].contested


@pytest.mark.parametrize(
    ("code", "status"), [(1, Status.IN), (6, Status.OUT), (7, Status.REMOVED), (3, Status.UNKNOWN)]
)
def test_status_follows_its_code(code: int, status: Status) -> None:
    decoder = observed(collections(listed(user(1, "Ada", (4, code)))))
    assert decoder.roster().devices[device(1)].status is status


@pytest.mark.parametrize("present", ["yes", "", b"\x08\x01", 1], ids=["text", "empty", "message", "varint"])
def test_the_presence_of_field_7_marks_our_own_device(present: str | bytes | int) -> None:
    roster = observed(collections(listed(user(1, "Bot", (4, 1), (7, present))))).roster()
    assert roster.us == roster.devices[device(1)]
    assert roster.others_present == []


@pytest.mark.parametrize(
    ("state", "muted"), [(field(1, 1), True), (field(1, 0), False), (b"", False)], ids=["on", "off", "empty"]
)
def test_field_10_says_whether_a_device_is_muted(state: bytes, muted: bool) -> None:
    update = nested("1.2.3.2", message((2, 1), (4, "100"), (6, device(1)), (10, state)))
    decoder = observed(collections(output(1, "100")))
    assert decoder.roster().devices[device(1)].muted is None
    decoder.observe(collections(update))
    decoder.observe(collections(output(1, "100")))
    assert decoder.roster().devices[device(1)].muted is muted


def test_a_muted_camera_does_not_mute_the_device() -> None:
    video = nested("1.2.3.2", message((2, 2), (4, "77"), (6, device(1)), (10, field(1, 1))))
    assert observed(collections(output(1, "100") + video)).roster().devices[device(1)].muted is None


@pytest.mark.parametrize("named_first", [True, False])
@pytest.mark.parametrize(
    ("state", "camera"), [(field(1, 1), False), (field(1, 0), True), (b"", True), (None, None)]
)
def test_field_10_of_a_video_output_says_whether_the_camera_is_on(
    state: bytes | None, camera: bool | None, named_first: bool
) -> None:
    states = [] if state is None else [(10, state)]
    video = nested("1.2.3.2", message((2, 2), (4, "77"), (6, device(1)), *states))
    named = listed(user(1, "Ada", (4, 1)))
    decoder = (
        observed(collections(named), collections(video))
        if named_first
        else observed(collections(video + named))
    )
    assert decoder.roster().devices[device(1)].camera is camera


def test_a_camera_alone_brings_nobody_into_the_call() -> None:
    video = nested("1.2.3.2", message((2, 2), (4, "77"), (6, device(1)), (10, field(1, 0))))
    assert observed(collections(video)).roster().devices == {}


def test_our_own_removal_ends_the_call() -> None:
    us, ada = user(1, "Bot", (4, 1), (7, "")), user(2, "Ada", (4, 7))
    decoder = observed(collections(listed(us) + listed(ada)))
    assert decoder.roster().over is None
    decoder.observe(collections(listed(message((1, device(1)), (4, 7)))))
    over = decoder.roster().over
    assert over is not None
    assert (over.reason, over.evidence) == (Reason.REMOVED, ("roster.own_status_removed",))
    decoder.observe(collections(listed(message((1, device(1)), (4, 1)))))
    assert decoder.roster().over is None


@pytest.mark.parametrize(
    ("after", "status"), [(0.5, Status.REMOVED), (4.9, Status.REMOVED), (5.1, Status.IN)]
)
def test_a_late_answer_brings_no_participant_back_into_the_call(after: float, status: Status) -> None:
    removed = collections(listed(user(1, "Bot", (4, 7), (7, "x"))))
    answer = response(base64.b64encode(nested("2.2.2", user(1, "Bot", (4, 1), (7, "x")))))
    roster = observed(replace(removed, at=100.0), replace(answer, at=100.0 + after)).roster()
    assert roster.devices[device(1)].status is status
    pushed = collections(listed(user(1, "Bot", (4, 1), (7, "x"))))
    back = observed(replace(removed, at=100.0), replace(pushed, at=100.1), replace(answer, at=100.2)).roster()
    assert back.devices[device(1)].status is Status.IN


def test_updates_accumulate_and_names_stay_after_leaving() -> None:
    decoder = observed(
        collections(output(1, "100")),
        collections(listed(user(1, "Ada", (4, 1)))),
        collections(listed(message((1, device(1)), (4, 6)))),
        collections(output(1, "200")),
    )
    roster = decoder.roster()
    assert roster.devices[device(1)].name == "Ada"
    assert roster.devices[device(1)].status is Status.OUT
    assert {source: owner.device_id for source, owner in roster.sources.items()} == {
        100: device(1),
        200: device(1),
    }


def test_a_screen_share_has_a_parent() -> None:
    decoder = observed(collections(listed(user(2, "Ada", (4, 1), (21, device(1))))))
    assert decoder.roster().devices[device(2)].parent_id == device(1)
    assert decoder.roster().others_present == []


def test_video_outputs_and_the_loudest_marker_are_no_sources() -> None:
    decoder = observed(
        collections(output(1, "77", kind=2) + output(2, "42") + output(3, "0") + output(4, "4294967296"))
    )
    assert decoder.roster().sources == {}
    assert output(1, "77", kind=2) and decoder.undecodable == 0


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_a_roster_response_names_users(encode: type[bytes]) -> None:
    name = "Ünïcødé ÿþ?>~"  # its base64 needs both special characters of each alphabet
    body = nested("2.2.2", user(1, name, (4, 1))) + nested("2.2.2", user(2, "Bob"))
    roster = observed(response(encode(body))).roster()
    assert roster.devices[device(1)].name == name
    assert roster.devices[device(1)].name_evidence is Evidence.RPC
    assert roster.devices[device(2)].name == "Bob"


def test_tiles_give_names_and_sources_but_phantom_tiles_do_not() -> None:
    roster = observed(
        tiles(
            Tile(participant_id=device(1), name="Ada", sources=["100", "nonsense", "42"]),
            Tile(participant_id="visual_effects", name="Effects", sources=["200"]),
        )
    ).roster()
    assert roster.devices[device(1)].name == "Ada"
    assert list(roster.sources) == [100]
    assert roster.sources[100].evidence == (Evidence.TILES,)


def test_a_waiting_participant_is_not_in_the_call_until_a_tile_or_a_message_shows_it() -> None:
    waiting = Tile(participant_id=device(1), name="Ada", sources=[], listed_in="Waiting to join")
    decoder = observed(tiles(waiting))
    assert decoder.roster().devices[device(1)].status is Status.WAITING
    decoder.observe(tiles(Tile(participant_id=device(1), name="Ada", sources=[])))
    assert decoder.roster().devices[device(1)].status is Status.UNKNOWN
    told = observed(collections(listed(user(1, "Ada", (4, 1)))), tiles(waiting)).roster()
    assert told.devices[device(1)].status is Status.IN


ADA = Tile(participant_id=device(1), name="Ada", sources=[])
SHARE = Tile(participant_id=device(9), name="Ada (Presentation)", sources=[])


def test_a_presentation_that_only_tiles_show_belongs_to_its_presenter() -> None:
    roster = observed(tiles(ADA, SHARE)).roster()
    assert roster.devices[device(9)].parent_id == device(1)
    assert roster.devices[device(1)].parent_id is None
    assert [each.name for each in people(roster, "Notes")] == ["Ada"]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [listed(user(1, "Ada", (4, 6)))],
        [listed(user(1, "Ada")), listed(user(9, "Ada (Presentation)", (4, 1)))],
    ],
    ids=["no presenter", "presenter left", "a person of that name"],
)
def test_a_presentation_without_its_presenter_is_a_person(messages: list[bytes]) -> None:
    roster = observed(tiles(SHARE), *map(collections, messages)).roster()
    assert roster.devices[device(9)].parent_id is None
    assert "Ada (Presentation)" in [each.name for each in people(roster, "Notes")]


def test_stronger_evidence_wins_and_a_contradiction_is_marked() -> None:
    decoder = observed(
        collections(output(1, "100") + listed(user(1, "Ada Lovelace"))),
        response(base64.b64encode(nested("2.2.2", user(1, "Ada L.")))),
        tiles(Tile(participant_id=device(2), name="Bob", sources=["100"])),
        tiles(Tile(participant_id=device(1), name="You", sources=[])),
    )
    owner = decoder.roster().sources[100]
    assert (owner.device_id, owner.evidence, owner.contested) == (device(1), (Evidence.COLLECTIONS,), True)
    assert decoder.roster().devices[device(1)].name == "Ada Lovelace"


def test_agreeing_evidence_is_listed_strongest_first() -> None:
    decoder = observed(
        tiles(Tile(participant_id=device(1), name="Ada", sources=["100"])),
        collections(output(1, "100")),
    )
    owner = decoder.roster().sources[100]
    assert (owner.evidence, owner.contested) == ((Evidence.COLLECTIONS, Evidence.TILES), False)


def test_a_changed_schema_is_harvested() -> None:
    data = nested("5.7.9", message((2, 1), (4, "555"), (6, device(9)))) + nested(
        "8.8", message((1, device(9)), (29, "Grace Hopper"))
    )
    decoder = observed(collections(zlib.compress(data)))
    owner = decoder.roster().owner(555)
    assert owner is not None and owner.name == "Grace Hopper"
    assert decoder.roster().sources[555].evidence == (Evidence.COLLECTIONS,)
    assert (decoder.harvested, decoder.undecodable) == (1, 0)


def test_sources_are_harvested_where_only_their_field_changed() -> None:
    data = listed(user(1, "Ada")) + nested("1.2.44", message((4, "555"), (6, device(1))))
    owner = observed(collections(data)).roster().owner(555)
    assert owner is not None and owner.name == "Ada"


def test_invalid_text_in_a_known_field_is_harvested() -> None:
    decoder = observed(collections(listed(message((1, device(1)), (2, b"Ad\xff")))))
    assert decoder.roster().devices[device(1)].name == "Ad\ufffd"


def packed_in_frame(data: bytes) -> bytes:
    return field(2, gzip.compress(data))


@pytest.mark.parametrize(
    "pack",
    [bytes, zlib.compress, gzip.compress, packed_in_frame],
    ids=["plain", "zlib", "gzip", "gzip in a frame"],
)
@pytest.mark.parametrize("label", ["dcrpc", "media-director", "anything"])
def test_any_channel_may_bring_sources_and_users(label: str, pack: Callable[[bytes], bytes]) -> None:
    announced = nested("3.1", message((4, "555"), (6, device(9)), (8, b"\x0a\x1a")))
    data = pack(announced + nested("7.2", user(9, "Grace Hopper", (4, 1))))
    decoder = observed(collections(data, label=label))
    owner = decoder.roster().owner(555)
    assert owner is not None
    assert (owner.name, owner.name_evidence) == ("Grace Hopper", Evidence.CHANNELS)
    assert decoder.roster().sources[555].evidence == (Evidence.CHANNELS,)
    assert (owner.status, decoder.undecodable, decoder.harvested) == (Status.UNKNOWN, 0, 0)


CHAT_SENT = (
    "0a310a2f08011a2b0a29122718aa96a684fa332a1c0a1a70726f6265206d6573736167652066726f6d2074686520626f743001"
)
ALLOCATION = "0a16" + "0a14080112100a0608800a10d0051a0608800f10b808"


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex(CHAT_SENT),
        bytes.fromhex(ALLOCATION),
        message((1, device(1)), (2, "c-17"), (3, 1), (6, "well, hello"), (8, 1)),
        message((1, device(1)), (2, "spaces/x/messages/1"), (5, field(1, "hello"))),
        message((1, device(1)), (2, 7), (6, "caption")),
        b"not protobuf",
        b"",
        field(2, b"\x1f\x8bbroken"),
        field(2, gzip.compress(b"")),
    ],
    ids=["chat", "allocation", "caption", "message", "caption id", "text", "empty", "no gzip", "empty gzip"],
)
def test_what_is_no_roster_fact_on_another_channel_is_ignored(data: bytes) -> None:
    decoder = observed(collections(data, label="other"))
    assert decoder.roster().devices == {} and decoder.undecodable == 0


def test_another_channel_neither_removes_us_nor_outranks_the_roster() -> None:
    ours = collections(listed(user(1, "Bot", (4, 1), (7, "x"))) + output(1, "100"))
    told = listed(user(1, "Somebody", (4, 7), (7, "x"))) + output(2, "100")
    roster = observed(ours, collections(told, label="dcrpc")).roster()
    assert roster.over is None
    assert roster.devices[device(1)].name == "Bot"
    assert roster.sources[100].device_id == device(1)


def whole(*users: bytes) -> RosterResponse:
    return response(base64.b64encode(b"".join(nested("2.2.2", each) for each in users)))


BOT_IN, ADA_IN, BEN_IN = (user(1, "Bot", (4, 1), (7, "x")), user(2, "Ada", (4, 1)), user(3, "Ben", (4, 1)))


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([(0.0, [BOT_IN, BEN_IN])], Status.IN),
        ([(0.0, [BOT_IN, BEN_IN]), (9.0, [BOT_IN, BEN_IN])], Status.IN),
        ([(0.0, [BOT_IN, BEN_IN]), (10.0, [BOT_IN, BEN_IN])], Status.OUT),
        (
            [
                (0.0, [BOT_IN, BEN_IN]),
                (5.0, [BOT_IN, ADA_IN, BEN_IN]),
                (10.0, [BOT_IN, BEN_IN]),
                (15.0, [BOT_IN, BEN_IN]),
            ],
            Status.IN,
        ),
        ([(0.0, [BEN_IN]), (10.0, [BEN_IN]), (20.0, [])], Status.IN),
    ],
    ids=["one answer", "too soon", "two answers", "back in between", "updates, not lists"],
)
def test_a_participant_missing_in_whole_lists_has_left(
    answers: list[tuple[float, list[bytes]]], status: Status
) -> None:
    before = collections(listed(BOT_IN) + listed(ADA_IN) + listed(BEN_IN))
    decoder = observed(before, *(replace(whole(*users), at=at) for at, users in answers))
    assert decoder.roster().devices[device(2)].status is status
    assert decoder.roster().devices[device(3)].status is Status.IN
    assert decoder.roster().devices[device(1)].status is Status.IN


def test_a_tile_or_a_message_keeps_a_participant_whom_the_lists_lack() -> None:
    before = collections(listed(BOT_IN) + listed(ADA_IN))
    shown = replace(tiles(Tile(participant_id=device(2), name="Ada", sources=[])), at=5.0)
    told = replace(collections(listed(ADA_IN)), at=5.0)
    for evidence in (shown, told):
        decoder = observed(before, whole(BOT_IN), evidence, replace(whole(BOT_IN), at=10.0))
        assert decoder.roster().devices[device(2)].status is Status.IN


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xff\xff", b"\x1f\x8b\x08broken", b"\x78\x9c\xff\xff", zlib.compress(b"\xff" * 9)],
)
def test_invalid_messages_are_counted(payload: bytes) -> None:
    assert observed(collections(payload)).undecodable == 1


def test_a_decompression_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(64 * MAX_MESSAGE_BYTES))
    tracemalloc.start()
    decoder = observed(collections(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoder.undecodable == 1
    assert peak < 4 * MAX_MESSAGE_BYTES


def test_deep_and_wide_messages_are_read_within_seconds() -> None:
    deep = b""
    for _ in range(5_000):
        deep = field(1, deep)
    wide = message((6, device(1))) + field(3, b"\x08\x01" * 400_000)
    begun = time.perf_counter()
    observed(collections(deep), collections(wide), collections(b"\x08\x01" * 900_000))
    assert time.perf_counter() - begun < 30


def test_the_number_of_devices_is_bounded() -> None:
    decoder = MeetRosterDecoder()
    for number in range(MAX_DEVICES + 10):
        decoder.observe(tiles(Tile(participant_id=device(number), name="x", sources=[str(1000 + number)])))
    assert len(decoder.roster().devices) == MAX_DEVICES
    assert len(decoder.roster().sources) == MAX_DEVICES


scalars = st.one_of(st.integers(0, 2**64 - 1), st.text(max_size=30), st.binary(max_size=30))
messages = st.recursive(
    st.lists(st.tuples(st.integers(1, 40), scalars), max_size=5).map(lambda fields: message(*fields)),
    lambda inner: st.lists(st.tuples(st.sampled_from([1, 2, 3, 13, 21, 29, 34]), inner), max_size=4).map(
        lambda fields: message(*fields)
    ),
    max_leaves=12,
)


@given(
    st.one_of(st.binary(max_size=300), messages, messages.map(zlib.compress), messages.map(base64.b64encode))
)
def test_no_payload_raises(payload: bytes) -> None:
    observed(collections(payload), collections(payload, label="dcrpc"), response(payload)).roster()


@given(st.text(max_size=60), st.text(max_size=60), st.lists(st.text(max_size=12), max_size=3))
def test_no_tile_raises(participant_id: str, name: str, sources: list[str]) -> None:
    observed(tiles(Tile(participant_id=participant_id, name=name, sources=sources))).roster()


@given(st.data())
def test_no_cut_or_bit_flip_raises_or_invents_a_source(data: st.DataObject) -> None:
    whole = listed(user(1, "Ada", (4, 1))) + output(1, "1234567")
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    observed(collections(bytes(flipped))).roster()
    cut = observed(collections(whole[:at])).roster()
    assert set(cut.sources) <= {1234567}


CLOSED = DocumentClosed(at=9, document=1)


def test_a_closed_document_takes_presence_with_it_and_leaves_names_and_sources() -> None:
    ada = listed(user(1, "Ada", (4, 1))) + output(1, "1234567")
    ours = listed(user(2, "Notes", (4, 1), (7, "x")))
    left = listed(user(3, "Ben", (4, 6)))
    roster = observed(collections(ada), collections(ours), collections(left), CLOSED).roster()
    owner = roster.owner(1234567)
    assert owner is not None
    assert (owner.name, owner.status) == ("Ada", Status.UNKNOWN)
    assert roster.us is not None
    assert roster.us.status is Status.OUT, "we are not in the call of a page that is gone"
    assert roster.devices[device(3)].status is Status.OUT


def test_a_removal_outlasts_the_document_that_received_it() -> None:
    removed = observed(collections(listed(user(2, "Notes", (4, 7), (7, "x")))), CLOSED).roster()
    assert removed.over is not None
    assert removed.over.reason is Reason.REMOVED


def test_facts_that_another_document_received_stay() -> None:
    ada = ChannelMessage(
        at=0, document=2, connection=0, label="collections", payload=listed(user(1, "Ada", (4, 1)))
    )
    assert observed(ada, CLOSED).roster().devices[device(1)].status is Status.IN
    assert (
        observed(collections(listed(user(1, "Ada", (4, 1)))), ada, CLOSED).roster().devices[device(1)].status
        is Status.IN
    )


def test_our_device_is_the_one_in_the_call_after_a_reload() -> None:
    before = collections(listed(user(2, "Notes", (4, 1), (7, "x"))))
    after = ChannelMessage(
        at=0,
        document=2,
        connection=0,
        label="collections",
        payload=listed(user(5, "Notes", (4, 1), (7, "x"))),
    )
    us = observed(before, CLOSED, after).roster().us
    assert us is not None
    assert (us.device_id, us.status) == (device(5), Status.IN)
