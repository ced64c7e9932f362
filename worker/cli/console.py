"""The terminal, or whatever stands in its place: what goes to standard output and to standard error."""

from __future__ import annotations

import logging
import os
import sys

from rich.console import Console

from worker.cli.display import LiveDisplay, PlainDisplay
from worker.cli.summary import PLAIN_WIDTH
from worker.recording.observer import RecordingObserver
from worker.safe_text import printable


class _Output(Console):
    """A console that falls silent when nobody reads it any more, rather than end a recording."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # Python writes what is still buffered when it exits; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _ErrorLines(logging.Handler):
    """Writes each record as one line to what is standard error at that moment: a live view puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        print_error(record.getMessage())


def open_console() -> Console:
    """Standard output. Where it is no terminal, tables have room and nothing is coloured."""
    return _Output(highlight=False) if sys.stdout.isatty() else _Output(highlight=False, width=PLAIN_WIDTH)


def open_display(console: Console, title: str) -> RecordingObserver:
    """A live view of what ``title`` names where a person can see it, plain lines elsewhere."""
    return LiveDisplay(console, title) if console.is_terminal else PlainDisplay(console)


def print_error(message: str) -> None:
    """One line on standard error."""
    print(f"meetstems: {printable(message, 600)}", file=sys.stderr, flush=True)


def log_to_stderr() -> None:
    """Warnings and errors become lines on standard error."""
    logging.basicConfig(level=logging.WARNING, handlers=[_ErrorLines()], force=True)
