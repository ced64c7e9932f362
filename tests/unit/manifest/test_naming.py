"""Sources become named participants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.manifest.naming import NamedParticipant, name_sources
from worker.roster.roster import Device, Evidence, Roster, SourceOwner


def known(
    device_id: str,
    name: str | None,
    evidence: Evidence = Evidence.COLLECTIONS,
    *,
    is_host: bool = False,
    parent_id: str | None = None,
) -> Device:
    return Device(
        device_id=device_id,
        name=name,
        name_evidence=evidence if name else Evidence.NONE,
        is_host=is_host,
        parent_id=parent_id,
    )


def roster(
    devices: list[Device], sources: dict[int, str], evidence: Evidence = Evidence.COLLECTIONS
) -> Roster:
    return Roster(
        devices={device.device_id: device for device in devices},
        sources={csrc: SourceOwner(device_id=owner, evidence=(evidence,)) for csrc, owner in sources.items()},
    )


def test_a_source_of_a_named_device_gets_its_name() -> None:
    given_roster = roster([known("d/1", "Ada", is_host=True)], {100: "d/1"})
    assert name_sources([100], given_roster) == [
        NamedParticipant(
            participant_name="Ada", participant_id="d/1", name_source="collections", is_host=True, keys=[100]
        )
    ]


def test_a_device_that_came_back_is_one_participant() -> None:
    participants = name_sources([100, 300, 200], roster([known("d/1", "Ada")], {100: "d/1", 200: "d/1"}))
    assert [(p.participant_name, p.keys) for p in participants] == [
        ("Ada", [100, 200]),
        ("Unknown 1", [300]),
    ]


def test_two_devices_with_the_same_name_are_two_participants() -> None:
    participants = name_sources(
        [1, 2], roster([known("d/1", "Ada"), known("d/2", "Ada")], {1: "d/1", 2: "d/2"})
    )
    assert [(p.participant_name, p.participant_id) for p in participants] == [("Ada", "d/1"), ("Ada", "d/2")]


@pytest.mark.parametrize("nameless", [None, "", "  \n", "\u202e\u200b", "\u3164"])
def test_a_device_without_a_visible_name_is_unknown(nameless: str | None) -> None:
    participants = name_sources([9, 1, 8], roster([known("d/1", nameless)], {1: "d/1"}))
    assert [p.participant_name for p in participants] == ["Unknown 1", "Unknown 2", "Unknown 3"]
    assert [p.participant_id for p in participants] == [None, "d/1", None]
    assert {p.name_source for p in participants} == {"none"}


def test_a_source_of_an_unlisted_device_is_unknown() -> None:
    (participant,) = name_sources([1], roster([], {1: "d/1"}))
    assert (participant.participant_name, participant.participant_id) == ("Unknown 1", "d/1")


@pytest.mark.parametrize(
    ("of_name", "of_source", "weakest"),
    [
        (Evidence.COLLECTIONS, Evidence.COLLECTIONS, "collections"),
        (Evidence.RPC, Evidence.COLLECTIONS, "rpc"),
        (Evidence.COLLECTIONS, Evidence.TILES, "tiles"),
        (Evidence.RPC, Evidence.TILES, "tiles"),
    ],
)
def test_name_source_is_the_weakest_evidence(of_name: Evidence, of_source: Evidence, weakest: str) -> None:
    (participant,) = name_sources([1], roster([known("d/1", "Ada", of_name)], {1: "d/1"}, of_source))
    assert participant.name_source == weakest


def test_a_screen_share_gets_the_name_of_its_participant() -> None:
    devices = [known("d/1", "Ada"), known("d/2", None, parent_id="d/1")]
    participants = name_sources([1, 2], roster(devices, {1: "d/1", 2: "d/2"}))
    assert [p.participant_name for p in participants] == ["Ada", "Ada (screen share)"]
    assert [p.participant_id for p in participants] == ["d/1", "d/2"]


def test_contested_sources_are_marked() -> None:
    contested = Roster(
        devices={"d/1": known("d/1", "Ada")},
        sources={1: SourceOwner(device_id="d/1", evidence=(Evidence.COLLECTIONS,), contested=True)},
    )
    assert name_sources([1], contested)[0].contested


@given(
    st.lists(st.integers(1, 12), max_size=20),
    st.dictionaries(st.integers(1, 12), st.sampled_from(["d/1", "d/2", "d/3"])),
    st.dictionaries(st.sampled_from(["d/1", "d/2", "d/3"]), st.one_of(st.none(), st.text(max_size=8))),
)
def test_every_source_belongs_to_exactly_one_participant(
    csrcs: list[int], sources: dict[int, str], names: dict[str, str | None]
) -> None:
    participants = name_sources(csrcs, roster([known(i, n) for i, n in names.items()], sources))
    assert sorted(csrc for p in participants for csrc in p.keys) == sorted(set(csrcs))
    first_heard = [csrcs.index(p.keys[0]) for p in participants]
    assert first_heard == sorted(first_heard)
    ids = [p.participant_id for p in participants if p.participant_id]
    assert len(ids) == len(set(ids))
    assert all(p.participant_name for p in participants)
