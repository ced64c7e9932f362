"""Who owned a source when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.roster import tenures
from worker.roster.roster import Evidence, SourceOwner
from worker.roster.tenures import LAST_WORDS, MAX_TENURES, SourceOwners, split_key, tenure_key

PUSHED, TILES, RPC = Evidence.COLLECTIONS, Evidence.TILES, Evidence.RPC
LEFT, CAME = 100.0, 130.0


def device_ids(owners: SourceOwners, source: int = 7) -> list[str | None]:
    """The owner of each tenure."""
    listed: tuple[SourceOwner | None, ...] = owners.changed_hands().get(source, (owners.owner(source),))
    return [None if owner is None else owner.device_id for owner in listed]


def anns() -> SourceOwners:
    owners = SourceOwners()
    owners.assign(7, "ann", PUSHED, 1.0)
    return owners


def tenures_at(owners: SourceOwners, *moments: float) -> list[int]:
    return [owners.tenure(7, at) for at in moments]


def test_a_source_has_one_tenure_while_its_owner_is_there() -> None:
    owners = anns()
    owners.show("ann", gone=False, at=2.0)
    owners.assign(7, "ann", TILES, 3.0)
    assert tenures_at(owners, 0.0, 1e9) == [0, 0]
    assert owners.changed_hands() == {}


def test_a_source_has_no_owner_after_its_owner_left_until_one_is_named() -> None:
    owners = anns()
    owners.show("ann", gone=True, at=LEFT)
    owners.show("ann", gone=True, at=LEFT + 20)
    moments = (LEFT, LEFT + LAST_WORDS - 0.1, LEFT + LAST_WORDS, CAME)
    assert tenures_at(owners, *moments) == [0, 0, 1, 1]
    assert device_ids(owners) == ["ann", None]
    owners.assign(7, "bo", PUSHED, CAME)
    assert tenures_at(owners, *moments) == [0, 0, 1, 1]
    assert device_ids(owners) == ["ann", "bo"]
    assert not any(owner and owner.contested for owner in owners.changed_hands()[7])


def test_an_owner_who_is_named_at_once_has_the_source_at_once() -> None:
    owners = anns()
    owners.show("ann", gone=True, at=LEFT)
    owners.assign(7, "bo", TILES, LEFT + 1)
    assert tenures_at(owners, LEFT + 0.9, LEFT + 1) == [0, 1]


def test_the_platforms_push_moves_a_source_before_its_owner_is_shown_as_gone() -> None:
    owners = anns()
    owners.assign(7, "bo", PUSHED, CAME)
    owners.show("ann", gone=True, at=CAME + 0.5)
    assert tenures_at(owners, CAME - 0.1, CAME, CAME + 100) == [0, 1, 1]
    assert [owner and owner.contested for owner in owners.changed_hands()[7]] == [True, True]


@pytest.mark.parametrize("first", [TILES, RPC, PUSHED])
def test_evidence_of_another_kind_corrects_the_owner_and_begins_no_tenure(first: Evidence) -> None:
    owners = SourceOwners()
    owners.assign(7, "ann", first, 1.0)
    for kind in {TILES, RPC, PUSHED} - {first}:
        owners.assign(7, "bo", kind, 2.0)
    assert tenures_at(owners, 1.0, 3.0) == [0, 0]
    assert owners.owner(7).contested
    assert owners.owner(7).device_id == ("ann" if first is PUSHED else "bo")


def test_weak_evidence_that_changes_begins_no_tenure() -> None:
    owners = SourceOwners()
    for number in range(20):
        owners.assign(7, f"d/{number}", TILES, float(number))
    assert tenures_at(owners, 0.0, 100.0) == [0, 0]


def test_an_old_statement_does_not_return_a_source_to_an_owner_who_left() -> None:
    owners = anns()
    owners.show("ann", gone=True, at=LEFT)
    owners.assign(7, "bo", PUSHED, CAME)
    owners.assign(7, "ann", TILES, CAME + 1)
    assert device_ids(owners) == ["ann", "bo"]
    assert not owners.owner(7).contested


def test_a_short_absence_is_none_and_a_long_one_makes_tenures_of_the_same_owner() -> None:
    owners = anns()
    owners.show("ann", gone=True, at=LEFT)
    owners.show("ann", gone=False, at=LEFT + LAST_WORDS / 2)
    assert tenures_at(owners, LEFT + LAST_WORDS + 1) == [0]
    owners.show("ann", gone=True, at=LEFT)
    owners.show("ann", gone=False, at=CAME)
    assert tenures_at(owners, LEFT, LEFT + LAST_WORDS, CAME) == [0, 1, 2]
    assert device_ids(owners) == ["ann", "ann", "ann"]
    assert [owner and owner.contested for owner in owners.changed_hands()[7]] == [False, True, False]


def test_sources_and_tenures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = SourceOwners()
    for number in range(5 * MAX_TENURES):
        owners.assign(7, f"d/{number}", PUSHED, float(number))
    assert len(owners.changed_hands()[7]) == MAX_TENURES
    assert owners.owner(7).contested
    monkeypatch.setattr(tenures, "MAX_SOURCES", 3)
    for source in range(10, 20):
        owners.assign(source, "d/1", PUSHED, 1.0)
    assert list(owners) == [7, 10, 11]


steps = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bo", "cem"]),
        st.sampled_from([None, True, False]),
        st.sampled_from([PUSHED, RPC, TILES]),
        st.floats(0.1, 9),
    ),
    max_size=MAX_TENURES - 1,
)


@given(steps)
def test_a_tenure_that_was_returned_can_only_be_corrected_to_a_later_one(
    history: list[tuple[str, bool | None, Evidence, float]],
) -> None:
    """Packets were written by it. A later tenure shows that a file has several owners; an earlier one would hide it."""
    owners, at = SourceOwners(), 0.0
    told: list[tuple[float, int]] = []
    for device_id, gone, evidence, passed in history:
        if 7 in owners:
            told += [(moment, owners.tenure(7, moment)) for moment in (at + passed / 3, at + passed * 2 / 3)]
        at += passed
        if gone is None:
            owners.assign(7, device_id, evidence, at)
        else:
            owners.show(device_id, gone=gone, at=at)
        known = [owners.tenure(7, moment) for moment, _ in told]
        assert all(now >= number for now, (_, number) in zip(known, told, strict=True))
        assert known == sorted(known)
    if 7 in owners:
        assert owners.tenure(7, at + 100) < len(owners.changed_hands().get(7, (None,)))


@given(st.integers(0, 2**33), st.integers(0, MAX_TENURES))
def test_a_key_holds_source_and_tenure(source: int, tenure: int) -> None:
    assert split_key(tenure_key(source, tenure)) == (source, tenure)
    assert split_key(-1 - source) == (-1 - source, 0)
