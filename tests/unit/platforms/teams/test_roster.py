"""Raw roster messages of Microsoft Teams, valid and invalid, are decoded into a roster."""

from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.captured_frames import (
    RECORDER,
    conversation_end,
    conversation_update,
    participant,
    roster_update,
    source,
)
from tests.support.teams_wire import (
    BOT,
    begun,
    ended,
    frame,
    identity,
    leg_ended,
    listed,
    objects,
    person,
    roster,
)
from worker.platforms.teams.call_facts import MAX_DEVICES
from worker.platforms.teams.roster import MAX_CALLS, TeamsRosterDecoder
from worker.platforms.teams.trouter import MAX_FRAME_BYTES, read_frame
from worker.reasons import Reason
from worker.roster.roster import Evidence, Status
from worker.tape.events import DocumentClosed, PageObjects, RosterResponse, SocketMessage, TapeEvent


def observed(*events: TapeEvent) -> TeamsRosterDecoder:
    teams = TeamsRosterDecoder()
    teams.observe(begun())
    for event in events:
        teams.observe(event)
    return teams


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


def same(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, raw_deflate, same])
def test_a_frame_gives_a_participant_its_name_and_its_source(pack: Callable[[bytes], bytes]) -> None:
    body = {"participants": {identity(1): person(1, "Ada", source=414, role="organizer")}}
    data = base64.b64encode(pack(json.dumps(body).encode())).decode()
    teams = observed(frame("/x/rosterUpdate/", data))
    ada = teams.roster().owner(414)
    assert ada is not None
    assert (ada.name, ada.device_id, ada.status, ada.is_host) == ("Ada", identity(1), Status.IN, True)
    assert (ada.name_evidence, ada.muted, ada.is_us) == (Evidence.FRAMES, False, False)
    assert teams.roster().sources[414].evidence == (Evidence.FRAMES,)
    assert teams.undecodable == 0


def test_half_a_surrogate_pair_does_not_break_the_roster() -> None:
    teams = observed(roster(person(1, "Ada\ud83d"), person(2, "Bob")))
    assert [each.name for each in teams.roster().devices.values()] == ["Ada?", "Bob"]
    msgspec.json.encode(teams.roster())


@pytest.mark.parametrize("pack", [lambda body: body, json.dumps])
def test_a_body_may_be_uncompressed(pack: Callable[[object], object]) -> None:
    body = {"participants": {identity(1): person(1, "Ada", source=414)}}
    owner = observed(frame("https://host/rosterUpdate?x=1", pack(body))).roster().owner(414)
    assert owner is not None and owner.name == "Ada"


def test_partial_entries_accumulate_and_names_stay_after_leaving() -> None:
    teams = observed(
        roster(person(1, source=414, state=None)),
        roster(person(1, "Ada")),
        roster(person(1, state="inactive")),
        roster(person(1, source=500, direction="recvonly", state=None)),
    )
    known = teams.roster()
    ada = known.devices[identity(1)]
    assert (ada.name, ada.status, ada.muted) == ("Ada", Status.OUT, True)
    assert {source: owner.device_id for source, owner in known.sources.items()} == {
        414: identity(1),
        500: identity(1),
    }


@pytest.mark.parametrize(
    "shown",
    [
        *(BOT, "notetaker ", "Notetaker (Guest)", "Notetaker (Unverified) (Guest)", "Notetaker (Gast)"),
        *(
            "Notetaker (Convidado(a))",
            "Notetaker\uff08\u30b2\u30b9\u30c8\uff09",
            "Notetaker [\u0433\u043e\u0441\u0442\u044c]",
        ),
    ],
)
def test_our_own_device_is_known_by_the_bots_name(shown: str) -> None:
    known = observed(roster(person(1, "Ada"), person(2, shown))).roster()
    assert known.us is not None and known.us.device_id == identity(2)
    assert [each.name for each in known.others_present] == ["Ada"]


