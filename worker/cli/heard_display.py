"""What ``meetstems listen`` shows: a live view on a terminal, plain lines without one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from worker.cli.display import clock
from worker.cli.heard import Heard, HeardSpeaker, SpeakerKey
from worker.contracts.live_received import Happened
from worker.safe_text import printable

PLAIN_INTERVAL: Final = 10.0
"""Seconds between two plain lines."""
LIVE_INTERVAL: Final = 0.2
"""Seconds between two updates of the live view."""
METER_CELLS: Final = 12
_QUIETEST: Final = -48.0
"""dBFS where the meter begins."""
_LOUD: Final = -6.0
"""dBFS from where on the meter is yellow."""
_ROWS: Final = 16

ACTIONS: Final = {
    "join": "joined",
    "leave": "left",
    "update": "changed",
    "speech_on": "speaks",
    "speech_off": "stopped speaking",
    "webcam_on": "turned the camera on",
    "webcam_off": "turned the camera off",
    "screenshare_on": "shares a screen",
    "screenshare_off": "stopped sharing",
    "chat_message": "writes",
}
"""What to show for the vendors' names of participant events."""


class HeardDisplay(Protocol):
    """Shows what a listener hears."""

    interval: float
    """Seconds between two calls of update()."""

    def update(self, heard: Heard, at: float) -> None:
        """Shows what was heard until ``at``, in Unix seconds."""

    def event(self, event: Happened) -> None:
        """Shows a participant event."""

    def close(self) -> None:
        """Ends the view."""


def open_heard_display(console: Console, address: str, began: float) -> HeardDisplay:
    """A live view on a terminal, plain lines without one. ``began`` is when the listener did, in Unix seconds."""
    if console.is_terminal:
        return LiveHeard(console, address, began)
    return PlainHeard(console, began)


class PlainHeard:
    """A line for each event, and one every ten seconds."""

    interval = 1.0

    def __init__(self, console: Console, began: float) -> None:
        self._console = console
        self._began = began
        self._next = PLAIN_INTERVAL

    def update(self, heard: Heard, at: float) -> None:
        """Prints a line, if PLAIN_INTERVAL has passed since the last time and there was something to hear."""
        elapsed = at - self._began
        if elapsed < self._next:
            return
        self._next = elapsed + PLAIN_INTERVAL
        if heard.totals.connections:
            self._print(plain_line(heard, elapsed, at))

    def event(self, event: Happened) -> None:
        """Prints the event."""
        self._print(event_text(event).plain)

    def close(self) -> None:
        """Nothing is left to do."""

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def plain_line(heard: Heard, elapsed: float, at: float) -> str:
    """What was heard on one line. It names its time, as those of events beside it are the recording's."""
    speakers = list(heard.speakers.values())
    talking = [printable(speaker.title) for speaker in speakers if speaker.speaks(at)]
    people = [speaker for speaker in speakers if not speaker.mixed]
    lags = [speaker.lag for speaker in speakers if speaker.lag is not None]
    return (
        f"listening for {clock(elapsed)}: {_counted(heard.open, 'connection')}, {_counted(len(people), 'speaker')}, "
        f"{sum(speaker.seconds for speaker in people):.1f} s heard, "
        f"{f'{max(lags) * 1000:.0f} ms behind, ' if lags else ''}"
        f"{heard.totals.left_out + sum(speaker.left_out for speaker in speakers):.1f} s left out; "
        f"speaking: {', '.join(talking) or 'nobody'}"
    )


class LiveHeard:
    """A view that is updated in place."""

    interval = LIVE_INTERVAL

    def __init__(self, console: Console, address: str, began: float) -> None:
        self._address = address
        self._began = began
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def update(self, heard: Heard, at: float) -> None:
        """Shows what was heard."""
        self._live.update(heard_view(heard, self._address, at - self._began, at), refresh=True)
        heard.levels_shown()

    def event(self, event: Happened) -> None:
        """The next update shows it."""

    def close(self) -> None:
        """Removes the view."""
        self._live.stop()


