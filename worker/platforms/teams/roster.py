"""Decodes the raw roster messages of a Microsoft Teams call into a roster (pure).

Two kinds of evidence are merged: the roster frames on the page's own WebSocket, and, weaker, the page's own objects. A fact
stays until it is replaced, so a participant who left keeps their name. Who is in the call is known only as long as the document
that was told.

Participants are active in the lobby, too. Who has an endpoint with ``call`` is in the call, who has only ``lobby`` waits. The
bot itself is in the call only by such an endpoint: the page's objects may list it while it waits. The source numbers of the
lobby are other participants' in the call, and are ignored.

Frames of other calls come over the same socket; their chain id distinguishes them. Our call is the first in which a
participant with the bot's name is active, and remains ours while that participant is active. Until there is such a call, our
call is the first that was mentioned. Frames without a chain id belong to our call.
"""

from __future__ import annotations

from collections.abc import Iterator

from worker.platforms.teams.main_channel import parse_source
from worker.platforms.teams.trouter import Frame, read_frame, read_json, well_formed
from worker.reasons import Reason
from worker.roster.roster import CallOver, Device, Evidence, Roster, SourceOwner, Status
from worker.roster.tenures import SourceOwners
from worker.tape.events import DocumentClosed, PageObjects, SocketMessage, TapeEvent, TapeStarted

MAX_DEVICES = 10_000
MAX_CALLS = 16
"""Calls that are kept apart; frames of further ones are ignored."""
MAX_NAME_CHARACTERS = 1_000

_ENDINGS = {
    5854: Reason.DENIED_BY_HOST,
    5723: Reason.SIGN_IN_REQUIRED,
    5000: Reason.REMOVED,
    5300: Reason.REMOVED,
}
"""Why a conversation ended for us, by its sub-code; any other sub-code: the meeting ended."""
_STATUS = {"active": Status.IN, "inactive": Status.OUT}
_SENDING = frozenset({"sendrecv", "sendonly", "sendreceive"})
_NOT_SENDING = frozenset({"recvonly", "receiveonly", "inactive"})
_HOST = "organizer"
_APPLICATION = "28:"
"""How the ids of applications begin. Teams' own recorder is one that has no name and stays as long as the recording."""
_SUFFIXES = (" (guest)", " (unverified)", " (external)")
"""What Teams adds to the names of guests and external participants."""


