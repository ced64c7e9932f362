"""Hints on the clock of the meeting."""

from worker.roster.speaking import Caption, Dominance, Said
from worker.stems.speaker_hints import HELD_HINTS, SpeakerHints
from worker.tape.events import ChannelMessage, ConnectionClosed, PageEvent, StateChanged, WorkerEvent

ZERO = 1_790_000_000.0


def caption(start: float, end: float) -> Caption:
    return Caption(user_id="ann", start=start, end=end, final=True)


def passed_on(before: list[tuple[Said, float]], after: list[tuple[Said, float]]) -> list[tuple[Said, float]]:
    """What is passed on of hints from ``before`` and ``after`` the beginning of the recording."""
    found: list[tuple[Said, float]] = []
    carried: dict[float, Said] = {}

    def hints_in(event: PageEvent | WorkerEvent) -> list[Said]:
        return [carried[event.at]]

    hints = SpeakerHints(hints_in, lambda hint, at: found.append((hint, at)))
    for hint, at in before:
        carried[at] = hint
        hints.observe(StateChanged(at=at, state="joining"))
    assert found == []
    hints.begin(ZERO)
    for hint, at in after:
        carried[at] = hint
        hints.observe(StateChanged(at=at, state="joining"))
    return found


def test_hints_from_before_the_recording_are_passed_on_when_it_begins() -> None:
    before: list[tuple[Said, float]] = [
        (Dominance((7,)), ZERO - 3),
        (caption(ZERO - 2, ZERO - 1), ZERO - 0.5),
    ]
    assert passed_on(before, []) == [(Dominance((7,)), -3.0), (caption(-2.0, -1.0), -0.5)]


def test_hints_are_moved_to_meeting_time() -> None:
    after: list[tuple[Said, float]] = [(Dominance((7, 8)), ZERO + 1), (caption(ZERO + 1, ZERO + 2), ZERO + 4)]
    assert passed_on([], after) == [(Dominance((7, 8)), 1.0), (caption(1.0, 2.0), 4.0)]


def test_only_the_latest_hints_from_before_the_recording_are_kept() -> None:
    before: list[tuple[Said, float]] = [(Dominance((n,)), ZERO - 500 + n) for n in range(HELD_HINTS + 50)]
    found = passed_on(before, [])
    assert [hint for hint, _ in found] == [Dominance((n,)) for n in range(50, HELD_HINTS + 50)]


def test_hints_of_a_connection_that_was_closed_before_the_recording_are_dropped() -> None:
    found: list[tuple[Said, float]] = []

    def hints_in(event: PageEvent | WorkerEvent) -> list[Said]:
        return [Dominance((int(event.payload),))] if isinstance(event, ChannelMessage) else []

    def message(source: int, document: int, connection: int) -> ChannelMessage:
        return ChannelMessage(
            at=ZERO - 9, document=document, connection=connection, label="x", payload=str(source).encode()
        )

    hints = SpeakerHints(hints_in, lambda hint, at: found.append((hint, at)))
    for source, address in ((201, (1, 0)), (414, (1, 1)), (627, (2, 0))):
        hints.observe(message(source, *address))
    hints.observe(ConnectionClosed(at=ZERO - 5, document=1, connection=0))
    hints.begin(ZERO)
    hints.observe(ConnectionClosed(at=ZERO + 5, document=1, connection=1))
    assert [hint for hint, _ in found] == [Dominance((414,)), Dominance((627,))]