def test_a_participant_in_the_lobby_is_not_in_the_call() -> None:
    teams = observed(
        roster(person(1, "Ada", source=201, places=["lobby"]), person(2, BOT, source=414, places=["lobby"]))
    )
    known = teams.roster()
    assert [each.status for each in known.devices.values()] == [Status.WAITING, Status.WAITING]
    assert known.us is not None
    teams.observe(roster(person(2, BOT, source=627, places=["lobby", "call"])))
    us = teams.roster().us
    assert us is not None
    assert us.status is Status.IN
    teams.observe(roster(person(2)))
    assert teams.roster().us == us
    assert teams.roster().others_present == []
    teams.observe(roster(person(1, state="inactive")))
    assert teams.roster().devices[identity(1)].status is Status.OUT


def names_of_us(teams: TeamsRosterDecoder) -> list[str | None]:
    return [each.name for each in teams.roster().devices.values() if each.is_us]


def test_our_own_id_has_precedence_over_every_name() -> None:
    account = person(2, "Company Account", source=627)
    namesake = person(3, BOT, source=840)
    teams = observed(roster(person(1, "Ada", source=201), account, namesake), objects(us=identity(2)))
    known = teams.roster()
    assert names_of_us(teams) == ["Company Account"]
    assert known.us is not None and known.us.status is Status.IN
    assert [each.name for each in known.others_present] == ["Ada", BOT]


def test_of_several_with_the_bots_name_one_is_the_bot() -> None:
    waited = person(4, BOT, source=201, places=["lobby"])
    entries = [person(2, BOT, source=414), person(3, BOT, source=627)]
    teams = observed(roster(person(1, "Ada"), *entries))
    assert len(names_of_us(teams)) == 1
    assert len(teams.roster().others_present) == 2
    teams = observed(roster(*entries), roster(waited), roster(person(4, source=840)))
    known = teams.roster()
    assert known.us is not None and known.us.device_id == identity(4)
    assert [each.device_id for each in known.others_present] == [identity(2), identity(3)]


def test_a_name_with_words_added_is_the_bots_only_where_nobody_has_its_name() -> None:
    teams = observed(roster(person(1, "Notetaker (HR)", source=201), person(2, BOT, source=414)))
    assert names_of_us(teams) == [BOT]
    assert [each.name for each in teams.roster().others_present] == ["Notetaker (HR)"]
    waited = person(1, "Notetaker (HR)", source=201, places=["lobby"])
    assert names_of_us(observed(roster(waited, person(2, BOT, source=414)))) == [BOT]
    assert names_of_us(observed(roster(person(1, "Notetaker HR"), person(2, "(Notetaker)")))) == []


def test_earlier_entries_of_a_reloaded_bot_stay_its_own() -> None:
    again = SocketMessage(
        at=10, document=2, url="", payload=roster(person(3, f"{BOT} (Guest)", source=627)).payload
    )
    teams = observed(roster(person(2, f"{BOT} (Guest)", source=414)), CLOSED, again)
    assert names_of_us(teams) == [f"{BOT} (Guest)"] * 2
    us = teams.roster().us
    assert us is not None and (us.device_id, us.status) == (identity(3), Status.IN)


@pytest.mark.parametrize(
    ("updates", "muted"),
    [
        ([{"source": 414}], False),
        ([{"source": 414, "muted": True}], True),
        ([{"source": 414, "muted": False}], False),
        ([{"source": 414, "by_others": True}], True),
        ([{"source": 414, "by_others": True, "muted": False}], True),
        ([{"source": 414, "direction": "recvonly"}], True),
        ([{"muted": True}], True),
        ([{"source": 414, "muted": True}, {"muted": False}], False),
        ([{"source": 414}, {"muted": True}, {"source": 414}], True),
        ([{"source": 414, "muted": True}, {}], True),
        ([{}], None),
    ],
)
def test_mute_is_what_the_client_or_an_organizer_says(
    updates: list[dict[str, Any]], muted: bool | None
) -> None:
    teams = observed(*(roster(person(1, "Ada", **update)) for update in updates))
    assert teams.roster().devices[identity(1)].muted is muted


def test_a_participant_muted_on_one_of_two_endpoints_is_not_muted() -> None:
    ada = person(1, "Ada", source=414, muted=True)
    ada["endpoints"]["e2"] = person(1, source=627, muted=False)["endpoints"]["e1"]
    assert observed(roster(ada)).roster().devices[identity(1)].muted is False


