from __future__ import annotations

import base64
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canaries import found_in
from worker.monitoring.logs import KEPT_LINES, MESSAGE_LENGTH, JsonFormatter, TextFormatter, configure_logging
from worker.safe_text import Redactor, redact

SIGNED = (
    "https://bucket.s3.eu-central-1.amazonaws.com/bots/b1/audio.wav?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20260131T093000Z"
    "&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=FwoGZXIvYXdzEBY&X-Amz-Signature=5f1c0ffee"
)
logger = logging.getLogger("worker.tests")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("worker")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    root.handlers[:] = []
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        ours.setLevel(our_level)
        logging.captureWarnings(False)


def record(message: str, *arguments: Any) -> logging.LogRecord:
    return logging.LogRecord("worker.tests", logging.INFO, __file__, 1, message, arguments, None)


def test_a_line_is_one_json_object() -> None:
    stream = io.StringIO()
    configure_logging("bot-1", 2, stream, json_lines=True)
    before = datetime.now(UTC)
    logger.info("part %d of %s was uploaded", 3, "the tape")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    moment = datetime.fromisoformat(event.pop("time"))
    assert timedelta(milliseconds=-1) <= moment - before < timedelta(minutes=1)
    assert event == {
        "level": "info",
        "logger": "worker.tests",
        "message": "part 3 of the tape was uploaded",
        "bot_id": "bot-1",
        "attempt": 2,
    }


def test_before_a_job_is_known() -> None:
    stream = io.StringIO()
    configure_logging(None, None, stream, json_lines=True)
    logger.warning("no message")
    event = json.loads(stream.getvalue())
    assert (event["bot_id"], event["attempt"]) == (None, None)


def test_text_for_people_is_one_line() -> None:
    stream = io.StringIO()
    configure_logging("bot-1", 2, stream, json_lines=False)
    logger.info("Ada\x1b[31m\nsays hello")
    time, rest = stream.getvalue().split(" ", 1)
    assert datetime.strptime(time, "%H:%M:%S")
    assert rest == "info    Ada\ufffd[31m says hello\n"


def test_json_has_the_whole_traceback_and_text_only_the_exception() -> None:
    for json_lines in (True, False):
        stream = io.StringIO()
        configure_logging("bot-1", 1, stream, json_lines=json_lines)
        try:
            raise ValueError(f"cannot fetch {SIGNED}")
        except ValueError:
            logger.exception("the upload failed")
        (line,) = stream.getvalue().splitlines()
        assert "5f1c0ffee" not in line
        if json_lines:
            event = json.loads(line)
            assert event["message"] == "the upload failed"
            assert event["exception"].startswith("Traceback")
            assert "audio.wav?***" in event["exception"]
        else:
            assert "the upload failed (ValueError: cannot fetch https://bucket" in line


def test_libraries_log_from_warning_on() -> None:
    stream = io.StringIO()
    configure_logging("bot-1", 1, stream, json_lines=True)
    logging.getLogger("botocore").info("sending Authorization: AWS4-HMAC-SHA256 ...")
    logger.debug("detail")
    logging.getLogger("botocore").warning("slow")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["slow"]


def test_warnings_of_python_become_lines() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("bot-1", 1, stream, json_lines=True)
        warnings.warn("soon gone", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert "soon gone" in json.loads(stream.getvalue())["message"]


def test_a_second_configuration_takes_the_place_of_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    old = configure_logging("bot-1", 1, first, json_lines=True)
    new = configure_logging("bot-2", 1, second, json_lines=True)
    logger.info("hello")
    assert first.getvalue() == ""
    assert old.lines() == []
    assert new.lines() == second.getvalue().splitlines()


def test_the_last_lines_are_kept_as_json_also_with_text_output() -> None:
    tail = configure_logging("bot-1", 1, io.StringIO(), json_lines=False)
    for number in range(KEPT_LINES + 5):
        logger.info("line %d from %s", number, SIGNED)
    kept = [json.loads(line) for line in tail.lines()]
    assert len(kept) == KEPT_LINES
    assert kept[0]["message"].startswith("line 5 ")
    assert not any("5f1c0ffee" in event["message"] for event in kept)


def test_a_wrong_call_of_the_log_does_not_reach_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    tail = configure_logging("bot-1", 1, sys.stderr, json_lines=True)
    logger.info("%d parts", "three")
    logger.info("on we go")
    assert len(tail.lines()) == 1
    assert "Logging error" in capsys.readouterr().err


def test_a_long_message_is_cut() -> None:
    line = JsonFormatter("bot-1", 1).format(record("x" * 1_000_000))
    assert len(json.loads(line)["message"]) == MESSAGE_LENGTH


@given(st.text())
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    line = JsonFormatter("bot-1", 1).format(record("%s", text))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == redact(text)[:MESSAGE_LENGTH]
    assert len(TextFormatter().format(record("%s", text)).splitlines()) == 1


@pytest.mark.parametrize("json_lines", [True, False])
def test_the_log_has_no_secrets_of_the_job(json_lines: bool) -> None:
    stream = io.StringIO()
    tail = configure_logging("bot-1", 1, stream, json_lines=json_lines, redactor=Redactor(["Xk7mQ2"]))
    third_party = logging.getLogger("some.library")
    third_party.warning("got %s", {"coords": base64.b64encode(b'{"a":"Xk7mQ2"}')})
    try:
        raise ValueError("joined with Xk7mQ2")
    except ValueError:
        third_party.exception("it failed")
    logged = "\n".join([stream.getvalue(), *tail.lines()])
    assert "joined with" in logged
    assert not list(found_in(logged.encode(), ["Xk7mQ2"]))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "S3: put bots/b/attempts/0001/files/streams/Ada_Ray_abc123de_0.webm: no answer",
            "S3: put bots/b/attempts/0001/files/streams/***_abc123de_0.webm: no answer",
        ),
        (
            "No space left: '/w/streams/Zoë_abc123de_12.webm'",
            "No space left: '/w/streams/***_abc123de_12.webm'",
        ),
        ("put bots/b/audio.wav", "put bots/b/audio.wav"),
    ],
)
def test_a_stems_file_is_logged_without_its_speaker(message: str, shown: str) -> None:
    stream = io.StringIO()
    configure_logging("bot-1", 1, stream, json_lines=True)
    logger.info("%s", message)
    assert json.loads(stream.getvalue())["message"] == shown
