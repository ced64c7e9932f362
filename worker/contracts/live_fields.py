"""The fields of live streams that both vendors' create-bot bodies share, and their readers (pure).

Sources: Recall.ai's "Real-Time Endpoints", "Real-Time Websocket Endpoints" and "Real-Time Webhook Endpoints"
(docs.recall.ai); MeetStream's guide to live audio and its plugin for agents (docs.meetstream.ai).

What leads to a receiver, or lets somebody into it, is secret: no message repeats a value of these fields. A wrong value costs
its endpoint, not the recording: a job that comes by the queue has no one to refuse it. The API refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Meta

from worker.contracts.json_body import JobError, dotted
from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_OPUS,
    AUDIO_SEPARATE,
    PARTICIPANT_EVENTS,
    LiveEndpoint,
    LiveFault,
    LiveForm,
    Transport,
)
from worker.contracts.live_items import Action
from worker.contracts.validation import check_secret
from worker.delivery.queue_text import ascii_json
from worker.safe_text import SHORTEST_SECRET, Redactor, Secret

MOST_ENDPOINTS: Final = 20
"""Endpoints of a job. Each has a buffer and a connection."""

LONGEST_URL: Final = 2048
"""Characters of an endpoint's URL, as of a webhook's."""

MOST_HEADERS: Final = 20
"""Headers of an endpoint."""

LONGEST_HEADER: Final = 4096
"""Characters of a header's value: bearer tokens have up to about 2,000, and servers take lines of 8,192."""

MOST_METADATA_BYTES: Final = 16 * 1024
"""Of an endpoint's metadata as JSON in ASCII: each message repeats them, some fifty a second for each speaker."""

_SCHEMES: Final[Mapping[Transport, frozenset[str]]] = MappingProxyType(
    {Transport.WEBSOCKET: frozenset({"ws", "wss"}), Transport.WEBHOOK: frozenset({"http", "https"})}
)

_WITH_TLS: Final = frozenset({"wss", "https"})

_PARTICIPANTS: Final = frozenset(f"{PARTICIPANT_EVENTS}{action}" for action in Action)
_AUDIO: Final = frozenset({AUDIO_SEPARATE, AUDIO_MIXED, AUDIO_OPUS})

RECALL_EVENTS: Final[Mapping[Transport, frozenset[str]]] = MappingProxyType(
    {Transport.WEBSOCKET: _PARTICIPANTS | _AUDIO, Transport.WEBHOOK: _PARTICIPANTS}
)
"""Events that are served in Recall.ai's form; a webhook gets no sound."""

MEETSTREAM_EVENTS: Final[Mapping[Transport, frozenset[str]]] = MappingProxyType(
    {Transport.WEBHOOK: frozenset(f"{PARTICIPANT_EVENTS}{action}" for action in (Action.JOIN, Action.LEAVE))}
)
"""Events that are served in MeetStream's form, which has no endpoint of type websocket."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""A header's name (RFC 9110, section 5.6.2)."""
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_PRINTABLE: Final = re.compile(r"[!-~]+")

_RESERVED: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
"""Headers that belong to the request itself (RFC 9110, RFC 6455) or to its signature."""
_RESERVED_START: Final = ("sec-websocket-", "proxy-", "x-meetstream-")

_LONG_SEGMENT: Final = 16
"""Characters from which on a part of a URL's path may be a token."""

_HIDDEN: Final = "***"

_ENDPOINTS: Final = ("recording_config", "realtime_endpoints")
_LIVE_AUDIO: Final = "live_audio_required"
"""The fields."""

_URL_WORDS: Final[Mapping[Transport, str]] = MappingProxyType(
    {
        Transport.WEBSOCKET: f"an address like wss://live.example/path of at most {LONGEST_URL} ASCII characters",
        Transport.WEBHOOK: f"an address like https://live.example/path of at most {LONGEST_URL} ASCII characters",
    }
)

EndpointUrl: TypeAlias = Annotated[
    str,
    Meta(
        description="Where to: wss:// or ws:// for a WebSocket, https:// or http:// for a webhook. Dialled as it is.",
        extra_json_schema={"format": "uri", "maxLength": LONGEST_URL},
        extra={"expected": f"an address of at most {LONGEST_URL} characters"},
    ),
]

Metadata: TypeAlias = Annotated[
    dict[str, str],
    Meta(
        description="Returned in each message; all values are texts.",
        extra={"expected": "an object whose values are texts"},
    ),
]

Headers: TypeAlias = Annotated[
    dict[str, str],
    Meta(
        description=f"An extension: at most {MOST_HEADERS} headers for each request there. Kept secret.",
        extra={"expected": "an object whose values are texts"},
    ),
]


class RealtimeEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of live messages."""

    type: (
        Annotated[
            str, Meta(description="websocket or webhook are served; others are kept and listed as ignored.")
        ]
        | None
    ) = None
    url: EndpointUrl | None = None
    events: (
        Annotated[
            list[str],
            Meta(
                description="Names of events; those that are not served are kept and listed as ignored.",
                extra={"expected": "a list of names of events"},
            ),
        ]
        | None
    ) = None
    metadata: Metadata | None = None
    headers: Headers | None = None


RealtimeEndpoints: TypeAlias = Annotated[
    list[RealtimeEndpoint],
    Meta(
        max_length=MOST_ENDPOINTS,
        description="Where what is said and what happens is sent while the meeting runs.",
    ),
]


class LiveAudio(msgspec.Struct, frozen=True, kw_only=True):
    """MeetStream's live audio."""

    websocket_url: EndpointUrl | None = None


LiveAudioRequired: TypeAlias = Annotated[
    LiveAudio,
    Meta(
        description="Where each speaker's sound is sent while the meeting runs.",
    ),
]


class LiveFields(NamedTuple):
    """Endpoints that are served, the dotted names of what is not, and what is wrong; that is ignored, too."""

    endpoints: tuple[LiveEndpoint, ...] = ()
    ignored: tuple[str, ...] = ()
    faults: tuple[LiveFault, ...] = ()

    def and_those_of(self, other: LiveFields) -> LiveFields:
        """Both together."""
        return LiveFields(
            self.endpoints + other.endpoints, self.ignored + other.ignored, self.faults + other.faults
        )


def without_live(values: Mapping[str, Any]) -> dict[str, Any]:
    """A create-bot body without the fields that are read here."""
    kept = {name: value for name, value in values.items() if name != _LIVE_AUDIO}
    config = kept.get(_ENDPOINTS[0])
    if isinstance(config, Mapping):
        kept[_ENDPOINTS[0]] = {name: value for name, value in config.items() if name != _ENDPOINTS[1]}
    return kept


def read_endpoints(
    values: Mapping[str, Any], form: LiveForm, served: Mapping[Transport, Collection[str]], first: int = 0
) -> LiveFields:
    """The endpoints of ``recording_config.realtime_endpoints`` in the body ``values``, numbered from ``first`` on. ``served``
    are the events of each type; an endpoint without any of them is ignored.
    """
    given = (values.get(_ENDPOINTS[0]) or {}).get(_ENDPOINTS[1])
    if _is_not_set(given):
        return LiveFields()
    if not isinstance(given, list) or len(given) > MOST_ENDPOINTS:
        words = f"a list of at most {MOST_ENDPOINTS} endpoints"
        return _left_out(_ENDPOINTS, _wrong(_ENDPOINTS, "a wrong value", words))
    found = LiveFields()
    for index, value in enumerate(given):
        path = [*_ENDPOINTS, str(index)]
        number = first + len(found.endpoints)
        try:
            more = _read_endpoint(path, value, form, served, number)
        except JobError as error:
            more = _left_out(path, error)
        found = found.and_those_of(more)
    return found


def read_live_audio(values: Mapping[str, Any]) -> LiveFields:
    """The endpoint of MeetStream's ``live_audio_required`` in the body ``values``, the first of its job."""
    given = values.get(_LIVE_AUDIO)
    if _is_not_set(given):
        return LiveFields()
    path = [_LIVE_AUDIO, "websocket_url"]
    try:
        url = check_secret(given, LiveAudio, path[:1]).websocket_url
        url = _read_url(path, url, Transport.WEBSOCKET, "in the path or the query")
    except JobError as error:
        return _left_out(path[:1], error)
    endpoint = LiveEndpoint(
        number=0, form=LiveForm.MEETSTREAM_AUDIO, transport=Transport.WEBSOCKET, url=url, field=dotted(path)
    )
    return LiveFields((endpoint,))


def hide_live_secrets(redactor: Redactor, endpoints: Sequence[LiveEndpoint]) -> Redactor:
    """``redactor`` that hides headers of ``endpoints``, too, and what may be a token in their URLs."""
    secrets = dict.fromkeys(secret for endpoint in endpoints for secret in _secrets(endpoint))
    return redactor.also(*map(Secret, secrets))


def without_headers(body: Mapping[str, Any]) -> dict[str, Any]:
    """A create-bot body with ``***`` in place of the values of its endpoints' headers."""
    config = body.get("recording_config")
    endpoints = config.get("realtime_endpoints") if isinstance(config, Mapping) else None
    if not isinstance(config, Mapping) or not isinstance(endpoints, list):
        return dict(body)
    shown = [_without_headers(endpoint) for endpoint in endpoints]
    return {**body, "recording_config": {**config, "realtime_endpoints": shown}}


def is_of_request(header: str) -> bool:
    """Whether a header belongs to the request itself, its connection or its signature, so that nobody else sets it."""
    name = header.lower()
    return name in _RESERVED or name.startswith(_RESERVED_START)


def schemes_of(transport: Transport, *, plain: bool) -> frozenset[str]:
    """The schemes of URLs that are dialled; ``plain``: those without TLS, too."""
    return _SCHEMES[transport] if plain else _SCHEMES[transport] & _WITH_TLS