def test_cameras_and_screens_are_on_while_their_streams_send() -> None:
    def showing(*streams: tuple[str, str], endpoint: str = "e1") -> TapeEvent:
        ada = person(1, "Ada", source=414)
        media = [{"type": kind, "direction": direction, "sourceId": 1} for kind, direction in streams]
        ada["endpoints"] = {endpoint: {"call": {"mediaStreams": media}}}
        return roster(ada)

    teams = observed()

    def after(event: TapeEvent) -> tuple[bool | None, bool | None]:
        teams.observe(event)
        ada = teams.roster().devices[identity(1)]
        return ada.camera, ada.shares

    assert after(showing(("audio", "sendrecv"))) == (None, None)
    assert after(showing(("video", "recvonly"))) == (False, None)
    assert after(showing(("video", "sendrecv"), ("applicationsharing-video", "inactive"))) == (True, False)
    assert after(showing(("applicationsharing-video", "sendonly"))) == (True, True)
    assert after(showing(("audio", "sendrecv"))) == (True, True)
    assert after(showing(("video", "sideways"), ("data", "sendrecv"))) == (True, True)
    assert after(showing(("Video", "inactive"), ("applicationsharing-video", "recvonly"))) == (False, False)


EVERYBODY = listed(person(1, "Ada", source=201), person(2, BOT, source=414), person(3, "Bob", source=627))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_late_joiner_learns_of_the_others_from_the_list(order: tuple[int, ...]) -> None:
    events: list[TapeEvent] = [roster(person(2, BOT, source=414)), EVERYBODY]
    teams = observed(*(events[each] for each in order))
    known = teams.roster()
    assert [each.name for each in known.others_present] == ["Ada", "Bob"]
    owner = known.owner(627)
    assert owner is not None and owner.name == "Bob"
    assert teams.undecodable == 0


def test_a_list_of_another_call_is_ignored() -> None:
    strangers = listed(person(8, "Stranger", source=201), person(9, "Another"))
    teams = observed(strangers, roster(person(2, BOT, source=414)), *[strangers] * 9, EVERYBODY)
    assert [each.name for each in teams.roster().others_present] == ["Ada", "Bob"]


def test_a_list_that_was_overtaken_changes_nothing_and_whom_it_lacks_stays() -> None:
    left = person(1, "Ada", state="inactive", version=5)
    here = person(4, "Cid", source=840, version=1)
    older = listed(person(1, "Ada", source=201, version=4), person(2, BOT, source=414, version=1))
    teams = observed(roster(left, here, person(2, BOT, source=414, version=1)), older)
    assert [each.name for each in teams.roster().others_present] == ["Cid"]


def test_the_end_of_a_connection_ends_the_call_until_the_roster_shows_us_again() -> None:
    us = roster(person(2, BOT, source=414))
    teams = observed(us, leg_ended(5300, "removed\nby a person"))
    over = teams.roster().over
    assert over is not None
    assert (over.reason, over.evidence) == (Reason.REMOVED, ("frames.call_end.5300",))
    assert over.detail.endswith("the call ended: sub-code 5300 (removed by a person)")
    teams.observe(roster(person(1, "Ada", source=201)))
    assert teams.roster().over == over
    teams.observe(us)
    assert teams.roster().over is None
    teams.observe(leg_ended(0))
    teams.observe(ended(5300))
    over = teams.roster().over
    assert over is not None and over.reason is Reason.REMOVED
    teams.observe(us)
    assert teams.roster().over == over


def test_only_an_endpoint_in_the_call_shows_the_bot_in_the_call() -> None:
    us = {"id": identity(2), "name": BOT, "state": "active", "sources": [201]}
    for evidence in (roster(person(2, BOT)), objects(us)):
        known = observed(evidence).roster()
        assert known.us is not None and known.us.status is Status.UNKNOWN
    waiting = observed(objects(us), roster(person(2, BOT, source=201, places=["lobby"])))
    us_waiting = waiting.roster().us
    assert us_waiting is not None and us_waiting.status is Status.WAITING
    malformed: object
    for malformed in (None, 7, []):
        entry = person(2, BOT, source=414)
        entry["endpoints"]["e1"]["call"] = malformed
        us_again = observed(roster(entry)).roster().us
        assert us_again is not None and us_again.status is Status.UNKNOWN


