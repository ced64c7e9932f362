"""The owners of the videos of a Teams call, by the page's requests and the roster's sources."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.captured_frames import FIRST_SOURCE, SOURCES_APART
from tests.support.teams_wire import BOT, begun, identity, objects, roster
from tests.support.video_frames import (
    PREFIX,
    main_channel,
    video_answer,
    video_frame,
    video_request,
    video_track,
)
from worker.platforms.teams import video_sources
from worker.platforms.teams.main_channel import ANY_SOURCE, NO_SOURCE
from worker.platforms.teams.video_sources import (
    CONTRADICTION,
    NO_ANSWERS,
    NO_REQUEST,
    NO_SLOT,
    UNANSWERED,
    TeamsVideoSources,
)
from worker.roster.video_sources import VideoEvidence, VideoKind, VideoOwner
from worker.tape.events import ChannelMessage, SocketMessage, TapeEvent, VideoFrame

NOTHING = VideoOwner(None, VideoKind.WEBCAM, VideoEvidence.NONE)


def camera(number: int) -> int:
    """The source of a participant's camera, as captures have it."""
    return FIRST_SOURCE + SOURCES_APART * number + 1


def screen(number: int) -> int:
    return FIRST_SOURCE + SOURCES_APART * number + 11


def member(
    number: int, name: str, *, first: int | None = None, place: str = "call", state: str = "active"
) -> dict[str, Any]:
    """A roster entry with a camera and a screen; ``first`` is the source of its audio."""
    audio = camera(number) - 1 if first is None else first
    streams = [
        {"type": "audio", "label": "main-audio", "sourceId": audio, "direction": "sendrecv"},
        {"type": "video", "label": "main-video", "sourceId": audio + 1, "direction": "sendrecv"},
        {
            "type": "applicationsharing-video",
            "label": "applicationsharing-video",
            "sourceId": audio + 11,
            "direction": "recvonly",
        },
    ]
    return {
        "details": {"id": identity(number), "displayName": name},
        "state": state,
        "endpoints": {"e1": {place: {"mediaStreams": streams}}},
    }


def call() -> SocketMessage:
    return roster(member(0, BOT), member(1, "Ada"), member(2, "Bob"), member(3, "Eve"))


def webcam(number: int, evidence: VideoEvidence = VideoEvidence.REQUEST) -> VideoOwner:
    return VideoOwner(identity(number), VideoKind.WEBCAM, evidence)


def observed(*events: TapeEvent) -> TeamsVideoSources:
    sources = TeamsVideoSources()
    for event in (begun(), *events):
        sources.observe(event)
    return sources


def owners(sources: TeamsVideoSources, *frames: VideoFrame) -> list[VideoOwner | None]:
    """Whose each frame is; None: nobody's."""
    keys = [sources.source_of(1, frame) for frame in frames]
    return [None if key is None else sources.owner_of(key) for key in keys]


def frames(*moments: float, receiver: int = 5, csrcs: tuple[int, ...] = ()) -> list[VideoFrame]:
    """Frames at these moments; those of negative ones are key frames."""
    return [video_frame(receiver, abs(each), key=each < 0, csrcs=csrcs) for each in moments]


SLOT = video_track(5, "mainVideo-5", slot="7")


def test_a_slot_shows_whom_the_page_requested_for_it() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2, 1.3)) == [webcam(1), webcam(1)]
    assert sources.warnings() == []


def test_the_owner_may_be_learned_later() -> None:
    sources = observed(SLOT, video_request("7", camera(1), 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2)) == [NOTHING]
    sources.observe(call())
    assert owners(sources, *frames(1.3)) == [webcam(1)]


def test_a_shared_screen_is_its_presenters() -> None:
    track = video_track(5, "applicationsharingVideo-9", slot="17")
    sources = observed(call(), track, video_request(17, screen(2), 1, at=1.0), video_answer(1, at=1.1))
    share = VideoOwner(identity(2), VideoKind.SCREENSHARE, VideoEvidence.REQUEST)
    assert owners(sources, *frames(-1.2)) == [share]


