"""The progress of a running recording: a live view on a terminal, plain lines without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.rendering.progress import Progress, SpeakerProgress
from worker.safe_text import printable
from worker.states import State

PLAIN_INTERVAL: Final = 10.0
"""Seconds of meeting between two plain lines."""
LIVE_INTERVAL: Final = 0.5
"""Seconds between two updates of the live view."""
_ROWS: Final = 16

STATES: Final = {
    State.STARTING: ("starting the browser", "yellow"),
    State.JOINING: ("joining", "yellow"),
    State.WAITING_ROOM: ("in the waiting room", "yellow"),
    State.IN_CALL_NOT_RECORDING: ("in the call", "yellow"),
    State.IN_CALL_RECORDING: ("recording", "red"),
    State.LEAVING: ("leaving", "yellow"),
    State.DONE: ("done", "green"),
    State.FATAL: ("failed", "red"),
}
"""The label and the colour of each state of a recording."""


def clock(seconds: float) -> str:
    """75 -> 1:15; 3675 -> 1:01:15."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class PlainDisplay(RecordingObserver):
    """One line per change of state, and one every ten seconds of meeting."""

    interval = 1.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = PLAIN_INTERVAL

    def state(self, state: State, reason: Reason | None = None) -> None:
        """Prints the new state."""
        line = STATES[state][0]
        self._print(f"{line}: {reason}" if reason else line)

    def update(self, progress: Progress) -> None:
        """Prints the progress, if PLAIN_INTERVAL has passed since the last time."""
        if progress.elapsed_seconds < self._next:
            return
        self._next = progress.elapsed_seconds + PLAIN_INTERVAL
        self._print(plain_line(progress))

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def plain_line(progress: Progress) -> str:
    """The progress on one line."""
    speakers = progress.speakers
    talking = [printable(speaker.name) for speaker in speakers if speaker.speaking]
    return (
        f"{clock(progress.elapsed_seconds)} {len(speakers)} {'speaker' if len(speakers) == 1 else 'speakers'}, "
        f"{sum(speaker.packets_received for speaker in speakers):,} packets, "
        f"{sum(speaker.recovered for speaker in speakers):,} recovered, "
        f"{sum(speaker.lost for speaker in speakers):,} lost; "
        f"speaking: {', '.join(talking) or 'nobody'}"
    )


class LiveDisplay(RecordingObserver):
    """A view that is updated in place, on a terminal."""

    interval = LIVE_INTERVAL

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._state = State.STARTING
        self._reason: Reason | None = None
        self._progress: Progress | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True, get_renderable=self._view)
        self._live.start()

    def state(self, state: State, reason: Reason | None = None) -> None:
        """Shows the new state."""
        self._state, self._reason = state, reason
        self._live.refresh()

    def update(self, progress: Progress) -> None:
        """Shows the new progress."""
        self._progress = progress
        self._live.refresh()

    def close(self) -> None:
        """Removes the view."""
        self._live.stop()

    def _view(self) -> Group:
        return live_view(self._title, self._state, self._reason, self._progress)


def live_view(title: str, state: State, reason: Reason | None, progress: Progress | None) -> Group:
    """The live view: a headline, the speakers, and how to end the recording."""
    name, colour = STATES[state]
    headline = Text.assemble(("● ", colour), (name, f"bold {colour}"))
    if progress is not None:
        headline.append(f"  {clock(progress.elapsed_seconds)}", "bold")
    headline.append(f"  {printable(title, 100)}", "dim")
    parts: list[Text | Padding] = [headline]
    if reason is not None:
        parts.append(Text(f"  {reason}", "dim"))
    if progress is not None:
        parts.append(Padding(_speakers(progress.speakers), (1, 0)))
    if state is State.IN_CALL_RECORDING:
        parts.append(Text("Ctrl-C ends the recording and finishes all files.", "dim"))
    return Group(*parts)


def _speakers(speakers: Sequence[SpeakerProgress]) -> Table | Text:
    if not speakers:
        return Text("  nobody has spoken yet", "dim")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("speaker", no_wrap=True, overflow="ellipsis", max_width=40)
    for heading in ("speech", "packets", "recovered", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = (
        sorted(speakers, key=lambda speaker: not speaker.speaking)[:_ROWS]
        if len(speakers) > _ROWS
        else speakers
    )
    for speaker in shown:
        table.add_row(
            Text("▶" if speaker.speaking else " ", "green"),
            Text(printable(speaker.name), "bold" if speaker.speaking else ""),
            clock(speaker.speech_seconds),
            f"{speaker.packets_received:,}",
            f"{speaker.recovered:,}",
            Text(f"{speaker.lost:,}", "red" if speaker.lost else ""),
        )
    if len(speakers) > len(shown):
        table.add_row("", Text(f"and {len(speakers) - len(shown)} more", "dim"), "", "", "", "")
    return table
