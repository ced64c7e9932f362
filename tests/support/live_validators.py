"""Checks live messages field by field, as the vendors document them: what is missing, unknown or of another type is an error.

Written from the vendors' documents alone, not from the code that makes the messages. Recall.ai: the guide "How to get Separate
Audio per Participant (Realtime)", "Real-Time Event Payloads", and what its own receivers validate: numeric participant ids,
boolean ``is_host``, texts as ids, texts as values of metadata. MeetStream: live audio, and webhooks of participants.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from datetime import datetime
from typing import Any, NamedTuple

ACTIONS = frozenset(
    {
        "join",
        "leave",
        "update",
        "speech_on",
        "speech_off",
        "webcam_on",
        "webcam_off",
        "screenshare_on",
        "screenshare_off",
        "chat_message",
    }
)
ISOLATIONS = frozenset({"separated", "gated-mix"})
NO_SPEAKER = "NoSpeaker"

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z")


class Frame(NamedTuple):
    """A binary frame of MeetStream's live audio, read."""

    speaker_id: str
    speaker_name: str
    pcm: bytes


def check_recall(message: object) -> dict[str, Any]:
    """Checks any live message of Recall.ai, our own events included; returns it, read. Raises AssertionError."""
    document = _json(message)
    _fields(document, {"event", "data"}, "message")
    event = _text(document["event"], "event")
    data = document["data"]
    match event:
        case "audio_separate_raw.data":
            _envelope(data, "audio_separate")
            _fields(data["data"], {"buffer", "timestamp", "participant"}, "data.data")
            _samples(data["data"]["buffer"])
            _timestamp(data["data"]["timestamp"])
            _participant(data["data"]["participant"], with_sound=True)
        case "audio_separate_opus.data":
            _envelope(data, "audio_separate")
            inner = data["data"]
            _fields(inner, {"buffer", "timestamp", "participant", "samples", "position"}, "data.data")
            assert _base64(inner["buffer"]), "buffer: is empty"
            assert _integer(inner["samples"], "samples") > 0
            _integer(inner["position"], "position")
            _timestamp(inner["timestamp"])
            _participant(inner["participant"], with_sound=True)
        case "audio_mixed_raw.data":
            # One page of the vendor has the one name, another page the other.
            _envelope(data, "audio_mixed", "audio_mixed_raw")
            assert data["audio_mixed"] == data["audio_mixed_raw"]
            _fields(data["data"], {"buffer", "timestamp"}, "data.data")
            _samples(data["data"]["buffer"])
            _timestamp(data["data"]["timestamp"])
        case "realtime_endpoint.gap":
            _envelope(data)
            _fields(data["data"], {"seconds", "participant"}, "data.data")
            assert _number(data["data"]["seconds"], "seconds") >= 0
            if data["data"]["participant"] is not None:
                _participant(data["data"]["participant"], with_sound=False)
        case _:
            prefix, _, action = event.partition(".")
            assert (prefix, action in ACTIONS) == ("participant_events", True), f"event: {event!r}"
            _envelope(data, "participant_events")
            _fields(data["data"], {"participant", "timestamp", "data"}, "data.data")
            _participant(data["data"]["participant"], with_sound=False)
            _timestamp(data["data"]["timestamp"])
            if action == "chat_message":
                _fields(data["data"]["data"], {"text", "to"}, "data.data.data")
                _text(data["data"]["data"]["text"], "text")
                _text(data["data"]["data"]["to"], "to")
            else:
                assert data["data"]["data"] is None, "data.data.data: expected null"
    return document


def check_meetstream_text(message: object) -> dict[str, Any]:
    """Checks a text message of MeetStream's live audio: the first one, or ours of a gap. Raises AssertionError."""
    document = _json(message)
    kind = _text(document.get("type"), "type")
    if kind == "ready":
        _fields(document, {"type", "bot_id", "message"}, "message")
        assert _text(document["message"], "message")
    else:
        assert kind == "gap", f"type: {kind!r}"
        _fields(document, {"type", "bot_id", "seconds"}, "message")
        assert _number(document["seconds"], "seconds") >= 0
    assert _text(document["bot_id"], "bot_id")
    return document


def check_meetstream_frame(message: object) -> Frame:
    """Checks a binary frame of MeetStream's live audio; returns it, read. Raises AssertionError."""
    assert isinstance(message, bytes), f"frame: {type(message)}"
    assert message[0] == 1, f"first byte: {message[0]}"
    texts, at = [], 1
    for _ in range(2):
        (length,) = struct.unpack_from("<H", message, at)
        encoded = message[at + 2 : at + 2 + length]
        assert len(encoded) == length, "frame: ends within a text"
        texts.append(encoded.decode("utf-8"))
        at += 2 + length
    assert texts[0], "speaker id: is empty"
    pcm = message[at:]
    assert pcm, "frame: has no samples"
    assert len(pcm) % 2 == 0, f"frame: {len(pcm)} bytes of samples"
    return Frame(texts[0], texts[1], pcm)


