"""Checks a job's values against a form: which are wrong, and which have no effect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from worker.contracts.json_body import JobError, dotted
from worker.safe_text import printable, redact

T = TypeVar("T", bound=msgspec.Struct)

MOST_IGNORED: Final = 100
"""Ignored fields that are listed at most; a last entry tells how many more there are."""

_AT: Final = " - at `$"
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_SHOWN_LENGTH: Final = 80


def check(values: Mapping[str, Any], form: type[T]) -> T:
    """``values`` as a ``form``. Raises JobError for the first value that has the wrong type or is out of bounds."""
    try:
        return msgspec.convert(values, form)
    except msgspec.ValidationError as error:
        path = _path(str(error))
        raise wrong(path, _value_at(values, path), _expected(_types_on(form, path)[-1])) from error


def check_secret(value: object, form: type[T], at: Sequence[str]) -> T:
    """``value``, the part of a job at ``at``, as a ``form``. Raises JobError, whose message does not repeat the value."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        inner = _path(str(error))
        path = [*at, *inner]
        expected = _expected(_types_on(form, inner)[-1])
        raise JobError(f"job: {dotted(path)}: a wrong value; expected {expected}", field=path) from None


def wrong(path: Sequence[str], value: object, expected: str) -> JobError:
    """The error for ``value`` in the field at ``path``."""
    return JobError(f"job: {dotted(path)}: {_shown(value)}; expected {expected}", field=path)


def ignored_fields(
    values: Mapping[str, Any], form: type[msgspec.Struct], also: Iterable[str] = ()
) -> list[str]:
    """The dotted names of the fields that are set although this version does not serve or know them, and those of ``also``.

    A field that is null, false, "" or [] counts as not set. An empty object counts as set: it is Recall.ai's way to turn a
    feature on. Of an unserved object only the outermost name is listed. The place in a list is a name: ``endpoints.0.url``.
    """
    names = [*(dotted(path) for path in _unserved_paths(values, _struct(_described(form)), [])), *also]
    if len(names) > MOST_IGNORED:
        return [*names[:MOST_IGNORED], f"… and {len(names) - MOST_IGNORED} more"]
    return names


@cache
def _described(form: type[msgspec.Struct]) -> inspect.Type:
    """The form as msgspec describes it: a millisecond's work, and the same for each job."""
    return inspect.type_info(form)


def _unserved_paths(
    values: Mapping[str, Any], form: inspect.StructType | None, path: list[str]
) -> Iterator[list[str]]:
    fields = {field.encode_name: field.type for field in form.fields} if form else {}
    for name, value in values.items():
        if value is None or value is False or value in ("", []):
            continue
        kind = fields.get(name)
        if kind is None:
            yield [*path, name]
        elif _extra(kind, "served") is False:
            if value != _extra(kind, "served_value"):
                yield [*path, name]
        elif isinstance(value, dict) and (inner := _struct(kind)):
            yield from _unserved_paths(value, inner, [*path, name])
        elif isinstance(value, list) and (inner := _struct_in_list(kind)):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _unserved_paths(item, inner, [*path, name, str(index)])


def _path(message: str) -> list[str]:
    """``Expected `float` >= 0.0 - at `$.a.b[0]``` -> a, b, 0."""
    _, found, path = message.rpartition(_AT)
    return [step[1] or step[2] for step in _STEP.finditer(path)] if found else []


def _value_at(values: Any, path: Sequence[str]) -> object:
    for step in path:
        values = values[int(step)] if isinstance(values, list) else values[step]
    return values


def _types_on(form: type[msgspec.Struct], path: Sequence[str]) -> list[inspect.Type]:
    """The types of the form and of each field on ``path``."""
    kinds = [_described(form)]
    for step in path:
        struct = _struct(kinds[-1])
        if struct is not None:
            kinds.append(next(field.type for field in struct.fields if field.encode_name == step))
        else:
            kinds.append(
                next(part.item_type for part in _parts(kinds[-1]) if isinstance(part, inspect.ListType))
            )
    return kinds


def _expected(kind: inspect.Type) -> str:
    if isinstance(words := _extra(kind, "expected"), str):
        return words
    return " or ".join(_words(part, _extra(kind, "unit")) for part in _parts(kind))


def _words(kind: inspect.Type, unit: object) -> str:
    match kind:
        case inspect.FloatType():
            return f"a number of {unit} from {kind.ge:g} to {kind.le:g}"
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            return "a text"
        case inspect.ListType():
            return "a list"
        case _:
            return "an object"


def _parts(kind: inspect.Type) -> Iterator[inspect.Type]:
    """The types that ``kind`` allows, without null."""
    match kind:
        case inspect.Metadata():
            yield from _parts(kind.type)
        case inspect.UnionType():
            for part in kind.types:
                yield from _parts(part)
        case inspect.NoneType():
            return
        case _:
            yield kind


def _struct(kind: inspect.Type) -> inspect.StructType | None:
    return next((part for part in _parts(kind) if isinstance(part, inspect.StructType)), None)


def _struct_in_list(kind: inspect.Type) -> inspect.StructType | None:
    """The struct that items of a list are; None for another type."""
    items = (part.item_type for part in _parts(kind) if isinstance(part, inspect.ListType))
    return next(filter(None, map(_struct, items)), None)


def _extra(kind: inspect.Type, key: str) -> object:
    """The value of ``key`` in the ``extra`` of a field; None if it has none."""
    match kind:
        case inspect.Metadata():
            return (kind.extra or {}).get(key, _extra(kind.type, key))
        case inspect.UnionType():
            return next((value for part in kind.types if (value := _extra(part, key)) is not None), None)
        case _:
            return None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return printable(repr(redact(value)), _SHOWN_LENGTH)
    return printable(redact(json.dumps(value, ensure_ascii=False)), _SHOWN_LENGTH)
