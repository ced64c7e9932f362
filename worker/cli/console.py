"""Standard output and standard error, on a terminal or without one."""

from __future__ import annotations

import logging
import os
import sys

from rich.console import Console

from worker.cli.display import LiveDisplay, PlainDisplay
from worker.cli.summary import PLAIN_WIDTH
from worker.recording.observer import RecordingObserver
from worker.safe_text import printable, redact


class _Output(Console):
    """A console that stops writing, instead of failing, once its reader has closed the pipe."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # Python writes its buffer at exit; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _ErrorLines(logging.Handler):
    """Writes each record as one line to the current ``sys.stderr``, which a live view replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        print_error(redact(record.getMessage()))


def open_console() -> Console:
    """Standard output; without a terminal it is PLAIN_WIDTH columns wide and has no colours."""
    return _Output(highlight=False) if sys.stdout.isatty() else _Output(highlight=False, width=PLAIN_WIDTH)


def open_display(console: Console, title: str) -> RecordingObserver:
    """A live view with ``title`` in its headline on a terminal, plain lines without one."""
    return LiveDisplay(console, title) if console.is_terminal else PlainDisplay(console)


def print_error(message: str) -> None:
    """Writes ``message`` as one line to standard error."""
    print(f"meetstems: {printable(message, 600)}", file=sys.stderr, flush=True)


def log_to_stderr() -> None:
    """Writes logged warnings and errors as lines to standard error."""
    logging.basicConfig(level=logging.WARNING, handlers=[_ErrorLines()], force=True)