def test_a_participant_who_left_and_comes_back_waits_anew() -> None:
    teams = observed(
        roster(person(1, "Ada", source=414)),
        roster(person(1, state="inactive")),
        roster(person(1, source=201, places=["lobby"])),
    )
    assert teams.roster().devices[identity(1)].status is Status.WAITING
    here, gone, back = person(2, BOT, source=414), person(2, state="inactive"), person(2)
    us = observed(*map(roster, (here, gone, back))).roster().us
    assert us is not None and us.status is Status.UNKNOWN


def test_the_lobbys_sources_belong_to_nobody() -> None:
    waiting = roster(
        person(2, BOT, source=201, places=["lobby"]), person(3, "Eve", source=414, places=["lobby"])
    )
    admitted = roster(person(1, "Ada", source=201), person(2, BOT, source=414, places=["lobby", "call"]))
    known = observed(waiting, admitted).roster()
    assert {source: owner.device_id for source, owner in known.sources.items()} == {
        201: identity(1),
        414: identity(2),
    }
    assert not any(owner.contested for owner in known.sources.values())
    assert [each.name for each in known.others_present] == ["Ada"]


def application(name: str | None, *, hidden: bool = False) -> dict[str, Any]:
    entry = person(0, name, source=840, direction="recvonly", hidden=hidden)
    return {**entry, "details": {**entry["details"], "id": "28:bdd75849", "displayName": name}}


def test_teams_own_recorder_is_no_participant_and_a_bot_with_a_name_is_one() -> None:
    hidden_person = person(3, "Recorder", source=627, hidden=True)
    teams = observed(
        roster(person(1, "Ada", source=201), application(None), hidden_person),
        objects({"id": "28:bdd75849", "sources": [840]}),
    )
    assert [each.name for each in teams.roster().others_present] == ["Ada"]
    teams = observed(roster(application("Acme Notetaker")), roster(application(None)))
    assert [each.name for each in teams.roster().others_present] == ["Acme Notetaker"]
    teams.observe(roster(application("Acme Notetaker", hidden=True)))
    assert teams.roster().others_present == []


def test_a_person_with_a_second_endpoint_that_is_hidden_stays_a_participant() -> None:
    ada = person(1, "Ada", source=201)
    ada["endpoints"]["e2"] = person(1, source=414, hidden=True)["endpoints"]["e1"]
    assert [each.name for each in observed(roster(ada)).roster().others_present] == ["Ada"]


def test_other_calls_are_ignored() -> None:
    teams = observed(
        roster(person(8, "Stranger", source=414), chain="other"),
        roster(person(1, "Ada", source=414), person(2, BOT), chain="ours"),
        roster(person(9, "Another", source=414), chain="other"),
        roster(person(3, "Bob", source=415), chain=None),
        ended(5000, chain="other"),
    )
    known = teams.roster()
    assert {each.name for each in known.devices.values()} == {"Ada", BOT, "Bob"}
    assert not known.sources[414].contested
    assert known.over is None


def test_our_call_changes_only_after_it_ended() -> None:
    here = roster(person(1, "Ada"), person(2, BOT), chain="ours")
    there = roster(person(8, "Stranger"), person(9, BOT), chain="other")
    assert identity(1) in observed(here, there).roster().devices
    moved = observed(here, ended(None, chain="ours"), there).roster()
    assert identity(8) in moved.devices and moved.over is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (5854, Reason.DENIED_BY_HOST),
        (5723, Reason.SIGN_IN_REQUIRED),
        (5000, Reason.REMOVED),
        (5300, Reason.REMOVED),
        (5002, Reason.MEETING_ENDED),
        (5003, Reason.MEETING_ENDED),
        (5013, Reason.MEETING_ENDED),
        (5205, Reason.MEETING_ENDED),
        (10037, Reason.MEETING_ENDED),
        (4507, Reason.MEETING_ENDED),
        (None, Reason.MEETING_ENDED),
    ],
)
def test_the_sub_code_gives_the_reason_of_the_end(code: int | None, reason: Reason) -> None:
    over = observed(ended(code)).roster().over
    assert over is not None and over.reason is reason
    assert over.evidence == (f"frames.conversation_end.{code or 'none'}",)
    assert observed(roster(person(1, BOT)), ended(code)).roster().over == over