class TeamsRosterDecoder:
    """Merges roster evidence. Invalid messages never raise: they are counted in ``undecodable``. ``harvested`` stays 0."""

    def __init__(self) -> None:
        self.undecodable = 0
        self.harvested = 0
        self._bot_name = ""
        self._calls: dict[str, _CallFacts] = {}
        """By chain id."""
        self._ours: str | None = None
        self._objects = _CallFacts(Evidence.OBJECTS)
        self._document = 0
        """The document of the message that is being read."""
        self._at = 0.0
        """The time of the message that is being read."""

    def observe(self, event: TapeEvent) -> None:
        """Adds one event of the tape; events without roster evidence are ignored."""
        match event:
            case TapeStarted():
                self._bot_name = self._bot_name or _comparable(event.bot_name)
            case SocketMessage():
                self._document, self._at = event.document, event.at
                self._observe_frame(event.payload)
            case PageObjects():
                self._document, self._at = event.document, event.at
                self._observe_objects(event.payload)
            case DocumentClosed():
                self._forget_presence(event.document)
            case _:
                pass

    def roster(self) -> Roster:
        """The roster of our call as known so far."""
        layers = self._layers()
        devices: dict[str, Device] = {}
        for device_id in dict.fromkeys(each for _, call in layers for each in call.devices):
            devices[device_id] = self._device(device_id, layers)
        sources = {
            source: _owner(source, layers)
            for source in dict.fromkeys(each for _, call in layers for each in call.owners)
        }
        frames, objects = (call for _, call in layers)
        return Roster(
            devices=devices,
            sources=sources,
            tenures={
                **{
                    source: owners
                    for source, owners in objects.owners.changed_hands().items()
                    if source not in frames.owners
                },
                **frames.owners.changed_hands(),
            },
            over=frames.over,
        )

    def tenure(self, source: int, at: float) -> int:
        """See RosterDecoder. Of the evidence that knows the source the strongest counts."""
        for _, call in self._layers():
            if source in call.owners:
                return call.owners.tenure(source, at)
        return 0

    def _layers(self) -> list[tuple[Evidence, _CallFacts]]:
        """What is known of our call, the strongest evidence first."""
        ours = self._calls.get(self._ours or "") or _CallFacts(Evidence.FRAMES)
        return [(Evidence.FRAMES, ours), (Evidence.OBJECTS, self._objects)]

    def _observe_frame(self, payload: bytes) -> None:
        frame = read_frame(payload)
        if frame is None:
            self.undecodable += payload.startswith(b"3:::")
            return
        if frame.kind == "other":
            return
        call = self._call(frame.chain_id)
        if call is None:
            return
        if frame.kind == "roster":
            participants = frame.body.get("participants")
            if not isinstance(participants, dict):
                self.undecodable += 1
                return
            call.apply_participants(participants, self._document, self._at)
            self._choose_ours(frame.chain_id)
        else:
            call.over = _ending(frame)

    def _forget_presence(self, document: int) -> None:
        """Applies that ``document`` is closed: we are not in its call any more, and of the others nothing is known."""
        for facts in [
            each for call in (self._objects, *self._calls.values()) for each in call.devices.values()
        ]:
            if facts.state is Status.IN and facts.status_from == document:
                facts.state = Status.OUT if self._is_us(facts.name) else Status.UNKNOWN

    def _call(self, chain_id: str) -> _CallFacts | None:
        """The facts of a call, created at its first mention; None where MAX_CALLS are known."""
        chain_id = chain_id or self._ours or ""
        if chain_id not in self._calls and len(self._calls) >= MAX_CALLS:
            return None
        if self._ours is None:
            self._ours = chain_id
        return self._calls.setdefault(chain_id, _CallFacts(Evidence.FRAMES))

    def _choose_ours(self, chain_id: str) -> None:
        if self._ours is None or not self._is_in(self._ours):
            chain_id = chain_id or self._ours or ""
            if self._is_in(chain_id):
                self._ours = chain_id

    def _is_in(self, chain_id: str) -> bool:
        call = self._calls.get(chain_id)
        return (
            call is not None
            and call.over is None
            and any(
                facts.status in (Status.IN, Status.WAITING) and self._is_us(facts.name)
                for facts in call.devices.values()
            )
        )

    def _is_us(self, name: str) -> bool:
        return bool(self._bot_name) and _comparable(name) == self._bot_name

    def _device(self, device_id: str, layers: list[tuple[Evidence, _CallFacts]]) -> Device:
        known = [(kind, call.devices[device_id]) for kind, call in layers if device_id in call.devices]
        name, name_evidence = next(
            ((facts.name, kind) for kind, facts in known if facts.name), (None, Evidence.NONE)
        )
        is_us = name is not None and self._is_us(name)
        return Device(
            device_id=device_id,
            name=name,
            name_evidence=name_evidence,
            display_name=name,
            is_us=is_us,
            is_host=any(facts.is_host for _, facts in known),
            status=_status([facts for _, facts in known], is_us=is_us),
            muted=next((facts.muted for _, facts in known if facts.muted is not None), None),
        )

    def _observe_objects(self, payload: bytes) -> None:
        """Objects are a snapshot: a missing participant has left. An empty snapshot means that the page shows no call, and is
        ignored.
        """
        value = read_json(payload)
        participants = value.get("participants") if isinstance(value, dict) else None
        if not isinstance(participants, list):
            self.undecodable += 1
            return
        present = {
            well_formed(entry["id"]): entry
            for entry in participants
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
        for device_id, entry in present.items():
            if device_id.startswith(_APPLICATION) and not entry.get("name"):
                continue
            facts = self._objects.device(device_id)
            if facts is not None:
                facts.state, facts.status_from = Status.IN, self._document
                self._objects.owners.show(device_id, gone=False, at=self._at)
                facts.learn(entry.get("name"), entry.get("state"), entry.get("role"), self._document)
                for source in _list(entry.get("sources")):
                    self._objects.assign(parse_source(source), device_id, self._at)
        for device_id, facts in self._objects.devices.items():
            if present and device_id not in present:
                facts.state = Status.OUT
                self._objects.owners.show(device_id, gone=True, at=self._at)


class _DeviceFacts:
    """What is known of one participant from one kind of evidence."""

    def __init__(self) -> None:
        self.name = ""
        self.state = Status.UNKNOWN
        self.status_from = 0
        """The document that was told the status."""
        self.places: frozenset[str] = frozenset()
        """Where their endpoints are, ``call`` and ``lobby``; empty until an update says it."""
        self.is_host = False
        self.muted: bool | None = None

    @property
    def status(self) -> Status:
        """The state, with the lobby told apart."""
        waits = self.state is Status.IN and bool(self.places) and "call" not in self.places
        return Status.WAITING if waits else self.state

    @property
    def is_in_call(self) -> bool:
        """Whether an endpoint of theirs is known to be in the call."""
        return self.state is Status.IN and "call" in self.places

    def learn(self, name: object, state: object, role: object, document: int) -> None:
        """Applies an update that ``document`` received; what it leaves out stays unchanged."""
        if isinstance(name, str) and name.strip():
            self.name = well_formed(name[:MAX_NAME_CHARACTERS])
        if isinstance(state, str) and state.lower() in _STATUS:
            self.state, self.status_from = _STATUS[state.lower()], document
            if self.state.is_gone:
                self.places = frozenset()
        if isinstance(role, str):
            self.is_host = role.lower() == _HOST


class _CallFacts:
    """What is known of one call from one kind of evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self.devices: dict[str, _DeviceFacts] = {}
        self.owners = SourceOwners()
        self.over: CallOver | None = None
        self._evidence = evidence

    def apply_participants(self, participants: dict[str, object], document: int, at: float) -> None:
        """Applies an update of the roster that ``document`` received; its entries may be partial."""
        for key, entry in participants.items():
            if not isinstance(entry, dict):
                continue
            details = entry.get("details")
            details = details if isinstance(details, dict) else {}
            named = details.get("id")
            device_id = well_formed(named if isinstance(named, str) else key)
            if self._is_hidden(device_id, details, entry.get("endpoints")):
                self.devices.pop(device_id, None)
                continue
            facts = self.device(device_id)
            if facts is None:
                continue
            facts.learn(details.get("displayName"), entry.get("state"), entry.get("meetingRole"), document)
            if facts.state is not Status.UNKNOWN:
                self.owners.show(device_id, gone=facts.state.is_gone, at=at)
            facts.places = _places(entry.get("endpoints")) or facts.places
            self._apply_streams(device_id, facts, entry.get("endpoints"), at)

    def _is_hidden(self, device_id: str, details: dict[str, object], endpoints: object) -> bool:
        """Whether an entry is of no person: the client does not list it, or it is an application that never had a name."""
        hidden = [_is_hidden_endpoint(endpoint) for endpoint in _endpoints(endpoints)]
        if details.get("hidden") is True or (hidden and all(hidden)):
            return True
        nameless = device_id not in self.devices and not details.get("displayName")
        return nameless and device_id.startswith(_APPLICATION)

    def device(self, device_id: str) -> _DeviceFacts | None:
        """A participant's facts, created at the first mention; None where the id is empty or MAX_DEVICES are known."""
        known = self.devices.get(device_id)
        if known is None and device_id and len(self.devices) < MAX_DEVICES:
            known = self.devices[device_id] = _DeviceFacts()
        return known

    def assign(self, source: int | None, device_id: str, at: float) -> None:
        """Assigns a source to a participant; the latest assignment counts."""
        if source is not None:
            self.owners.assign(source, device_id, self._evidence, at)

    def _apply_streams(self, device_id: str, facts: _DeviceFacts, endpoints: object, at: float) -> None:
        sending: list[bool] = []
        for stream in _audio_streams(endpoints):
            self.assign(parse_source(stream.get("sourceId")), device_id, at)
            direction = str(stream.get("direction")).lower()
            if direction in _SENDING | _NOT_SENDING:
                sending.append(direction in _SENDING and stream.get("serverMuted") is not True)
        if sending:
            facts.muted = not any(sending)


def _endpoints(endpoints: object) -> Iterator[dict[str, object]]:
    for endpoint in endpoints.values() if isinstance(endpoints, dict) else _list(endpoints):
        if isinstance(endpoint, dict):
            yield endpoint


def _places(endpoints: object) -> frozenset[str]:
    """Where the endpoints are: ``call``, ``lobby``, both, or empty where an update does not say."""
    return frozenset(
        place
        for endpoint in _endpoints(endpoints)
        for place in ("call", "lobby")
        if isinstance(endpoint.get(place), dict)
    )


def _status(known: list[_DeviceFacts], *, is_us: bool) -> Status:
    """The status by the strongest evidence that knows one; of the bot itself, only an endpoint shows that it is in the call."""
    for facts in known:
        status = facts.status
        if status is Status.UNKNOWN or (is_us and status is Status.IN and not facts.is_in_call):
            continue
        return status
    return Status.UNKNOWN


def _is_hidden_endpoint(endpoint: dict[str, object]) -> bool:
    """Whether the client is told to list no such participant: ``endpointMetadata.__platform.ui.hidden``."""
    value: object = endpoint
    for key in ("endpointMetadata", "__platform", "ui", "hidden"):
        value = value.get(key) if isinstance(value, dict) else None
    return value is True


def _audio_streams(endpoints: object) -> Iterator[dict[str, object]]:
    """The audio streams of all of a participant's endpoints. Video streams are left out: their ids are not audio sources."""
    for endpoint in _endpoints(endpoints):
        call = endpoint.get("call")
        for stream in _list(call.get("mediaStreams") if isinstance(call, dict) else None):
            if isinstance(stream, dict) and str(stream.get("type")).lower() == "audio":
                yield stream


def _owner(source: int, layers: list[tuple[Evidence, _CallFacts]]) -> SourceOwner:
    """The owner of a source, by the strongest evidence."""
    known = [call.owners.owner(source) for _, call in layers if source in call.owners]
    device_id = known[0].device_id
    return SourceOwner(
        device_id=device_id,
        evidence=tuple(kind for each in known if each.device_id == device_id for kind in each.evidence),
        contested=any(each.contested or each.device_id != device_id for each in known),
    )


def _ending(frame: Frame) -> CallOver:
    code = frame.sub_code
    reason = _ENDINGS.get(code or 0, Reason.MEETING_ENDED)
    code_text = "no sub-code" if code is None else f"sub-code {code}"
    return CallOver(
        reason=reason,
        detail=f"the call's signalling says that the conversation ended: {code_text}",
        evidence=(f"frames.conversation_end.{'none' if code is None else code}",),
    )


def _comparable(name: str) -> str:
    """A name in the form in which names are compared: without case, outer blanks and Teams' suffixes."""
    plain = " ".join(name.casefold().split())
    for suffix in _SUFFIXES:
        plain = plain.removesuffix(suffix)
    return plain


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
