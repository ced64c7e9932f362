"""Whatever the replica of Teams sends over Trouter has all that captured frames have, of the same types."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.replica.scenario import Scenario, load_scenario, scenario_names
from fixtures.replica.teams import roster
from tests.support import captured_frames as captured

FOLDERS = ("teams", "teams-wire", "teams-outcomes")
FILMED = [name for name in scenario_names("video") if name.startswith("video/teams-")]
SCENARIOS = [name for folder in FOLDERS for name in scenario_names(folder)] + FILMED
NAME = "Foreign"


def request(frame: str | bytes) -> dict[str, Any]:
    text = frame if isinstance(frame, str) else frame.decode()
    made: dict[str, Any] = json.loads(text.removeprefix("3:::"))
    return made


def body(frame: str | bytes) -> dict[str, Any]:
    """The body of a frame, strictly: base64 of gzip or zlib for rosters, plain JSON for all else."""
    sent = request(frame)
    if not sent["url"].endswith("rosterUpdate/"):
        return dict(json.loads(sent["body"]))
    data = base64.b64decode(sent["body"], validate=True)
    return dict(json.loads(gzip.decompress(data) if data[:1] == b"\x1f" else zlib.decompress(data)))


def missing(real: object, ours: object, path: str = "") -> Iterator[str]:
    """What ``ours`` lacks of what ``real`` has, or has as another type; null stands for any type."""
    if real is None or ours is None:
        return
    if type(real) is not type(ours):
        yield f"{path}: {type(ours).__name__}, captured {type(real).__name__}"
    elif isinstance(real, dict) and isinstance(ours, dict):
        for key, value in real.items():
            if key not in ours:
                yield f"{path}.{key}"
            else:
                yield from missing(value, ours[key], f"{path}.{key}")
    elif isinstance(real, list) and isinstance(ours, list) and real:
        for number, each in enumerate(ours):
            yield from missing(real[min(number, len(real) - 1)], each, f"{path}[{number}]")


def entry_faults(entry: dict[str, Any], place: str) -> list[str]:
    """What a participant's entry lacks of a captured one; who has left has no endpoints."""
    real = captured.participant("8:x", "X", 0, places=("lobby",) if place == "lobby" else ("call",))
    (real_endpoint,) = real.pop("endpoints").values()
    faults = list(missing(real, entry))
    for endpoint in entry.get("endpoints", {}).values():
        faults += missing(real_endpoint, endpoint, ".endpoint")
        sources = [stream["sourceId"] for stream in endpoint[place]["mediaStreams"]]
        if [source - sources[0] for source in sources] != [0, 1, 11, 12]:
            faults.append(f"sources {sources}")
    return faults


def rosters(scenario: Scenario) -> Iterator[dict[str, Any]]:
    before: list[roster.Member] = []
    for now in roster.change_times(scenario):
        known = [*roster.members(scenario, now), roster.this_bot(scenario, NAME)]
        if (update := roster.roster_body(before, known)) is not None:
            yield body(roster.roster_frame(1, update))
        before = known


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_roster_has_all_of_a_captured_one(name: str) -> None:
    scenario = load_scenario(name)
    real = body(captured.roster_update(1, captured.participant("8:x", "X", 0)).payload)
    real.pop("participants")
    faults: list[str] = []
    for update in rosters(scenario):
        faults += missing(real, update)
        faults += [
            fault for entry in update["participants"].values() for fault in entry_faults(entry, "call")
        ]
    waiting = body(roster.lobby_frame(1, scenario, NAME))
    faults += [fault for entry in waiting["participants"].values() for fault in entry_faults(entry, "lobby")]
    assert sorted(set(faults)) == []


def test_every_end_has_all_of_a_captured_one() -> None:
    scenario = load_scenario("teams/standup")
    real = body(captured.conversation_end(1, 5300, "x", "8:x").payload)
    for sub_code in {*roster.END_SUB_CODES.values()}:
        ours = body(roster.end_frame(1, sub_code, scenario))
        assert list(missing(real, ours)) == []
        assert ours["subCode"] == sub_code


def test_requests_have_the_headers_of_captured_ones() -> None:
    scenario = load_scenario("teams/standup")
    real = request(captured.conversation_update(1).payload)
    ours = request(roster.lobby_frame(1, scenario, NAME))
    assert list(missing(real, ours)) == []


def test_what_is_missing_is_named() -> None:
    assert list(missing({"a": 1, "b": [{"c": 1}]}, {"a": "1", "b": [{"c": 1}, {}]})) == [
        ".a: str, captured int",
        ".b[1].c",
    ]