def test_page_objects_replace_missing_frames() -> None:
    people: list[dict[str, Any]] = [
        {"id": identity(1), "name": "Ada", "state": "active", "role": "organizer", "sources": [414, "415"]},
        {"id": identity(2), "name": BOT, "state": "active"},
    ]
    known = observed(objects(*people)).roster()
    ada = known.owner(415)
    assert ada is not None
    assert (ada.name, ada.name_evidence, ada.is_host) == ("Ada", Evidence.OBJECTS, True)
    assert known.us is not None
    assert [each.name for each in known.others_present] == ["Ada"]


def test_page_objects_are_a_snapshot() -> None:
    ada, bob = {"id": identity(1), "name": "Ada"}, {"id": identity(2), "name": "Bob"}
    teams = observed(objects(ada, bob), objects(bob))
    assert [each.name for each in teams.roster().others_present] == ["Bob"]
    teams.observe(objects())
    assert [each.name for each in teams.roster().others_present] == ["Bob"]
    teams.observe(objects(ada, bob))
    assert len(teams.roster().others_present) == 2


def test_frames_have_precedence_over_objects_and_a_contradiction_is_marked() -> None:
    teams = observed(
        objects({"id": identity(2), "name": "Bob", "sources": [414]}, {"id": identity(1), "name": "A."}),
        roster(person(1, "Ada", source=414)),
    )
    known = teams.roster()
    owner = known.sources[414]
    assert (owner.device_id, owner.evidence, owner.contested) == (identity(1), (Evidence.FRAMES,), True)
    assert known.devices[identity(1)].name == "Ada"
    agreed = observed(
        roster(person(1, "Ada", source=414)), objects({"id": identity(1), "name": "Ada", "sources": [414]})
    )
    assert agreed.roster().sources[414].evidence == (Evidence.FRAMES, Evidence.OBJECTS)


def test_devices_and_calls_are_bounded() -> None:
    crowd = {f"p{number}": person(number, "x") for number in range(MAX_DEVICES + 5)}
    teams = observed(
        frame("/rosterUpdate/", {"participants": crowd}),
        *(roster(person(1, "x"), chain=f"chain {number}") for number in range(MAX_CALLS + 5)),
    )
    assert len(teams.roster().devices) == MAX_DEVICES
    assert read_frame(b"3:::" + b" " * MAX_FRAME_BYTES + b"{}") is None


def test_a_decompression_bomb_is_not_unpacked() -> None:
    bomb = base64.b64encode(zlib.compress(b" " * 200_000_000, 9)).decode()
    event = frame("/rosterUpdate/", bomb)
    tracemalloc.start()
    teams = observed(event)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert teams.undecodable == 1
    assert peak < 30_000_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
known = st.fixed_dictionaries(
    {},
    optional={
        "url": json_values
        | st.sampled_from(["/rosterUpdate/", "/conversation/conversationEnd/", "/call/end/"]),
        "headers": json_values | st.just({"X-Microsoft-Skype-Chain-ID": "c"}),
        "body": json_values
        | st.fixed_dictionaries(
            {},
            optional={
                "participants": json_values
                | st.dictionaries(
                    st.text(max_size=3),
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "details": json_values | st.fixed_dictionaries({"id": json_values}),
                            "state": json_values,
                            "meetingRole": json_values,
                            "endpoints": json_values
                            | st.just({"e": {"call": {"mediaStreams": [{"type": "audio"}, 7]}}}),
                        },
                    ),
                ),
                "subCode": json_values,
            },
        ),
    },
)


@given(message=known, junk=st.binary(max_size=60))
def test_no_message_raises(message: dict[str, Any], junk: bytes) -> None:
    text = json.dumps(message).encode()
    teams = observed(
        *(
            SocketMessage(at=0, document=1, url="", payload=each)
            for each in (b"3:::" + text, b"3:::" + junk, junk)
        ),
        PageObjects(at=0, document=1, origin="", payload=text),
        RosterResponse(at=0, document=1, url="", payload=text),
        RosterResponse(at=0, document=1, url="", payload=junk),
        PageObjects(at=0, document=1, origin="", payload=junk),
        objects({"id": identity(1), "name": message.get("url"), "sources": message.get("body")}),
    )
    teams.roster()


CLOSED = DocumentClosed(at=9, document=1)