def check_meetstream_event(message: object) -> dict[str, Any]:
    """Checks the body of MeetStream's webhook of one who joins or leaves. Raises AssertionError."""
    document = _json(message)
    _fields(document, {"event", "timestamp", "data", "custom_attributes"}, "message")
    _moment(document["timestamp"])
    _metadata(document["custom_attributes"], "custom_attributes")
    _fields(document["data"], {"data", "bot"}, "data")
    _resource(document["data"]["bot"], "bot")
    inner = document["data"]["data"]
    _fields(inner, {"action", "participant", "timestamp"}, "data.data")
    assert inner["action"] in {"join", "leave"}, f"action: {inner['action']!r}"
    assert document["event"] == f"participant_events.{inner['action']}"
    _timestamp(inner["timestamp"])
    _fields(inner["participant"], {"id", "name", "full_name", "platform"}, "participant")
    assert _text(inner["participant"]["id"], "participant.id")
    for field in ("name", "full_name"):
        _text_or_null(inner["participant"][field], field)
    _text(inner["participant"]["platform"], "participant.platform")
    return document


def _json(message: object) -> dict[str, Any]:
    assert isinstance(message, str), f"message: {type(message)}, expected a text"
    message.encode("utf-8")
    document = json.loads(message, parse_constant=_no_constant, object_pairs_hook=_unique)
    assert isinstance(document, dict)
    return document


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name}: is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs), f"fields twice: {pairs}"
    return dict(pairs)


def _fields(document: object, expected: set[str], where: str) -> None:
    assert isinstance(document, dict), f"{where}: {document!r}, expected an object"
    assert set(document) == expected, f"{where}: has {sorted(document)}, expected {sorted(expected)}"


def _envelope(data: object, *artifacts: str) -> None:
    _fields(data, {"data", "realtime_endpoint", "recording", "bot", *artifacts}, "data")
    assert isinstance(data, dict)
    for name in ("realtime_endpoint", "recording", "bot", *artifacts):
        _resource(data[name], name)


def _resource(resource: Any, where: str) -> None:
    _fields(resource, {"id", "metadata"}, where)
    assert _text(resource["id"], f"{where}.id")
    _metadata(resource["metadata"], f"{where}.metadata")


def _metadata(metadata: object, where: str) -> None:
    assert isinstance(metadata, dict), f"{where}: {metadata!r}"
    for name, value in metadata.items():
        assert isinstance(value, str), f"{where}.{name}: {value!r}, expected a text"


def _participant(participant: Any, *, with_sound: bool) -> None:
    _fields(participant, {"id", "name", "is_host", "platform", "extra_data", "email"}, "participant")
    assert 0 < _integer(participant["id"], "participant.id") < 2**31
    _text_or_null(participant["name"], "participant.name")
    assert isinstance(participant["is_host"], bool), f"is_host: {participant['is_host']!r}"
    _text_or_null(participant["platform"], "participant.platform")
    assert participant["email"] is None
    extra = participant["extra_data"]
    assert isinstance(extra, dict), f"extra_data: {extra!r}"
    assert _integer(extra["attempt"], "attempt") >= 1
    assert (extra.get("isolation") in ISOLATIONS) == with_sound, f"isolation: {extra.get('isolation')!r}"


def _samples(buffer: object) -> None:
    sound = _base64(buffer)
    assert sound, "buffer: is empty"
    assert len(sound) % 2 == 0, f"buffer: {len(sound)} bytes"


def _base64(buffer: object) -> bytes:
    return base64.b64decode(_text(buffer, "buffer"), validate=True)


def _timestamp(timestamp: Any) -> None:
    _fields(timestamp, {"relative", "absolute"}, "timestamp")
    assert isinstance(timestamp["relative"], float), f"relative: {timestamp['relative']!r}"
    _moment(timestamp["absolute"])


def _moment(text: object) -> None:
    moment = _text(text, "absolute")
    assert _ISO.fullmatch(moment), f"absolute: {moment!r}"
    datetime.fromisoformat(moment)


def _text(value: object, where: str) -> str:
    assert isinstance(value, str), f"{where}: {value!r}, expected a text"
    return value


def _text_or_null(value: object, where: str) -> None:
    assert value is None or isinstance(value, str), f"{where}: {value!r}"


def _integer(value: object, where: str) -> int:
    assert isinstance(value, int), f"{where}: {value!r}, expected an integer"
    assert not isinstance(value, bool), f"{where}: {value!r}, expected an integer"
    return value


def _number(value: object, where: str) -> float:
    return value if isinstance(value, float) else _integer(value, where)
