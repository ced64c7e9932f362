"""The document of the API: what Litestar cannot see in the routes, since bodies are read by worker.contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    Operation,
    RequestBody,
    Schema,
    SecurityScheme,
)

from worker.server.errors import Vendor


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """MeetStream's body of an error, and of an answer that is not ready."""

    message: str


class CodedError(msgspec.Struct, frozen=True, kw_only=True):
    """Recall.ai's body of an error that is not about fields; about fields it is an object of field → texts."""

    code: str
    detail: str


_MEANING: Final = {
    200: "The bot that there is already",
    202: "Not ready yet",
    400: "The request is wrong",
    401: "No valid key",
    403: "The key is wrong, or not allowed to do this",
    404: "There is no such thing",
    405: "Not in this state",
    409: "Conflicts with an earlier request, or the bot is one of another version of the server",
    413: "The body is too large",
    429: "Too many requests; see Retry-After",
    501: "Not served yet",
    503: "The store or the queue does not answer",
    507: "A replay of an earlier request: the bot that it made",
}

_REFERENCE: Final = "#/definitions/"

_ALWAYS: Final = (400,)
"""Statuses that every route answers: a request whose Host is none."""

_WITH_KEY: Final = (401, 409, 429, 503)

NEEDS_KEY: Final[list[dict[str, list[str]]]] = [{"key": []}]
"""The ``security`` of routes behind worker.server.access."""


def responses(vendor: Vendor, *statuses: int) -> dict[int, ResponseSpec]:
    """The answers of a route beside its own success, with those that every route has."""
    body: Any = Message if vendor is Vendor.MEETSTREAM else CodedError | dict[str, list[str]]
    match vendor:
        case Vendor.MEETSTREAM:
            own: tuple[int, ...] = (*_WITH_KEY, 403)
        case Vendor.RECALL:
            own = _WITH_KEY
        case Vendor.OURS:
            own = ()
    documented: dict[int, ResponseSpec] = {}
    for status in sorted({*_ALWAYS, *own, *statuses}):
        kind: Any = dict[str, Any] if status in (200, 202, 507) else body
        documented[status] = ResponseSpec(kind, description=_MEANING[status], generate_examples=False)
    return documented


@cache
def body_of(form: type[msgspec.Struct], *, partial: bool = False) -> type[Operation]:
    """An operation that takes a JSON body in ``form``; ``partial``: with any of its fields."""
    _, definitions = msgspec.json.schema_components((form,), ref_template=_REFERENCE + "{name}")
    schema = _inlined(definitions[form.__name__], definitions)
    if partial:
        schema = {**schema, "required": []}

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            content = {"application/json": OpenAPIMediaType(_Raw(schema))}
            self.request_body = RequestBody(content=content, required=True)

    return WithBody


def components() -> Components:
    """How a key is sent."""
    key = SecurityScheme(type="apiKey", name="Authorization", security_scheme_in="header")
    return Components(security_schemes={"key": key})


class _Raw(Schema):
    """A JSON Schema as msgspec writes it."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__()
        self._schema = schema

    def to_schema(self) -> dict[str, Any]:
        """See Schema."""
        return self._schema


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """``schema`` with each reference replaced by what it refers to: Litestar takes no schemas but those of its own routes."""
    match schema:
        case {"$ref": str() as reference}:
            return _inlined(definitions[reference.removeprefix(_REFERENCE)], definitions)
        case dict():
            return {name: _inlined(value, definitions) for name, value in schema.items()}
        case list():
            return [_inlined(value, definitions) for value in schema]
        case _:
            return schema