def test_a_closed_document_takes_presence_with_it_and_leaves_names_and_sources() -> None:
    people = roster(person(1, "Ada", source=414), person(2, BOT), person(3, "Ben", state="inactive"))
    seen = observed(people, CLOSED).roster()
    owner = seen.owner(414)
    assert owner is not None
    assert (owner.name, owner.status) == ("Ada", Status.UNKNOWN)
    assert seen.us is not None
    assert seen.us.status is Status.OUT
    assert seen.devices[identity(3)].status is Status.OUT


def test_the_pages_objects_are_void_with_their_document() -> None:
    shown = objects({"id": identity(1), "name": "Ada", "state": "active", "role": "attendee", "sources": []})
    assert observed(shown).roster().devices[identity(1)].status is Status.IN
    assert observed(shown, CLOSED).roster().devices[identity(1)].status is Status.UNKNOWN
    assert observed(shown, DocumentClosed(at=9, document=2)).roster().devices[identity(1)].status is Status.IN


def test_an_end_outlasts_the_document_that_received_it() -> None:
    over = observed(roster(person(2, BOT)), ended(5000), CLOSED).roster().over
    assert over is not None
    assert over.reason is Reason.REMOVED


# Whole frames in the form of captured ones, with all that the decoder does not need.

STEMS = "8:teamsvisitor:1f0e"
HOLLY = "8:orgid:1d3b"
MO = "8:live:.cid.77aa"
HOLLY_IN_CALL = participant(HOLLY, "Holly", 0)
STEMS_WAITS = participant(STEMS, "Stems", 0, places=("lobby",))
STEMS_ADMITTED = participant(STEMS, "Stems", 1, places=("lobby", "call"), version=2)
STEMS_IN_CALL = participant(STEMS, "Stems", 1, version=3)


def after_captured(*messages: SocketMessage) -> TeamsRosterDecoder:
    """The decoder after these whole frames; each is understood."""
    decoder = TeamsRosterDecoder()
    decoder.observe(begun("Stems"))
    for message in messages:
        decoder.observe(message)
    assert decoder.undecodable == 0
    return decoder


def test_a_guest_waits_until_its_endpoint_is_in_the_call() -> None:
    waits = roster_update(1, STEMS_WAITS)
    us = after_captured(conversation_update(0), waits).roster().us
    assert us is not None and us.status is Status.WAITING
    for entry in (STEMS_ADMITTED, STEMS_IN_CALL):
        known = after_captured(waits, roster_update(2, HOLLY_IN_CALL, entry)).roster()
        assert known.us is not None and known.us.status is Status.IN
        assert [each.name for each in known.others_present] == ["Holly"]
        # The lobby had given the bot what is Holly's source in the meeting.
        assert {number: owner.device_id for number, owner in known.sources.items()} == {
            source(0): HOLLY,
            source(1): STEMS,
        }


@pytest.mark.parametrize("mutes", [[True], [True, False], [True, False, True]])
def test_a_client_says_that_it_is_muted_while_its_stream_stays_open(mutes: list[bool]) -> None:
    updates = [
        roster_update(number, participant(MO, "Mo", 2, muted=muted, version=number))
        for number, muted in enumerate(mutes, 1)
    ]
    assert after_captured(*updates).roster().devices[MO].muted is mutes[-1]


def test_the_services_recorder_is_nobody() -> None:
    recorder = participant(RECORDER, None, 3, hidden=True, direction="recvonly")
    known = after_captured(roster_update(1, HOLLY_IN_CALL, STEMS_IN_CALL, recorder)).roster()
    assert [each.name for each in known.others_present] == ["Holly"]


@pytest.mark.parametrize(
    ("sub_code", "by", "reason"),
    [
        (5002, None, Reason.MEETING_ENDED),
        (5003, HOLLY, Reason.MEETING_ENDED),
        (5300, HOLLY, Reason.REMOVED),
        (5854, None, Reason.DENIED_BY_HOST),
    ],
)
def test_an_end_is_told_by_its_own_sub_code(sub_code: int, by: str | None, reason: Reason) -> None:
    over = after_captured(
        roster_update(1, HOLLY_IN_CALL, STEMS_IN_CALL), conversation_end(2, sub_code, "All have left.", by)
    )
    ending = over.roster().over
    assert ending is not None
    assert (ending.reason, ending.evidence) == (reason, (f"frames.conversation_end.{sub_code}",))
