from __future__ import annotations

import io

import pytest
from rich.console import Console

from worker.cli.display import LiveDisplay, PlainDisplay, clock, live_view, plain_line
from worker.reasons import Reason
from worker.rendering.progress import Progress, SpeakerProgress
from worker.states import State

HOSTILE = "[red]Mallory[/red]\x1b[2J\u202e\nsecond line " + "x" * 300


def speaker(name: str, *, speaking: bool = False, lost: int = 0) -> SpeakerProgress:
    return SpeakerProgress(
        name=name, speaking=speaking, speech_seconds=65.2, packets_received=3260, recovered=4, lost=lost
    )


def progress(elapsed: float, *speakers: SpeakerProgress) -> Progress:
    return Progress(elapsed_seconds=elapsed, speakers=list(speakers))


def rendered(view: object, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "0:00"), (0, "0:00"), (75.9, "1:15"), (3675, "1:01:15")])
def test_clock_has_hours_only_from_an_hour_on(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_plain_line_adds_up_packets_and_names_the_speakers() -> None:
    three = progress(83, speaker("Ada", speaking=True), speaker("Ben", lost=2), speaker("Zoë", speaking=True))
    assert plain_line(three) == "1:23 3 speakers, 9,780 packets, 12 recovered, 2 lost; speaking: Ada, Zoë"
    assert plain_line(progress(3)) == "0:03 0 speakers, 0 packets, 0 recovered, 0 lost; speaking: nobody"


def test_plain_display_prints_each_state_and_every_ten_seconds() -> None:
    out = io.StringIO()
    display = PlainDisplay(Console(file=out, width=40))
    display.state(State.JOINING)
    for elapsed in range(31):
        display.update(progress(elapsed))
    display.state(State.LEAVING, Reason.MEETING_ENDED)
    display.close()
    lines = out.getvalue().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["joining", "0:10", "0:20", "0:30", "leaving:"]
    assert lines[-1] == "leaving: meeting_ended"


def test_live_view_marks_the_speakers() -> None:
    view = rendered(
        live_view(
            "https://meet…",
            State.IN_CALL_RECORDING,
            None,
            progress(83, speaker("Ada", speaking=True), speaker("Ben")),
        )
    )
    lines = view.splitlines()
    assert lines[0].startswith("● recording  1:23  https://meet…")
    assert lines[3].split() == ["▶", "Ada", "1:05", "3,260", "4", "0"]
    assert lines[4].split() == ["Ben", "1:05", "3,260", "4", "0"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_stay_within_their_cell(width: int) -> None:
    view = rendered(live_view(HOSTILE, State.IN_CALL_RECORDING, None, progress(1, speaker(HOSTILE))), width)
    assert "\x1b" not in view
    assert "\u202e" not in view
    assert "[red]Mal" in view
    rows = rendered(
        live_view("t", State.IN_CALL_RECORDING, None, progress(1, speaker(HOSTILE))), width
    ).splitlines()
    assert len(rows) <= 7
    assert max(row.count("x") for row in rows) < 40


def test_live_view_of_many_participants_shows_the_present_speakers() -> None:
    crowd = [speaker(f"Person {number}", speaking=number >= 38) for number in range(40)]
    view = rendered(live_view("t", State.IN_CALL_RECORDING, None, progress(1, *crowd)))
    assert "Person 38" in view
    assert "Person 39" in view
    assert "and 24 more" in view


def test_live_display_removes_its_view_when_closed() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=20)
    display = LiveDisplay(console, "https://meet…")
    display.state(State.WAITING_ROOM)
    display.update(progress(1, speaker("Ada")))
    display.close()
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert "in the waiting room" in written
    assert written.endswith("\x1b[2K")
