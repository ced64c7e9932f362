"""Reads the text of a job into plain values that every later stage can represent and write as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from worker.errors import InputError
from worker.safe_text import printable

MAX_BODY_BYTES: Final = 256 * 1024
"""The largest job. Events repeat parts of it, and SQS took messages of at most 256 KiB until 2025 (AWS, "Amazon SQS message
quotas"); compatible servers still do."""

MAX_DEPTH: Final = 32
"""Levels of nesting that a job may have; both vendors' own fields need six."""

_INTEGERS: Final = range(-(2**63), 2**64)
"""Integers that JSON libraries of other languages can represent: signed or unsigned, in 64 bits."""
_NAME_LENGTH: Final = 120
_KEY_LENGTH: Final = 48


class JobError(InputError):
    """A job is invalid. The message is one line: the field, its value, and what was expected.

    ``bot_id`` is the job's, None if it could not be read. ``field`` is the path of the field, empty if it is not one field.
    """

    def __init__(self, message: str, bot_id: str | None = None, field: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.bot_id = bot_id
        self.field = tuple(field)


def read_json(body: bytes | str) -> object:
    """The JSON value (RFC 8259) in ``body``. Raises JobError.

    Also refused: names that occur twice (§4), numbers that other readers cannot represent (§6), unpaired surrogates (§8.2),
    more than MAX_BODY_BYTES, and more than MAX_DEPTH levels. A byte order mark is skipped.
    """
    value = _parse(_decode(body))
    _check(value, [])
    return value


def dotted(path: Sequence[str]) -> str:
    """A field's name for messages: ``recording_config.transcript``, on one line of bounded length."""
    return printable(".".join(printable(key, _KEY_LENGTH) for key in path), _NAME_LENGTH)


def type_name(value: object) -> str:
    """The JSON type of ``value``, with an article; null, true and false as they are."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _decode(body: bytes | str) -> str:
    try:
        data = body.encode() if isinstance(body, str) else body
        if len(data) > MAX_BODY_BYTES:
            raise JobError(f"job: {len(data)} bytes; expected at most {MAX_BODY_BYTES}")
        return data.decode("utf-8-sig")
    except UnicodeError as error:
        raise JobError("job: is not UTF-8; expected a JSON object in UTF-8") from error


def _parse(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise JobError(f"job: is not JSON ({error.msg}, {where}); expected a JSON object") from error
    except RecursionError as error:
        raise JobError(f"job: nested too deeply; expected at most {MAX_DEPTH} levels") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise JobError(f"job: {dotted([name])}: occurs twice; expected once")
        fields[name] = value
    return fields


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _too_large(digits)
    return number


def _integer(digits: str) -> int:
    # Python's int() refuses more than 4300 digits.
    if len(digits) > 20 or int(digits) not in _INTEGERS:
        raise _too_large(digits)
    return int(digits)


def _too_large(digits: str) -> JobError:
    return JobError(f"job: the number {printable(digits, 24)} is out of range; expected at most 64 bits")


def _refuse_constant(name: str) -> NoReturn:
    raise JobError(f"job: {name} is not JSON; expected a finite number")


def _check(value: object, path: list[str]) -> None:
    if len(path) > MAX_DEPTH:
        raise JobError(f"job: {dotted(path)}: nested too deeply; expected at most {MAX_DEPTH} levels")
    match value:
        case str() if not _is_unicode(value):
            raise JobError(f"job: {dotted(path)}: has an unpaired surrogate; expected Unicode text")
        case dict():
            for key, child in value.items():
                _check_inside(key, key, path)
                _check_inside(key, child, path)
        case list():
            for index, child in enumerate(value):
                _check_inside(str(index), child, path)


def _check_inside(key: str, child: object, path: list[str]) -> None:
    path.append(key)
    _check(child, path)
    path.pop()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
