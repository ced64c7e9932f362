"""Messages of a Teams call with all that the real client's have, in the form of a guest's join in November 2025.

People, ids and numbers are made up. Each endpoint has a block of source ids: its audio, its camera, its share 11 and its data
12 later; the blocks of two endpoints begin 213 apart.
"""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from typing import Any, Final, Literal

from worker.tape.events import SocketMessage

CHAIN: Final = "0c2f7f0e-57a1-4e0b-9b39-6d5a4f1f6a11"
FIRST_SOURCE: Final = 201
SOURCES_APART: Final = 213
RECORDER: Final = "28:6f3f2f5e-0d64-4f5a-8a55-0c8d5a7c9e21"


def source(endpoint: int) -> int:
    """The audio source of the ``endpoint``-th endpoint that joined (from 0)."""
    return FIRST_SOURCE + SOURCES_APART * endpoint


def participant(
    identity: str,
    name: str | None,
    endpoint: int,
    *,
    places: tuple[Literal["call", "lobby"], ...] = ("call",),
    muted: bool | None = None,
    hidden: bool = False,
    direction: str = "sendrecv",
    version: int = 1,
) -> dict[str, Any]:
    """A participant's whole entry. ``muted`` is what its client says; its stream stays open."""
    streams = [
        {
            "type": kind,
            "label": label,
            "sourceId": source(endpoint) + offset,
            "direction": way,
            "serverMuted": places == ("lobby",) and kind == "audio",
            "notInDefaultRoutingGroup": False,
            "subType": [],
        }
        for kind, label, offset, way in (
            ("audio", "main-audio", 0, direction),
            ("video", "main-video", 1, "recvonly"),
            ("applicationsharing-video", "applicationsharing-video", 11, "recvonly"),
            ("data", "data", 12, "sendrecv"),
        )
    ]
    made: dict[str, Any] = {place: {"mediaStreams": streams} for place in places}
    made |= {
        "endpointCapabilities": 67,
        "clientEndpointCapabilities": 267010,
        "participantId": _uuid(f"participant {identity}"),
        "endpointMetadata": {"__platform": {"ui": {"hidden": True}}} if hidden else {},
        "languageId": "en-us",
        "endpointJoinTime": "2025-11-20T09:30:00.1230000Z",
        "modalityJoined": ",".join(place.capitalize() for place in reversed(places)),
    }
    if muted is not None:
        made["endpointState"] = {"endpointStateSequenceNumber": 3 + version, "state": {"isMuted": muted}}
    return {
        "version": version,
        "state": "active",
        "details": {
            "id": identity,
            "displayName": name,
            "displayNameSource": "unknown",
            "propertyBag": None,
            "participantType": "anonymous",
            "hidden": hidden,
        },
        "endpoints": {_uuid(f"endpoint {identity}"): made},
        "role": "guest",
        "meetingRole": "presenter",
    }


def roster_update(number: int, *people: dict[str, Any]) -> SocketMessage:
    """A frame of the roster's changes: gzip in base64."""
    body = {
        "participants": {each["details"]["id"]: each for each in people},
        "type": "Delta",
        "sequenceNumber": number,
        "participantCounts": {"totalParticipants": len(people), "lobbyParticipants": 0},
    }
    packed = base64.b64encode(gzip.compress(json.dumps(body).encode(), mtime=0)).decode()
    return _request(number, "conversation/rosterUpdate/", packed)


def conversation_end(number: int, sub_code: int, phrase: str, by: str | None = None) -> SocketMessage:
    """The end of the conversation, in plain JSON; inside it the end of the service's own transaction, which always succeeds."""
    sender = None if by is None else {"id": by, "displayName": "Holly", "hidden": False}
    body = {
        "code": 0,
        "subCode": sub_code,
        "phrase": phrase,
        "sender": sender,
        "resultCategories": ["Success"],
        "callControllerTransactionEnd": {
            "reason": "noError",
            "sender": sender,
            "code": 0,
            "subCode": 0,
            "phrase": "CallEndReasonLocalUserInitiated",
        },
        "conversationType": "default",
    }
    return _request(number, "conversation/conversationEnd/", json.dumps(body))


def conversation_update(number: int) -> SocketMessage:
    """A change of the conversation's own properties, which says nothing of anybody."""
    body = {"enforceConsentToJoin": False, "meetingEndToEndEncryptionEnabled": False}
    return _request(number, "conversation/conversationUpdate/", json.dumps(body))


def _request(number: int, path: str, body: str) -> SocketMessage:
    request = {
        "id": number,
        "method": "POST",
        "url": f"/v4/f/Jx9/callAgent/{_uuid('agent')}/{path}",
        "headers": {
            "Content-Type": "application/json; charset=utf-8",
            "X-Microsoft-Skype-Chain-ID": CHAIN,
            "X-Microsoft-Skype-Message-ID": _uuid(f"message {number}"),
        },
        "body": body,
    }
    payload = b"3:::" + json.dumps(request).encode()
    return SocketMessage(at=float(number), document=1, url="wss://trouter.test/v4/c", payload=payload)


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