def test_after_a_request_frames_are_the_formers_until_a_key_frame_and_nobodys_until_one_after_the_answer() -> (
    None
):
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2, 1.9)) == [webcam(1), webcam(1)]
    sources.observe(video_request(7, camera(2), 2, at=2.0))
    assert owners(sources, *frames(2.1)) == [webcam(1)]
    sources.observe(video_answer(2, at=2.2))
    assert owners(sources, *frames(2.3, -2.4, 2.5)) == [webcam(1), webcam(2), webcam(2)]
    sources.observe(video_request(7, camera(3), 3, at=3.0))
    assert owners(sources, *frames(3.1, -3.2, 3.3)) == [webcam(2), None, None]
    sources.observe(video_answer(3, at=3.4))
    assert owners(sources, *frames(3.5, -3.6)) == [None, webcam(3)]


def test_frames_are_judged_by_their_arrival_whenever_they_are_asked_about() -> None:
    sources = observed(
        call(),
        SLOT,
        *(video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1)),
        *(video_request(7, camera(2), 2, at=2.0), video_answer(2, at=2.2)),
    )
    assert owners(sources, *frames(-0.5, -1.2, 2.1, 2.3, -2.4)) == [
        NOTHING,
        webcam(1),
        webcam(1),
        webcam(1),
        webcam(2),
    ]


def test_a_request_that_is_repeated_changes_nothing() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    sources.observe(video_request(7, camera(1), 2, at=2.0))
    assert owners(sources, *frames(-1.2, 2.1, -2.2)) == [webcam(1)] * 3


def test_a_freed_slot_goes_on_with_its_last_frames_and_then_shows_the_next() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    sources.observe(video_request(7, NO_SOURCE, 2, at=2.0))
    assert owners(sources, *frames(-1.2, 2.1, -2.2)) == [webcam(1)] * 3
    sources.observe(video_answer(2, at=2.3))
    assert owners(sources, *frames(2.4, -2.5)) == [webcam(1), None]
    sources.observe(video_request(7, camera(2), 3, at=3.0))
    assert owners(sources, *frames(-3.1, 3.2)) == [webcam(2)] * 2


def test_whoever_is_worth_showing_is_nobody_unless_the_frames_name_them() -> None:
    sources = observed(call(), SLOT, video_request(7, ANY_SOURCE, 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2, 1.3)) == [NOTHING] * 2
    named = frames(-1.4, 1.5, csrcs=(camera(2),))
    assert owners(sources, *named) == [webcam(2, VideoEvidence.CSRC)] * 2
    assert owners(sources, *frames(1.6)) == [None]
    assert sources.warnings() == []


def test_frames_outrank_the_request() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2, csrcs=(camera(2),))) == [webcam(2, VideoEvidence.CSRC)]
    assert sources.warnings() == [CONTRADICTION]


def test_numbers_of_the_lobby_are_not_those_of_the_call() -> None:
    waiting = roster(member(0, BOT, place="lobby"), member(1, "Ada"))
    sources = observed(waiting, SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2)) == [NOTHING]
    sources.observe(call())
    assert owners(sources, *frames(-1.3)) == [NOTHING]
    sources.observe(video_request(7, camera(1), 2, at=2.0))
    sources.observe(video_answer(2, at=2.1))
    assert owners(sources, *frames(-2.2)) == [webcam(1)]


