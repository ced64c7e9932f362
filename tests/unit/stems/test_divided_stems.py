"""A source that is given to another participant after its owner left: whole tapes of both platforms."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.voices import load_voice
from tests.support import meet_wire, teams_wire
from tests.support.streams import Stream, tape
from tests.support.tapes import STARTED_AT, feed_all
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import ChannelMessage, PageEvent

ANNS = [packet.payload for packet in load_voice("aria").speech]
BOS = [packet.payload for packet in load_voice("bruno").speech]
NAMES = {1: "Ann", 2: "Bo"}
SOURCE = 414


def meet_says(at: float, number: int, *, here: bool, owns: bool) -> PageEvent:
    person = meet_wire.listed(meet_wire.user(number, NAMES[number], (4, 1 if here else 6)))
    output = meet_wire.output(number, str(SOURCE)) if owns else b""
    return ChannelMessage(
        at=STARTED_AT + at,
        document=1,
        connection=0,
        label="collections",
        payload=zlib.compress(person + output),
    )


def teams_says(at: float, number: int, *, here: bool, owns: bool) -> PageEvent:
    person = teams_wire.person(
        number, NAMES[number], source=SOURCE if owns else None, state="active" if here else "inactive"
    )
    return msgspec.structs.replace(teams_wire.roster(person), at=STARTED_AT + at)


Says = Callable[..., PageEvent]
PLATFORMS = pytest.mark.parametrize(
    ("platform", "says"),
    [(Platform.GOOGLE_MEET, meet_says), (Platform.MICROSOFT_TEAMS, teams_says)],
    ids=["meet", "teams"],
)


def recorded(
    platform: Platform,
    folder: Path,
    events: list[PageEvent],
    *,
    second: tuple[float, float] = (21.0, 24.0),
    other_slot: bool = False,
) -> Manifest:
    """Ann's ten seconds, and Bo's from ``second`` on, with the same CSRC."""
    stream = Stream(0, 6666)
    frames = stream.frames(1.0, 11.0, [SOURCE], ANNS)
    frames += (Stream(1, 6667) if other_slot else stream).frames(*second, [SOURCE], BOS)
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform))
    feed_all(renderer, tape(platform, 30.0, frames, events))
    return renderer.finish()


def speech(manifest: Manifest) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """(participant, isolation, intervals) of each file."""
    return [
        (person.participant_name, each.isolation, [(round(a, 1), round(b, 1)) for a, b in each.intervals])
        for person, each in manifest.segments()
    ]


def isolation(platform: Platform) -> str:
    return "separated" if platform is Platform.GOOGLE_MEET else "gated-mix"


@PLATFORMS
@pytest.mark.parametrize("named_at", [12.0, 20.0, 26.0], ids=["at once", "before the word", "late"])
@pytest.mark.parametrize("other_slot", [False, True])
def test_each_owner_has_a_file_of_their_own(
    platform: Platform, says: Says, named_at: float, other_slot: bool, tmp_path: Path
) -> None:
    events = [
        says(0.5, 1, here=True, owns=True),
        says(11.5, 1, here=False, owns=False),
        says(named_at, 2, here=True, owns=True),
    ]
    manifest = recorded(platform, tmp_path, events, other_slot=other_slot)
    kind = isolation(platform)
    assert speech(manifest) == [("Ann", kind, [(1.0, 11.0)]), ("Bo", kind, [(21.0, 24.0)])]
    assert manifest.recording.warnings == []
    files = [tmp_path / each.url for _, each in manifest.segments()]
    assert len({file.name for file in files}) == 2 == len([file for file in files if file.exists()])
    assert [each.sources[0].csrc for _, each in manifest.segments()] == [SOURCE, SOURCE]


@PLATFORMS
def test_speech_after_the_owner_left_is_an_unknown_speakers_without_a_new_owner(
    platform: Platform, says: Says, tmp_path: Path
) -> None:
    events = [says(0.5, 1, here=True, owns=True), says(12.0, 1, here=False, owns=False)]
    manifest = recorded(platform, tmp_path, events)
    assert [(name, at) for name, _, at in speech(manifest)] == [
        ("Ann", [(1.0, 11.0)]),
        ("Unknown 1", [(21.0, 24.0)]),
    ]


@PLATFORMS
def test_last_words_that_arrive_after_the_owner_left_are_the_owners(
    platform: Platform, says: Says, tmp_path: Path
) -> None:
    events = [says(0.5, 1, here=True, owns=True), says(10.0, 1, here=False, owns=False)]
    manifest = recorded(platform, tmp_path, events, second=(12.0, 14.0))
    assert speech(manifest) == [("Ann", isolation(platform), [(1.0, 11.0), (12.0, 14.0)])]


@PLATFORMS
def test_a_change_of_owner_within_speech_divides_it_at_the_packet(
    platform: Platform, says: Says, tmp_path: Path
) -> None:
    events = [
        says(0.5, 1, here=True, owns=True),
        says(11.5, 1, here=False, owns=False),
        says(12.5, 2, here=True, owns=True),
    ]
    manifest = recorded(platform, tmp_path, events, second=(12.0, 14.0))
    assert [(name, at) for name, _, at in speech(manifest)] == [
        ("Ann", [(1.0, 11.0), (12.0, 12.5)]),
        ("Bo", [(12.5, 14.0)]),
    ]


@PLATFORMS
def test_a_change_that_becomes_known_too_late_names_nobody(
    platform: Platform, says: Says, tmp_path: Path
) -> None:
    """That the source was Ann's is said only after both have spoken."""
    events = [says(at, 1, here=False, owns=at == 26.0) for at in (12.0, 25.0, 26.0)]
    manifest = recorded(platform, tmp_path, events)
    assert speech(manifest) == [("Unknown 1", "mixed-only", [(1.0, 11.0), (21.0, 24.0)])]
    assert manifest.recording.warnings == [
        f"It became known too late that source {SOURCE} had changed hands; the file is an unknown speaker's."
    ]


@PLATFORMS
def test_a_participant_who_comes_back_is_the_same(platform: Platform, says: Says, tmp_path: Path) -> None:
    events = [
        says(0.5, 1, here=True, owns=True),
        says(11.5, 1, here=False, owns=False),
        says(20.0, 1, here=True, owns=True),
    ]
    manifest = recorded(platform, tmp_path, events)
    assert [person.participant_name for person in manifest.participants] == ["Ann"]
    assert [at for _, _, at in speech(manifest)] == [[(1.0, 11.0)], [(21.0, 24.0)]]