def _without_headers(endpoint: Any) -> Any:
    headers = endpoint.get("headers") if isinstance(endpoint, Mapping) else None
    if not headers:
        return endpoint
    shown = dict.fromkeys(headers, _HIDDEN) if isinstance(headers, Mapping) else _HIDDEN
    return {**endpoint, "headers": shown}


def _secrets(endpoint: LiveEndpoint) -> list[str]:
    parts = urlsplit(endpoint.url)
    found = [parts.query]
    found += [value for _, value in parse_qsl(parts.query)]
    found += [segment for segment in parts.path.split("/") if len(segment) >= _LONG_SEGMENT]
    for value in endpoint.headers.values():
        # A scheme such as Bearer before a token is none.
        found += [value, *value.split(" ")[1:]]
    return [secret for secret in found if len(secret) >= SHORTEST_SECRET]


def _is_not_set(value: object) -> bool:
    """As worker.contracts.validation.ignored_fields has it."""
    return value is None or value is False or value in ("", [])


def _left_out(path: Sequence[str], error: JobError) -> LiveFields:
    return LiveFields(ignored=(dotted(path),), faults=(LiveFault(error.field, str(error)),))


def _read_endpoint(
    path: Sequence[str],
    value: object,
    form: LiveForm,
    served: Mapping[Transport, Collection[str]],
    number: int,
) -> LiveFields:
    """Raises JobError."""
    given = check_secret(value, RealtimeEndpoint, path)
    if given.type is None:
        raise _wrong([*path, "type"], "missing", "websocket or webhook")
    transport = next((each for each in served if each == given.type), None)
    if transport is None:
        return LiveFields(ignored=(dotted(path),))
    url = _read_url([*path, "url"], given.url, transport, "in headers")
    metadata = _read_metadata([*path, "metadata"], given.metadata)
    headers = _read_headers([*path, "headers"], given.headers)
    names = list(dict.fromkeys(given.events or ()))
    events = tuple(name for name in names if name in served[transport])
    ignored = tuple(dotted([*path, "events", name]) for name in names if name not in events)
    if not events:
        return LiveFields(ignored=ignored or (dotted(path),))
    endpoint = LiveEndpoint(
        number=number,
        form=form,
        transport=transport,
        url=url,
        events=events,
        metadata=metadata,
        headers=headers,
        field=dotted([*path, "url"]),
    )
    return LiveFields((endpoint,), ignored)


def _read_url(path: Sequence[str], url: str | None, transport: Transport, secrets: str) -> str:
    """``secrets`` says where they belong, as they are not taken before the host: a library may drop them, or send them in
    place of a header. Raises JobError.
    """
    if not url:
        raise _wrong(path, "missing", _URL_WORDS[transport])
    if len(url) > LONGEST_URL or not _PRINTABLE.fullmatch(url) or not _leads(url, _SCHEMES[transport]):
        raise _wrong(path, _HIDDEN, _URL_WORDS[transport])
    if "@" in urlsplit(url).netloc:
        raise _wrong(path, "a user name or password before the host", f"none there, but {secrets}")
    return url


def _leads(url: str, schemes: frozenset[str]) -> bool:
    try:
        parts = urlsplit(url)
        # A fragment is no part of a request (RFC 6455, section 3).
        return parts.scheme in schemes and bool(parts.hostname) and not parts.fragment
    except ValueError:
        return False


def _read_metadata(path: Sequence[str], metadata: dict[str, str] | None) -> dict[str, str]:
    size = len(ascii_json(metadata))
    if size > MOST_METADATA_BYTES:
        raise _wrong(path, f"{size} bytes", f"at most {MOST_METADATA_BYTES}")
    return metadata or {}


def _read_headers(path: Sequence[str], headers: dict[str, str] | None) -> dict[str, str]:
    if headers is None:
        return {}
    if len(headers) > MOST_HEADERS:
        raise _wrong(path, f"{len(headers)} headers", f"at most {MOST_HEADERS}")
    if len({name.lower() for name in headers}) < len(headers):
        raise _wrong(path, "the same name twice", "names that differ not only in upper and lower case")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise _wrong(path, "a name that no header can have", "letters, digits and hyphens")
        if is_of_request(name):
            raise _wrong([*path, name], "cannot be set", "a header that is not the request's own")
        if value == _HIDDEN:
            raise _wrong([*path, name], "the sign for a hidden value", "the value itself")
        if len(value) > LONGEST_HEADER or not _VALUE.fullmatch(value):
            words = f"1 to {LONGEST_HEADER} printable ASCII characters, no blank at either end"
            raise _wrong([*path, name], _HIDDEN, words)
    return headers


def _wrong(path: Sequence[str], shown: str, expected: str) -> JobError:
    return JobError(f"job: {dotted(path)}: {shown}; expected {expected}", field=path)
