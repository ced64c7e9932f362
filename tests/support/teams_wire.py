"""Messages of a Teams call, as its page receives them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from worker.tape.events import PageObjects, SocketMessage, TapeStarted

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
) -> dict[str, Any]:
    """A roster entry; what is None is left out. ``places``: where its endpoint is, ``call`` and ``lobby``."""
    entry: dict[str, Any] = {"details": {"id": identity(number)}}
    if name is not None:
        entry["details"]["displayName"] = name
    if state is not None:
        entry["state"] = state
    if role is not None:
        entry["meetingRole"] = role
    if source is not None:
        streams = [
            {"type": "audio", "sourceId": source, "direction": direction},
            {"type": "video", "sourceId": source + 1, "direction": direction},
        ]
        entry["endpoints"] = {"e1": {place: {"mediaStreams": streams} for place in places}}
        if hidden:
            entry["endpoints"]["e1"]["endpointMetadata"] = {"__platform": {"ui": {"hidden": True}}}
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


def ended(sub_code: int | None, chain: str | None = "ours") -> SocketMessage:
    body = {} if sub_code is None else {"reason": {"code": 0, "subCode": sub_code}}
    return frame("/v4/f/abc/conversation/conversationEnd/", packed(body), chain)


def objects(*people: dict[str, Any]) -> PageObjects:
    payload = json.dumps({"participants": list(people)}).encode()
    return PageObjects(at=0, document=1, origin="callingDebug", payload=payload)
