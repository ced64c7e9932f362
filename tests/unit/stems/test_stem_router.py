"""Which stems an attributed packet of a mix goes into."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.manifest.schema import Source
from worker.stems import stem_router
from worker.stems.attribution import SpeakerEvidence
from worker.stems.gate import UNKNOWN, Attribution
from worker.stems.mix_slot import MixPacket
from worker.stems.overflow import OVERFLOW
from worker.stems.stem import GatedStem
from worker.stems.stem_router import FIRST_UNKNOWN, StemRouter

Router = StemRouter[GatedStem]

USERS = {"ann": 7, "bo": FIRST_CAPTION_SOURCE}
"""The sources of captioned users; the roster knows none for Bo."""


@pytest.fixture
def delivered() -> dict[int, int]:
    """The place up to which something arrived in each slot."""
    return {}


@pytest.fixture
def router(tmp_path: Path, delivered: dict[int, int]) -> Iterator[Router]:
    router: Router = StemRouter(
        lambda key: GatedStem(tmp_path / f"{key}.webm"),
        USERS.__getitem__,
        lambda _source, _moment: 0,
        lambda slot, place: delivered.get(slot, 0) >= place,
    )
    yield router
    for stem in router.stems.values():
        stem.file.close()


def packet(number: int, ssrc: int = 6666, slot: int = 0) -> MixPacket:
    """The packet of 20 ms in place ``number``."""
    return MixPacket(number * 960, 960, b"\x78\x80\x00", (), ssrc, False, 0, True, True, slot, slot)


def by_csrc(*sources: int) -> Attribution:
    return Attribution(sources, SpeakerEvidence.CSRC)


def by_history(source: int) -> Attribution:
    return Attribution((source,), SpeakerEvidence.DSH)


def packets(router: Router) -> dict[int, int]:
    return {source: stem.track.received for source, stem in router.stems.items()}


def test_a_packet_goes_into_the_stems_of_all_its_speakers(router: Router) -> None:
    assert router.write(packet(0), by_csrc(8, 7)).evidence is SpeakerEvidence.CSRC
    assert packets(router) == {8: 1, 7: 1}
    assert router.stems[8].overlaps == [(0, 960, (7,))]
    assert router.stems[7].overlaps == [(0, 960, (8,))]


def test_captioned_users_are_their_sources_and_have_no_csrc_where_the_roster_knows_none(
    router: Router,
) -> None:
    assert (
        router.write(packet(0), Attribution(("ann", "bo"), SpeakerEvidence.CAPTIONS)).evidence
        is SpeakerEvidence.CAPTIONS
    )
    assert list(router.stems[7].sources) == [Source(ssrc=6666, csrc=7)]
    assert list(router.stems[FIRST_CAPTION_SOURCE].sources) == [Source(ssrc=6666, csrc=None)]


def test_a_second_packet_of_the_same_moment_is_a_copy_where_its_csrc_list_says_so(router: Router) -> None:
    for number in range(5):
        router.write(packet(number), by_csrc(7))
    assert router.write(packet(1, ssrc=6667, slot=1), by_csrc(7)).evidence is SpeakerEvidence.CSRC
    assert packets(router) == {7: 5}
    assert router.stems[7].duplicates == 1


def repeat(router: Router, numbers: range, delay: int, *sources: int) -> None:
    """Slot 0 brings the sources at these places, and slot 1 the same, ``delay`` places later."""
    for number in range(numbers.start, numbers.stop + delay):
        if number < numbers.stop:
            router.write(packet(number), by_csrc(*sources))
        if number >= numbers.start + delay:
            router.write(packet(number, ssrc=6667, slot=1), by_csrc(*sources))


@pytest.mark.parametrize(
    ("delivered_until", "echo"), [(115, 0), (104, 10), (99, 13)], ids=["goes on", "ends soon", "is gone"]
)
def test_the_late_end_of_words_on_a_slot_that_repeats_another_is_left_out_while_that_one_delivers(
    delivered_until: int, echo: int, router: Router, delivered: dict[int, int]
) -> None:
    delivered[0] = delivered_until * 960
    repeat(router, range(100), 15, 7)
    # That the first two are copies does not show: the clocks of two slots may differ that much.
    assert packets(router) == {7: 100 + 2 + echo}


def test_a_source_that_only_the_repeating_slot_brings_any_more_is_written_after_a_second(
    router: Router, delivered: dict[int, int]
) -> None:
    delivered[0] = 1_000 * 960
    repeat(router, range(100), 0, 7)
    alone = range(100, 200)
    routed = [router.write(packet(number, ssrc=6667, slot=1), by_csrc(7)) for number in alone]
    assert [each.repeated for each in routed] == [number < 102 + 50 for number in alone]


def test_another_source_on_a_slot_that_repeats_the_first_is_written(
    router: Router, delivered: dict[int, int]
) -> None:
    delivered[0] = 1_000 * 960
    repeat(router, range(100), 0, 7)
    routed = [router.write(packet(number, ssrc=6667, slot=1), by_csrc(8)) for number in range(100, 200)]
    assert not any(each.repeated for each in routed)
    assert packets(router)[8] == 100


def test_a_source_that_moves_to_another_slot_loses_nothing(router: Router, delivered: dict[int, int]) -> None:
    delivered[0] = 1_000 * 960
    for number in range(100):
        router.write(packet(number), by_csrc(7))
    for number in range(100, 200):
        router.write(packet(number - 1, ssrc=6667, slot=1), by_csrc(7))
    assert packets(router) == {7: 200}


def test_a_second_packet_of_the_same_moment_is_an_unknown_speakers_where_only_hints_name_it(
    router: Router,
) -> None:
    for number in range(5):
        router.write(packet(number), by_history(7))
    assert router.write(packet(1, ssrc=6667, slot=1), by_history(7)).evidence is SpeakerEvidence.NONE
    assert packets(router) == {7: 5, -1: 1}
    assert router.stems[7].duplicates == 0


def test_a_stream_repeats_nothing_of_its_own(router: Router) -> None:
    """A pause of the recording divides it into slots, whose clocks differ by what the network delayed."""
    for attribution in (by_csrc(7), by_history(8), UNKNOWN):
        for number in range(20):
            router.write(packet(number), attribution)
        for number in range(10, 30):
            routed = router.write(msgspec.structs.replace(packet(number), slot=2), attribution)
            assert (routed.repeated, routed.evidence) == (False, attribution.evidence)
    assert packets(router) == {7: 40, 8: 40, FIRST_UNKNOWN: 40}
    assert sum(stem.duplicates for stem in router.stems.values()) == 0


def test_a_packet_that_is_at_most_50_ms_too_early_goes_behind_the_last_one(router: Router) -> None:
    for number in range(5):
        router.write(packet(number), by_csrc(7))
    assert router.write(packet(3, ssrc=6667), by_csrc(7)).evidence is SpeakerEvidence.CSRC
    assert packets(router) == {7: 6}
    assert router.stems[7].track.end == 6 * 960


def test_unknown_speech_of_two_tracks_at_once_is_two_unknown_speakers(router: Router) -> None:
    for number in range(5):
        assert router.write(packet(number), UNKNOWN).evidence is SpeakerEvidence.NONE
    router.write(packet(0, ssrc=6667, slot=1), UNKNOWN)
    assert packets(router) == {-1: 5, -2: 1}


def test_sources_past_the_limit_share_one_stem_each_packet_once(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem_router, "MOST_SOURCES", 2)
    router.write(packet(0), by_csrc(1, 2, 3, 4))
    router.write(packet(1), UNKNOWN)
    assert packets(router) == {1: 1, 2: 1, OVERFLOW: 2}
    assert "3 of them share one file" in router.overflow.warnings()[0]


def test_of_two_tracks_with_sources_past_the_limit_one_is_written_until_it_pauses(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem_router, "MOST_SOURCES", 0)
    for number in range(5):
        router.write(packet(number), by_csrc(1))
        router.write(packet(number, slot=1), by_csrc(2))
    router.write(packet(30, slot=1), by_csrc(2))
    assert packets(router) == {OVERFLOW: 6}
    assert router.overflow.unwritten == 5


def test_a_stem_that_is_opened_later_is_silent_up_to_where_the_others_are_settled(router: Router) -> None:
    router.write(packet(0), by_csrc(7))
    router.settle(48_000)
    router.write(packet(60), by_csrc(8))
    assert (router.stems[7].track.end, router.stems[8].track.end) == (48_000, 61 * 960)
