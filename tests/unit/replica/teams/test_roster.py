from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.teams import roster
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals
from fixtures.replica.video.scenario import VideoMedia

ADA = Participant(name="Ada", voice="elif", csrc=414, host=True, mutes=[(2.0, 4.0)], leaves=8.0)
BEN = Participant(name="Ben", voice="nuno", csrc=1053, joins=3.0, named_at=5.0, csrc_changes=[(6.0, 1266)])
MEETING = Scenario(title="t", platform="microsoft_teams", duration=10.0, participants=[ADA, BEN])


def unpacked(frame: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request of a frame and its body, decoded as the page decodes them."""
    assert frame.startswith("3:::")
    request = json.loads(frame[4:])
    return request, json.loads(gzip.decompress(base64.b64decode(request["body"])))


def update(before: float, now: float) -> dict[str, Any]:
    body = roster.roster_body(roster.members(MEETING, before), roster.members(MEETING, now))
    assert body is not None
    participants: dict[str, Any] = body["participants"]
    return participants


def endpoint(entry: dict[str, Any]) -> dict[str, Any]:
    (only,) = entry["endpoints"].values()
    assert isinstance(only, dict)
    return only


def streams(entry: dict[str, Any], place: str = "call") -> dict[str, dict[str, Any]]:
    return {stream["type"]: stream for stream in endpoint(entry)[place]["mediaStreams"]}


def test_the_first_frame_has_complete_entries() -> None:
    body = roster.roster_body([], roster.members(MEETING, 0.0)) or {}
    request, decoded = unpacked(roster.roster_frame(7, body))
    assert request["id"] == 7
    assert request["url"].endswith("conversation/rosterUpdate/")
    assert request["headers"]["X-Microsoft-Skype-Chain-ID"] == roster.CALL_ID
    assert request["headers"]["X-Microsoft-Skype-Content-Encoding"] == "gzip"
    assert (decoded["type"], decoded["sequenceNumber"]) == ("Delta", 1)
    assert decoded["participantCounts"] == {"totalParticipants": 1, "lobbyParticipants": 0}
    ((name, entry),) = decoded["participants"].items()
    assert name == entry["details"]["id"] == roster.member_id(0, host=True)
    assert (entry["details"]["displayName"], entry["state"], entry["meetingRole"]) == (
        "Ada",
        "active",
        "organizer",
    )
    assert endpoint(entry).keys() >= {"languageId", "clientVersion", "modalityJoined", "endpointMetadata"}


def test_an_endpoint_has_thirteen_sources_from_its_audio_source_on() -> None:
    found = streams(update(0.0, 3.5)[roster.member_id(1)])
    assert {kind: stream["sourceId"] - 1053 for kind, stream in found.items()} == {
        "audio": 0,
        "video": 1,
        "applicationsharing-video": 11,
        "data": 12,
    }


def test_the_bot_and_the_recorder_have_the_first_free_endpoints() -> None:
    people = [Participant(name=name, voice="elif", csrc=csrc) for name, csrc in (("A", 201), ("B", 627))]
    noted = Scenario(title="t", duration=1.0, participants=people, teams=TeamsPage(recording_notice=True))
    assert roster.this_bot(noted, "Stems").source == 414
    (recorder,) = [member for member in roster.members(noted, 0.0) if member.hidden]
    assert recorder.source == 840


def test_a_client_says_its_own_mute_beside_a_stream_that_sends() -> None:
    ada = roster.member_id(0, host=True)
    body = roster.roster_body([], roster.members(MEETING, 0.0)) or {}
    assert "endpointState" not in endpoint(body["participants"][ada]), "she has not said anything of it"
    for before, now, muted in ((1.0, 2.5, True), (2.5, 4.5, False)):
        entry = update(before, now)[ada]
        assert entry["details"]["displayName"] == "Ada", "entries are whole"
        assert (streams(entry)["audio"]["direction"], streams(entry)["audio"]["serverMuted"]) == (
            "sendrecv",
            False,
        )
        assert endpoint(entry)["endpointState"]["state"] == {"isMuted": muted}


def test_later_frames_have_only_those_who_changed() -> None:
    ada, ben = roster.member_id(0, host=True), roster.member_id(1)
    assert set(update(1.0, 2.5)) == {ada}
    assert update(2.5, 3.5)[ben]["details"]["displayName"] is None, "he is not named before 5 s"
    assert update(4.5, 5.5)[ben]["details"]["displayName"] == "Ben"
    rejoined = update(5.5, 6.5)[ben]
    assert streams(rejoined)["audio"]["sourceId"] == 1266
    assert set(rejoined["endpoints"]).isdisjoint(update(4.5, 5.5)[ben]["endpoints"])
    gone = update(7.5, 8.5)[ada]
    assert gone["state"] == "inactive"
    assert "endpoints" not in gone


@given(st.floats(0, 10), st.floats(0, 10))
def test_an_unchanged_roster_gives_no_body(before: float, now: float) -> None:
    old, new = roster.members(MEETING, before), roster.members(MEETING, now)
    assert (roster.roster_body(old, new) is None) == (not set(new) - set(old))


def test_who_waits_has_an_endpoint_in_the_lobby_and_the_first_sources() -> None:
    request, decoded = unpacked(roster.lobby_frame(1, MEETING, "Stems"))
    assert request["headers"]["X-Microsoft-Skype-Chain-ID"] == roster.CALL_ID
    assert decoded["participantCounts"] == {"totalParticipants": 2, "lobbyParticipants": 2}
    us, other = decoded["participants"].values()
    assert us["details"]["id"] == roster.self_id(MEETING)
    assert us["state"] == "active"
    for entry, source in ((us, 201), (other, 414)):
        assert "call" not in endpoint(entry)
        assert streams(entry, "lobby")["audio"]["sourceId"] == source
        assert streams(entry, "lobby")["audio"]["serverMuted"] is True
        assert endpoint(entry)["modalityJoined"] == "Lobby"
    admitted = roster.roster_body([], [roster.this_bot(MEETING, "Stems")]) or {}
    (us,) = admitted["participants"].values()
    assert "lobby" not in endpoint(us)
    assert endpoint(us)["modalityJoined"] == "Lobby,Call"


@pytest.mark.parametrize(
    ("page", "present"),
    [
        (TeamsPage(), False),
        (TeamsPage(recording_notice=True), True),
        (TeamsPage(signals=TeamsSignals(captions=True)), True),
    ],
)
def test_the_recorder_is_a_hidden_participant_without_a_name(page: TeamsPage, present: bool) -> None:
    noted = Scenario(title="t", duration=1.0, participants=[ADA], teams=page)
    body = roster.roster_body([], roster.members(noted, 0.0)) or {}
    entry = body["participants"].get(roster.RECORDER_ID)
    assert (entry is not None) == present
    if entry is not None:
        assert roster.RECORDER_ID.startswith("28:")
        assert entry["details"]["displayName"] is None
        assert endpoint(entry)["endpointMetadata"]["__platform"]["ui"]["hidden"] is True
        assert streams(entry)["audio"]["direction"] == "recvonly"
    assert [person["displayName"] for person in roster.page_objects(roster.members(noted, 0.0))] == ["Ada"]


def test_change_times_has_every_change_and_every_beginning() -> None:
    signals = TeamsSignals(frames_after=1.5, objects_after=None)
    late = Scenario(title="t", duration=10.0, participants=[ADA, BEN], teams=TeamsPage(signals=signals))
    assert roster.change_times(late) == [0.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]


def test_a_new_name_is_an_update_of_the_same_member() -> None:
    ada = Participant(name="Ada", voice="elif", csrc=414, renames=[(3.0, "Ada L")])
    renamed = Scenario(title="t", platform="microsoft_teams", duration=10.0, participants=[ada])
    assert 3.0 in roster.change_times(renamed)
    before, after = (roster.members(renamed, at) for at in (2.9, 3.0))
    body = roster.roster_body(before, after) or {}
    (entry,) = body["participants"].items()
    assert (entry[0], entry[1]["details"]["displayName"]) == (before[0].id, "Ada L")


def test_a_frame_of_another_call_has_our_sources_and_other_names() -> None:
    request, decoded = unpacked(roster.other_call_frame(1, MEETING))
    assert request["headers"]["X-Microsoft-Skype-Chain-ID"] != roster.CALL_ID
    entries = decoded["participants"].values()
    assert [streams(entry)["audio"]["sourceId"] for entry in entries] == [414, 1053]
    assert {entry["details"]["displayName"] for entry in entries}.isdisjoint({"Ada", "Ben"})


def test_end_frames_have_plain_json_bodies_that_name_who_ended_it() -> None:
    for frame, path in (
        (roster.end_frame(3, 5300, MEETING), "conversation/conversationEnd/"),
        (roster.leg_end_frame(3, 5300, MEETING), "/call/end/"),
    ):
        request = json.loads(frame[4:])
        assert request["url"].endswith(path)
        body = json.loads(request["body"])
        assert (body["subCode"], bool(body["phrase"])) == (5300, True)
        assert body["callControllerTransactionEnd"]["sender"]["displayName"] == "Ada"


def test_page_objects_list_active_participants_with_names_roles_and_endpoints() -> None:
    (ada,) = roster.page_objects(roster.members(MEETING, 4.0))
    assert (ada["displayName"], ada["meetingRole"]) == ("Ada", "organizer")
    (details,) = ada["endpoints"]["endpointDetails"]
    assert details["endpointId"]
    assert [stream["sourceId"] for stream in details["mediaStreams"] if stream["type"] == "audio"] == [414]
    assert [person["sources"] for person in roster.page_objects(roster.members(MEETING, 9.0))] == [[1266]]


def test_ids_have_the_forms_of_guests_accounts_and_applications() -> None:
    forms = [roster.member_id(number) for number in range(3)] + [roster.member_id(3, host=True)]
    assert [each.rpartition(":")[0] for each in forms] == [
        "8:teamsvisitor",
        "8:live",
        "8:guest",
        "8:orgid",
    ]
    assert roster.self_id(MEETING).startswith("8:teamsvisitor:")
    assert len({*forms, roster.self_id(MEETING)}) == 5


def test_cameras_and_screens_are_directions_of_streams_and_move_with_the_endpoint() -> None:
    filmed = Scenario(
        title="t",
        platform="microsoft_teams",
        duration=10.0,
        participants=[
            Participant(
                name="Ada",
                voice="elif",
                csrc=414,
                cameras=[(1.0, 9.0)],
                presents=[(2.0, 4.0)],
                csrc_changes=[(6.0, 1266)],
            )
        ],
        video=VideoMedia(codec="h264"),
    )
    assert set(roster.change_times(filmed)) == {0.0, 1.0, 2.0, 4.0, 6.0, 9.0}
    seen = {}
    for before, now in ((-1.0, 0.0), (0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 9.0)):
        known = roster.members(filmed, before) if before >= 0 else []
        (entry,) = (roster.roster_body(known, roster.members(filmed, now)) or {})["participants"].values()
        found = streams(entry)
        camera, share = found["video"], found["applicationsharing-video"]
        assert share["sourceId"] - camera["sourceId"] == 10
        seen[now] = (camera["sourceId"], camera["direction"], share["direction"])
    assert seen == {
        0.0: (415, "recvonly", "recvonly"),
        1.0: (415, "sendrecv", "recvonly"),
        2.0: (415, "sendrecv", "sendonly"),
        4.0: (415, "sendrecv", "recvonly"),
        6.0: (1267, "sendrecv", "recvonly"),
        9.0: (1267, "recvonly", "recvonly"),
    }