def heard_view(heard: Heard, address: str, elapsed: float, at: float) -> Group:
    """The live view: a headline, a line for each speaker, the newest events, and how to end."""
    open_now = heard.open > 0
    colour = "green" if open_now else "yellow"
    state = _counted(heard.open, "connection") if open_now else "waiting for a bot"
    headline = Text.assemble(("● ", colour), (state, f"bold {colour}"), (f"  {clock(elapsed)}", "bold"))
    headline.append(f"  {printable(address, 100)}", "dim")
    parts: list[Text | Padding] = [headline]
    parts.append(Padding(_speakers(heard, at), (1, 0)))
    parts += [event_text(event) for event in heard.events]
    parts.append(Text("Ctrl-C ends, and shows what was heard.", "dim"))
    return Group(*parts)


def summary(heard: Heard, files: Mapping[SpeakerKey, str]) -> Table:
    """One row per speaker; ``files`` are the names of those that were written."""
    table = _table("heard", "messages", "worst lag", "left out")
    if files:
        table.add_column("file", overflow="fold")
    for speaker in heard.speakers.values():
        row = [
            Text(printable(speaker.title)),
            Text(f"{speaker.seconds:.1f} s"),
            Text(f"{speaker.messages + speaker.packets:,}"),
            Text(_milliseconds(speaker.worst_lag)),
            _left_out(speaker),
        ]
        if files:
            row.append(Text(files.get(speaker.key, "")))
        table.add_row(*row)
    if not heard.speakers:
        table.add_row(Text("nobody was heard", "dim"))
    return table


def counts(heard: Heard) -> str:
    """The counts of messages on one line; those that should not be are named only if there are any."""
    totals = heard.totals
    misplaced = sum(speaker.misplaced for speaker in heard.speakers.values())
    odd = {
        "not understood": totals.odd,
        "of an unknown kind": totals.unknown,
        "with impossible timestamps": misplaced,
        "of too many speakers": totals.crowded,
    }
    parts = [
        _counted(totals.connections, "connection"),
        _counted(totals.messages, "message"),
        _counted(totals.events, "event"),
        *(f"{count:,} {what}" for what, count in odd.items() if count),
    ]
    if totals.left_out:
        parts.append(f"{totals.left_out:.1f} s left out")
    return ", ".join(parts)


def event_text(event: Happened) -> Text:
    """``0:12 Ada joined``, and what was written."""
    who = event.who.name or f"participant {event.who.id}"
    text = Text.assemble(
        (f"  {clock(event.relative)} ", "dim"),
        (printable(who), "bold"),
        f" {ACTIONS.get(event.action, event.action)}",
    )
    if event.text is not None:
        text.append(f": {printable(event.text, 80)}")
    return text


def meter(level: float) -> Text:
    """A bar of METER_CELLS cells for a level from 0 to 1, on a scale of decibels."""
    decibels = 20 * math.log10(level) if level > 0 else -math.inf
    filled = round(METER_CELLS * min(1.0, max(0.0, 1 - decibels / _QUIETEST)))
    colour = "yellow" if decibels > _LOUD else "green"
    return Text.assemble(("█" * filled, colour), ("░" * (METER_CELLS - filled), "dim"))


def _speakers(heard: Heard, at: float) -> Table | Text:
    speakers = list(heard.speakers.values())
    if not speakers:
        return Text("  nobody was heard yet", "dim")
    table = _table("heard", "lag", "left out", level=True)
    shown = (
        sorted(speakers, key=lambda speaker: not speaker.speaks(at))[:_ROWS]
        if len(speakers) > _ROWS
        else speakers
    )
    for speaker in shown:
        speaks = speaker.speaks(at)
        table.add_row(
            Text(printable(speaker.title), "bold" if speaks else "dim" if speaker.mixed else ""),
            meter(speaker.level if speaks else 0.0),
            Text(f"{speaker.seconds:.1f} s"),
            Text(_milliseconds(speaker.lag)),
            _left_out(speaker),
        )
    if len(speakers) > len(shown):
        table.add_row(Text(f"and {len(speakers) - len(shown)} more", "dim"))
    return table


def _table(*headings: str, level: bool = False) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("speaker", no_wrap=True, overflow="ellipsis", max_width=40)
    if level:
        table.add_column("level", no_wrap=True, width=METER_CELLS)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _left_out(speaker: HeardSpeaker) -> Text:
    return Text(f"{speaker.left_out:.1f} s", "red") if speaker.gaps else Text("–", "dim")


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