def test_connections_have_requests_of_their_own() -> None:
    other = video_track(6, "mainVideo-5", slot="7", connection=1)
    sources = observed(call(), SLOT, other, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    sources.observe(video_request(7, camera(2), 1, at=1.0, connection=1))
    sources.observe(video_answer(1, at=1.1, connection=1))
    assert owners(sources, *frames(-1.2), *frames(-1.2, receiver=6)) == [webcam(1), webcam(2)]


def test_who_comes_back_has_other_sources() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2)) == [webcam(1)]
    sources.observe(roster(member(1, "Ada", first=2001)))
    sources.observe(video_request(7, 2002, 2, at=2.0))
    sources.observe(video_answer(2, at=2.1))
    assert owners(sources, *frames(-2.2)) == [webcam(1)]


def test_a_line_that_gets_another_slot_shows_nobody_until_a_key_frame() -> None:
    sources = observed(call(), SLOT)
    for slot, number in ((7, 1), (8, 2)):
        sources.observe(video_request(slot, camera(number), slot, at=1.0))
        sources.observe(video_answer(slot, at=1.1))
    assert owners(sources, *frames(-1.2)) == [webcam(1)]
    sources.observe(video_track(5, "mainVideo-5", slot="8", at=2.0))
    assert owners(sources, *frames(1.9, 2.1, -2.2, 2.3)) == [webcam(1), None, webcam(2), webcam(2)]


def test_a_slot_that_is_learned_late_was_the_lines_from_the_beginning() -> None:
    sources = observed(call(), video_track(5, "mainVideo-5"))
    assert owners(sources, *frames(-0.5)) == [NOTHING]
    sources.observe(video_track(5, "mainVideo-5", slot="7", at=1.0))
    sources.observe(video_track(5, at=1.0))
    sources.observe(video_request(7, camera(1), 1, at=1.0))
    sources.observe(video_answer(1, at=1.1))
    assert owners(sources, *frames(-1.2)) == [webcam(1)]
    assert sources.warnings() == [NO_SLOT]


def test_two_slots_that_show_one_source_are_one_source() -> None:
    sources = observed(call(), SLOT, video_track(6, "mainVideo-6", slot="8"))
    for slot in (7, 8):
        sources.observe(video_request(slot, camera(1), slot, at=1.0))
        sources.observe(video_answer(slot, at=1.1))
    assert owners(sources, *frames(-1.2), *frames(-1.3, receiver=6), *frames(1.4)) == [
        webcam(1),
        webcam(1),
        None,
    ]


def test_video_that_was_not_requested_is_nobodys_and_said() -> None:
    sources = observed(call(), SLOT)
    assert owners(sources, *frames(-1.2, 1.3)) == [NOTHING] * 2
    assert sources.warnings() == [NO_REQUEST]
    sources.observe(video_request(7, camera(1), 1, at=2.0))
    assert owners(sources, *frames(2.1, -2.2)) == [NOTHING, None]


def test_a_service_that_never_answers_is_believed_after_a_while() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0))
    assert owners(sources, *frames(-1.2)) == [webcam(1)]
    sources.observe(video_request(7, camera(2), 2, at=2.0))
    assert owners(sources, *frames(-2.1, -2.0 - UNANSWERED - 0.1)) == [None, webcam(2)]
    assert sources.warnings() == [NO_ANSWERS]


def test_an_answer_without_a_number_is_that_to_the_oldest_request() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(None, at=1.1))
    sources.observe(video_request(7, camera(2), 2, at=2.0))
    sources.observe(video_request(7, camera(3), 3, at=2.1))
    sources.observe(video_answer(None, at=2.2))
    assert owners(sources, *frames(-1.2, -2.3)) == [webcam(1), None]
    sources.observe(video_answer(None, at=2.4))
    assert owners(sources, *frames(-2.5)) == [webcam(3)]


def test_a_source_that_is_a_camera_and_another_ones_screen_is_nobodys() -> None:
    sources = observed(call(), SLOT, video_request(7, camera(1), 1, at=1.0), video_answer(1, at=1.1))
    sources.observe(roster(member(9, "Mallory", first=camera(1) - 11)))
    assert owners(sources, *frames(-1.2)) == [NOTHING]


