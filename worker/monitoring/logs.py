"""The worker's log: one line an event, without secrets, and its last lines kept for a failure report.

A line holds the time (UTC, ISO 8601), the level, the logger, the message, and the job's bot and attempt.
"""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from typing import Final, TextIO

from worker.iso_time import iso_utc
from worker.safe_text import NO_SECRETS, Redactor, printable, redact

KEPT_LINES: Final = 500
"""How many lines a LogTail holds."""
MESSAGE_LENGTH: Final = 4000
"""Characters of a message; the rest is cut off."""
TRACEBACK_LENGTH: Final = 16_000
"""Characters of a traceback; its beginning is cut off."""

_STEM_FILE: Final = re.compile(r"(streams/)[^/\"'\n]{1,200}?(_[a-z0-9]+_\d+\.webm)")
"""A stem's file; its name begins with its speaker's (worker.manifest.filenames)."""

OUR_LOGGER: Final = "worker"
"""The parent of the worker's own loggers, which log from INFO on; libraries log from WARNING on."""


class JsonFormatter(logging.Formatter):
    """One JSON object in ASCII on one line, without line breaks and terminal control characters."""

    def __init__(self, bot_id: str | None, attempt: int | None, redactor: Redactor = NO_SECRETS) -> None:
        super().__init__()
        self._bot_id = bot_id
        self._attempt = attempt
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        event: dict[str, str | int | None] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record, self._redactor),
            "bot_id": self._bot_id,
            "attempt": self._attempt,
        }
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            event["exception"] = _hidden(trace, self._redactor)[-TRACEBACK_LENGTH:]
        return json.dumps(event).replace("\x7f", "\\u007f")


class TextFormatter(logging.Formatter):
    """A line for people: the time of day, the level and the message."""

    def __init__(self, redactor: Redactor = NO_SECRETS) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end. Of an exception only its type and message are shown."""
        message = _message(record, self._redactor)
        if record.exc_info and (error := record.exc_info[1]) is not None:
            message += f" ({type(error).__name__}: {_hidden(str(error), self._redactor)})"
        return f"{_time(record)[11:19]} {record.levelname.lower():<8}{printable(message, MESSAGE_LENGTH)}"


class LogTail(logging.Handler):
    """Keeps the last KEPT_LINES lines as they were logged, as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one line. Like every handler it never raises into the code that logs."""
        try:
            self._lines.append(self.format(record))
        except Exception:  # noqa: BLE001 - what logging prescribes: the record is at fault, not the program
            self.handleError(record)

    def lines(self) -> list[str]:
        """The lines so far, the oldest first. Other threads may go on logging."""
        self.acquire()
        try:
            return list(self._lines)
        finally:
            self.release()


def configure_logging(
    bot_id: str | None,
    attempt: int | None,
    stream: TextIO,
    json_lines: bool,
    redactor: Redactor = NO_SECRETS,
) -> LogTail:
    """Sends the log to ``stream`` alone, as JSON lines or as text for people.

    ``bot_id`` and ``attempt`` go into every line; None: there is no job yet. Python's warnings become lines too. The handler
    that is returned keeps the last lines for a failure report. ``redactor`` hides the job's secrets in all lines.
    """
    json_formatter = JsonFormatter(bot_id, attempt, redactor)
    shown = logging.StreamHandler(stream)
    shown.setFormatter(json_formatter if json_lines else TextFormatter(redactor))
    tail = LogTail()
    tail.setFormatter(json_formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[shown, tail], force=True)
    logging.getLogger(OUR_LOGGER).setLevel(logging.INFO)
    logging.captureWarnings(True)
    return tail


def _time(record: logging.LogRecord) -> str:
    return iso_utc(record.created)


def _message(record: logging.LogRecord, redactor: Redactor) -> str:
    message = _hidden(record.getMessage(), redactor)
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"


def _hidden(text: str, redactor: Redactor) -> str:
    """``text`` without secrets, and without the names of people in files' names."""
    return _STEM_FILE.sub(r"\1***\2", redactor.text(redact(text)))
