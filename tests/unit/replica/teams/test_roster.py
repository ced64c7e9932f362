from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.teams import roster
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals

ADA = Participant(name="Ada", voice="elif", csrc=414, host=True, mutes=[(2.0, 4.0)], leaves=8.0)
BEN = Participant(name="Ben", voice="nuno", csrc=1053, joins=3.0, named_at=5.0, csrc_changes=[(6.0, 1054)])
MEETING = Scenario(title="t", platform="microsoft_teams", duration=10.0, participants=[ADA, BEN])


def unpacked(frame: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request of a frame and its body, decoded as the page decodes them."""
    assert frame.startswith("3:::")
    request = json.loads(frame[4:])
    return request, json.loads(zlib.decompress(base64.b64decode(request["body"])))


def update(before: float, now: float) -> dict[str, Any]:
    body = roster.roster_body(roster.members(MEETING, before), roster.members(MEETING, now))
    assert body is not None
    participants: dict[str, Any] = body["participants"]
    return participants


def audio(entry: dict[str, Any]) -> dict[str, Any]:
    (endpoint,) = entry["endpoints"].values()
    streams: list[dict[str, Any]] = endpoint["call"]["mediaStreams"]
    return next(stream for stream in streams if stream["type"] == "audio")


def test_the_first_frame_has_complete_entries() -> None:
    body = roster.roster_body([], roster.members(MEETING, 0.0)) or {}
    request, decoded = unpacked(roster.roster_frame(7, body))
    assert request["id"] == 7
    assert request["url"].endswith("conversation/rosterUpdate/")
    assert request["headers"]["X-Microsoft-Skype-Chain-ID"] == roster.CALL_ID
    ((name, entry),) = decoded["participants"].items()
    assert name == entry["details"]["id"] == roster.member_id(0, host=True)
    assert (entry["details"]["displayName"], entry["state"], entry["meetingRole"]) == (
        "Ada",
        "active",
        "organizer",
    )
    assert audio(entry)["sourceId"] == 414


def test_later_frames_have_partial_entries() -> None:
    ada, ben = roster.member_id(0, host=True), roster.member_id(1)
    muted = update(1.0, 2.5)
    assert set(muted) == {ada}
    assert "displayName" not in muted[ada]["details"]
    assert audio(muted[ada])["direction"] == "recvonly"
    assert "displayName" not in update(2.5, 3.5)[ben]["details"], "he is not named before 5 s"
    assert update(4.5, 5.5)[ben]["details"]["displayName"] == "Ben"
    assert audio(update(5.5, 6.5)[ben])["sourceId"] == 1054
    gone = update(7.5, 8.5)[ada]
    assert gone["state"] == "inactive"
    assert "endpoints" not in gone


@given(st.floats(0, 10), st.floats(0, 10))
def test_an_unchanged_roster_gives_no_body(before: float, now: float) -> None:
    old, new = roster.members(MEETING, before), roster.members(MEETING, now)
    assert (roster.roster_body(old, new) is None) == (set(old) == set(new) or not set(new) - set(old))


def test_change_times_has_every_change_and_every_beginning() -> None:
    signals = TeamsSignals(frames_after=1.5, objects_after=None)
    late = Scenario(title="t", duration=10.0, participants=[ADA, BEN], teams=TeamsPage(signals=signals))
    assert roster.change_times(late) == [0.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]


def test_a_frame_of_another_call_has_our_sources_and_other_names() -> None:
    request, decoded = unpacked(roster.other_call_frame(1, MEETING))
    assert request["headers"]["X-Microsoft-Skype-Chain-ID"] != roster.CALL_ID
    entries = decoded["participants"].values()
    assert [audio(entry)["sourceId"] for entry in entries] == [414, 1053]
    assert {entry["details"]["displayName"] for entry in entries}.isdisjoint({"Ada", "Ben"})


def test_the_end_frame_has_a_plain_json_body() -> None:
    request = json.loads(roster.end_frame(3, 5854)[4:])
    assert request["url"].endswith("conversation/conversationEnd/")
    assert json.loads(request["body"])["subCode"] == 5854


def test_page_objects_list_active_participants_with_names() -> None:
    assert [person["displayName"] for person in roster.page_objects(roster.members(MEETING, 4.0))] == ["Ada"]
    assert [person["sources"] for person in roster.page_objects(roster.members(MEETING, 9.0))] == [[1054]]