@pytest.mark.parametrize(
    "control",
    [
        {"controlInfo": {"sourceId": "202", "streamMsid": True}},
        {"controlInfo": {"sourceId": [], "streamMsid": 7}},
        {"controlInfo": {"sourceId": 2**40, "streamMsid": 7}},
        {"controlInfo": {"sourceId": 202, "streamMsid": "7" * 100}},
        {"controlInfo": [7, None]},
        7,
    ],
)
def test_what_is_no_request_is_ignored(control: object) -> None:
    entry = {"type": "sr", "controlVideoStreaming": control}
    sources = observed(call(), SLOT, main_channel(entry, at=1.0, sent=True))
    assert owners(sources, *frames(-1.2)) == [NOTHING]


# The truth: what a service does that answers a request, and begins the next source with a key frame later.


class Moment(NamedTuple):
    """What the page sees, and the source of a frame."""

    seen: TapeEvent | VideoFrame
    truth: int | None = None


class Service:
    """One slot of a service that is driven step by step, all of it seen by the page in that order, or with answers late."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.clock = 1.0
        self.sequence = 0
        self.shown: int | None = None
        self.asked: list[tuple[int, int]] = []
        self.answered: list[int] = []

    def step(self, action: str, source: int) -> None:
        self.clock = round(self.clock + 0.01, 2)
        match action:
            case "request":
                self.sequence += 1
                self.asked.append((self.sequence, source))
                self.moments.append(Moment(video_request(7, source, self.sequence, at=self.clock)))
            case "answer" if self.asked:
                sequence, wanted = self.asked.pop(0)
                self.answered.append(wanted)
                self.moments.append(Moment(video_answer(sequence, at=self.clock)))
            case "key":
                if self.answered:
                    self.shown = self.answered[-1]
                    self.answered.clear()
                self._send(key=True)
            case "delta":
                self._send(key=False)

    def _send(self, *, key: bool) -> None:
        if self.shown is not None and self.shown != NO_SOURCE:
            self.moments.append(Moment(video_frame(5, self.clock, key=key), self.shown))


ACTIONS = [["request"], ["answer"], ["key"], ["delta"], ["request", "answer", "key", "delta"]]
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.sampled_from([camera(1), camera(2), camera(3), NO_SOURCE])),
    max_size=30,
).map(lambda chunks: [(action, source) for actions, source in chunks for action in actions])


def shown_by(
    service: Service, sources: TeamsVideoSources
) -> list[tuple[int | None, VideoOwner | None, bool]]:
    """Of each frame its true source, whose it was taken for, and whether it is a key frame."""
    seen = []
    for moment in service.moments:
        if isinstance(moment.seen, VideoFrame):
            (owner,) = owners(sources, moment.seen)
            seen.append((moment.truth, owner, moment.seen.key))
        else:
            sources.observe(moment.seen)
    return seen


def run(steps: Sequence[tuple[str, int]]) -> Service:
    service = Service()
    for action, source in steps:
        service.step(action, source)
    return service


@given(STEPS)
def test_no_frame_lands_with_another_person(steps: Sequence[tuple[str, int]]) -> None:
    for truth, owner, _ in shown_by(run(steps), observed(call(), SLOT)):
        assert owner is None or owner.device_id in (None, identity((truth or 0) // SOURCES_APART))


@given(STEPS, st.lists(st.integers(0, 12), max_size=60))
def test_nor_does_it_where_the_page_sees_answers_late(
    steps: Sequence[tuple[str, int]], delays: list[int]
) -> None:
    """Its main thread is busy: frames come first, though the answer was sent before them."""
    service = run(steps)
    late: list[tuple[float, int, Moment]] = []
    last = 0.0
    for place, moment in enumerate(service.moments):
        at = moment.seen.arrival if isinstance(moment.seen, VideoFrame) else getattr(moment.seen, "at", 0.0)
        if isinstance(moment.seen, ChannelMessage) and not moment.seen.sent:
            at = last = max(last, at + 0.01 * (delays[place % len(delays)] if delays else 0) + 0.001)
            entries = json.loads(moment.seen.payload[len(PREFIX) :])
            late.append((at, place, Moment(main_channel(*entries, at=at, sent=False))))
        else:
            late.append((at, place, moment))
    service.moments = [moment for _, _, moment in sorted(late, key=lambda each: each[:2])]
    for truth, owner, _ in shown_by(service, observed(call(), SLOT)):
        assert owner is None or owner.device_id in (None, identity((truth or 0) // SOURCES_APART))


@given(STEPS)
def test_it_makes_no_difference_when_frames_are_asked_about(steps: Sequence[tuple[str, int]]) -> None:
    service = run(steps)
    at_once = shown_by(service, observed(call(), SLOT))
    events = [each.seen for each in service.moments if not isinstance(each.seen, VideoFrame)]
    assert shown_by(service, observed(call(), SLOT, *events)) == at_once


@given(st.lists(st.tuples(st.sampled_from([camera(1), camera(2), camera(3)]), st.integers(1, 4))))
def test_no_frame_is_lost_where_key_frames_follow_the_answers(shows: list[tuple[int, int]]) -> None:
    steps: list[tuple[str, int]] = []
    for source, deltas in shows:
        steps += [("request", source), ("delta", 0), ("answer", 0), ("delta", 0), ("key", 0)]
        steps += [("delta", 0)] * deltas
    for truth, owner, _ in shown_by(run(steps), observed(call(), SLOT)):
        assert owner is not None
        assert owner.device_id == identity((truth or 0) // SOURCES_APART)


def test_a_hostile_page_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_sources, "MOST_KEYS", 500)
    sources = observed(call())
    tracemalloc.start()
    try:
        for number in range(4_000):
            sources.observe(
                video_track(number % 3_000, "x" * 300, slot=str(number % 50), connection=number % 40)
            )
            sources.observe(video_request(number % 60, number + 1, number, at=number, connection=number % 40))
            sources.observe(video_answer(None, at=number, connection=number % 40))
            sources.source_of(1, video_frame(number, number, key=True, csrcs=(number,)))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 8 * 1024 * 1024
    assert len(sources._sources) <= video_sources.MOST_KEYS


MESSAGES = st.builds(
    lambda payload, sent, at: ChannelMessage(
        at=at, document=1, connection=0, label="main-channel", payload=payload, sent=sent
    ),
    st.binary(max_size=80),
    st.booleans(),
    st.floats(0, 10),
)
EVENTS = st.one_of(
    MESSAGES,
    st.builds(video_track, st.integers(0, 2), slot=st.sampled_from(["", "7", "8"]), at=st.floats(0, 10)),
    st.builds(
        video_request,
        st.sampled_from([7, "8"]),
        st.sampled_from([camera(1), screen(1), -1, -2, -3]),
        st.integers(-1, 3),
        at=st.floats(0, 10),
    ),
    st.builds(video_answer, st.one_of(st.none(), st.integers(-1, 3)), at=st.floats(0, 10)),
    st.just(call()),
    st.just(objects({"id": identity(1), "name": "Ada"})),
)
FRAMES = st.builds(
    video_frame,
    st.integers(0, 2),
    st.floats(0, 30),
    key=st.booleans(),
    csrcs=st.lists(st.sampled_from([camera(1), camera(2), 5]), max_size=3).map(tuple),
)


@given(st.lists(st.one_of(EVENTS, FRAMES), max_size=40))
def test_nothing_raises(seen: list[TapeEvent | VideoFrame]) -> None:
    sources = observed()
    for each in seen:
        if isinstance(each, VideoFrame):
            assert all(owner is None or isinstance(owner, VideoOwner) for owner in owners(sources, each))
        else:
            sources.observe(each)
