"""Messages of a Teams call, as its page receives them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from worker.tape.events import PageObjects, RosterResponse, SocketMessage, TapeStarted

BOT = "Notetaker"


def begun(bot_name: str = BOT) -> TapeStarted:
    return TapeStarted(
        at=0, version=2, platform="microsoft_teams", meeting_url="https://teams.test", bot_name=bot_name
    )


def person(
    number: int,
    name: str | None = None,
    *,
    source: int | None = None,
    state: str | None = "active",
    role: str | None = None,
    direction: str = "sendrecv",
    places: Sequence[str] = ("call",),
    hidden: bool = False,
    muted: bool | None = None,
    by_others: bool = False,
    version: int | None = None,
) -> dict[str, Any]:
    """A roster entry; what is None is left out. ``places``: where its endpoint is, ``call`` and ``lobby``.

    ``muted`` is the client's own mute, ``by_others`` that by an organizer.
    """
    entry: dict[str, Any] = {"details": {"id": identity(number)}}
    if version is not None:
        entry["version"] = version
    if name is not None:
        entry["details"]["displayName"] = name
    if state is not None:
        entry["state"] = state
    if role is not None:
        entry["meetingRole"] = role
    if source is not None:
        streams = [
            {"type": "audio", "sourceId": source, "direction": direction, "serverMuted": by_others},
            {"type": "video", "sourceId": source + 1, "direction": direction},
        ]
        entry["endpoints"] = {"e1": {place: {"mediaStreams": streams} for place in places}}
        if hidden:
            entry["endpoints"]["e1"]["endpointMetadata"] = {"__platform": {"ui": {"hidden": True}}}
    if muted is not None:
        said = {"endpointStateSequenceNumber": 8, "state": {"isMuted": muted}}
        entry.setdefault("endpoints", {}).setdefault("e1", {})["endpointState"] = said
    return entry


def identity(number: int) -> str:
    return f"8:teamsvisitor:{number:04}"


def packed(body: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(body).encode())).decode()


def frame(url: str, body: object, chain: str | None = "ours") -> SocketMessage:
    headers = {} if chain is None else {"X-Microsoft-Skype-Chain-ID": chain}
    message = json.dumps({"id": 1, "method": "POST", "url": url, "headers": headers, "body": body})
    return SocketMessage(at=0, document=1, url="wss://trouter.test/v4/c", payload=b"3:::" + message.encode())


def roster(*people: dict[str, Any], chain: str | None = "ours") -> SocketMessage:
    body = {"participants": {each["details"]["id"]: each for each in people}}
    return frame("/v4/f/abc/rosterUpdate/", packed(body), chain)


def listed(*people: dict[str, Any], at: float = 0.0) -> RosterResponse:
    """The answer of the conversation service that lists everybody."""
    body = {"conversation": {"participants": {each["details"]["id"]: each for each in people}}}
    url = "https://api.flightproxy.teams.microsoft.com/api/v2/ep/conv/abc"
    return RosterResponse(at=at, document=1, url=url, payload=json.dumps(body).encode())


def written(text: str, **resource: object) -> SocketMessage:
    """A chat message in HTML, of the second participant; ``resource`` replaces fields of its resource."""
    known = {
        "id": "1",
        "messagetype": "RichText/Html",
        "content": text,
        "from": f"https://teams.test/v1/users/ME/contacts/{identity(2)}",
        "imdisplayname": "Ada",
        "originalarrivaltime": "2025-11-14T20:16:01.4284415Z",
        "threadtype": "meeting",
    }
    body = {"type": "EventMessage", "resourceType": "NewMessage", "resource": {**known, **resource}}
    return frame("/v4/f/abc/messaging", json.dumps(body))


def ended(sub_code: int | None, chain: str | None = "ours") -> SocketMessage:
    body = {} if sub_code is None else {"reason": {"code": 0, "subCode": sub_code}}
    return frame("/v4/f/abc/conversation/conversationEnd/", packed(body), chain)


def leg_ended(sub_code: int, phrase: str = "", chain: str | None = "ours") -> SocketMessage:
    """The end of one connection to the call, in plain JSON with the inner code that such frames have."""
    body = {"code": 0, "subCode": sub_code, "phrase": phrase, "callControllerTransactionEnd": {"subCode": 0}}
    return frame("/v4/f/abc/callAgent/c/s/call/end/", json.dumps(body), chain)


def objects(*people: dict[str, Any], us: str | None = None) -> PageObjects:
    own = {} if us is None else {"us": us}
    payload = json.dumps({**own, "participants": list(people)}).encode()
    return PageObjects(at=0, document=1, origin="callingDebug", payload=payload)
