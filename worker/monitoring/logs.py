"""The worker's log: one line an event, without secrets, and its last lines kept for a failure report.

A line holds the time (UTC, ISO 8601), the level, the logger, the message, and the job's bot and attempt.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import Final, TextIO

from worker.iso_time import iso_utc
from worker.safe_text import printable, redact

KEPT_LINES: Final = 500
"""How many lines a LogTail holds."""
MESSAGE_LENGTH: Final = 4000
"""Characters of a message; the rest is cut off."""
TRACEBACK_LENGTH: Final = 16_000
"""Characters of a traceback; its beginning is cut off."""

OUR_LOGGER: Final = "worker"
"""The parent of the worker's own loggers, which log from INFO on; libraries log from WARNING on."""


class JsonFormatter(logging.Formatter):
    """One JSON object in ASCII on one line, without line breaks and terminal control characters."""

    def __init__(self, bot_id: str | None, attempt: int | None) -> None:
        super().__init__()
        self._bot_id = bot_id
        self._attempt = attempt

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        event: dict[str, str | int | None] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "bot_id": self._bot_id,
            "attempt": self._attempt,
        }
        if record.exc_info:
            event["exception"] = redact(self.formatException(record.exc_info))[-TRACEBACK_LENGTH:]
        return json.dumps(event).replace("\x7f", "\\u007f")


class TextFormatter(logging.Formatter):
    """A line for people: the time of day, the level and the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end. Of an exception only its type and message are shown."""
        message = _message(record)
        if record.exc_info and (error := record.exc_info[1]) is not None:
            message += f" ({type(error).__name__}: {redact(str(error))})"
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


def configure_logging(bot_id: str | None, attempt: int | None, stream: TextIO, json_lines: bool) -> LogTail:
    """Sends the log to ``stream`` alone, as JSON lines or as text for people.

    ``bot_id`` and ``attempt`` go into every line; None: there is no job yet. Python's warnings become lines too. The handler
    that is returned keeps the last lines for a failure report.
    """
    json_formatter = JsonFormatter(bot_id, attempt)
    shown = logging.StreamHandler(stream)
    shown.setFormatter(json_formatter if json_lines else TextFormatter())
    tail = LogTail()
    tail.setFormatter(json_formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[shown, tail], force=True)
    logging.getLogger(OUR_LOGGER).setLevel(logging.INFO)
    logging.captureWarnings(True)
    return tail


def _time(record: logging.LogRecord) -> str:
    return iso_utc(record.created)


def _message(record: logging.LogRecord) -> str:
    message = redact(record.getMessage())
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"
