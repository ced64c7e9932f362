"""Numbers of participants: of the identity alone, and different for all in one meeting."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sample_manifests import meeting
from worker.manifest.person_numbers import (
    BOT_NUMBER,
    LARGEST,
    PersonNumbers,
    number_of_participant,
    number_of_source,
    number_of_speaker,
)
from worker.manifest.schema import ParticipantStreams, Source
from worker.roster.tenures import tenure_key


@pytest.mark.parametrize(
    ("participant_id", "number"),
    [
        ("spaces/abc/devices/1", 1_155_999_474),
        ("8:orgid:1f0c", 184_836_178),
        ("", 1_672_528_964),
    ],
)
def test_a_number_never_changes_as_receivers_store_it(participant_id: str, number: int) -> None:
    assert number_of_participant(participant_id) == number


@given(st.text())
def test_any_id_has_a_number_of_31_bits_above_0(participant_id: str) -> None:
    assert 0 < number_of_participant(participant_id) < 2**31


def test_ids_that_the_meeting_document_writes_alike_have_one_number() -> None:
    assert number_of_participant("a\ud800") == number_of_participant("a?")
    assert number_of_participant("x" * 500) == number_of_participant("x" * 600)


def test_participants_sources_and_the_bot_differ() -> None:
    numbers = [
        number_of_participant("7"),
        number_of_source(7),
        number_of_source(8),
        number_of_participant("bot"),
        BOT_NUMBER,
    ]
    assert len(set(numbers)) == len(numbers)


def test_a_source_has_one_number_in_all_tenures_and_also_without_a_csrc() -> None:
    assert number_of_source(tenure_key(7, 3)) == number_of_source(7) == number_of_source(~7)


def unknown(*sources: Source) -> ParticipantStreams:
    person = (
        meeting(1, 10.0)
        .participants[0]
        .with_segments(lambda segment: msgspec.structs.replace(segment, sources=list(sources)))
    )
    return msgspec.structs.replace(person, participant_id=None)


def test_a_speaker_without_an_id_has_the_number_of_the_source() -> None:
    assert number_of_speaker(unknown(Source(ssrc=5, csrc=7), Source(ssrc=6, csrc=8))) == number_of_source(7)
    assert number_of_speaker(unknown(Source(ssrc=5, csrc=None))) == number_of_source(~5)
    assert 0 < number_of_speaker(unknown()) <= LARGEST


@given(st.lists(st.sampled_from([1, 2, LARGEST - 1, LARGEST])))
def test_no_two_people_of_a_meeting_get_the_same_number(wanted: list[int]) -> None:
    numbers = PersonNumbers()
    given_out = [numbers.take(number) for number in wanted]
    assert len(set(given_out)) == len(given_out)
    assert all(0 < number <= LARGEST for number in given_out)
    assert given_out[:1] == wanted[:1]
