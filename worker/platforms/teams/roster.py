"""Decodes the raw roster messages of a Microsoft Teams call into a roster (pure).

Two kinds of evidence are merged: the roster messages that the page receives, and, weaker, the page's own objects. The messages
are frames on the page's own WebSocket, which say what changed, and the answers to its requests, which list everybody: who joins
late is told of the others only there. A fact stays until it is replaced, so a participant who left keeps their name. Somebody
whom a list lacks has not left. Who is in the call is known only as long as the document that was told.

Participants are active in the lobby, too. Who has an endpoint with ``call`` is in the call, who has only ``lobby`` waits. The
bot itself is in the call only by such an endpoint: the page's objects may list it while it waits. The source numbers of the
lobby are other participants' in the call, and are ignored.

The bot is known by its own id, which the page's objects name. Without it, it is known by its name, to which Teams adds words in
brackets in the page's language: of several participants with that name, one is the bot.

Frames of other calls come over the same socket; their chain id distinguishes them. Our call is the first in which the bot is
active, and remains ours while it is active. Until there is such a call, our call is the first that was mentioned. Frames
without a chain id belong to our call, and so do lists that have the bot or somebody of our call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from worker.platforms.teams.main_channel import parse_source
from worker.platforms.teams.trouter import (
    Frame,
    parse_whole,
    read_frame,
    read_json,
    read_participants,
    well_formed,
)
from worker.reasons import Reason
from worker.roster.roster import CallOver, Device, Evidence, Roster, SourceOwner, Status
from worker.roster.tenures import SourceOwners
from worker.tape.events import (
    DocumentClosed,
    PageObjects,
    RosterResponse,
    SocketMessage,
    TapeEvent,
    TapeStarted,
)

MAX_DEVICES = 10_000
MAX_CALLS = 16
"""Calls that are kept apart; frames of further ones are ignored."""
MAX_NAME_CHARACTERS = 1_000
MAX_LISTS = 4
"""Lists that are kept until our call is known."""
MAX_ENDPOINTS = 16
"""Endpoints of a participant whose mute is kept."""
MAX_OWN_IDS = 16
"""Ids of the bot that are kept: a reloaded page joins with another."""

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
_OPENING, _CLOSING = "([\uff08\u3010", ")]\uff09\u3011"
"""Brackets around what Teams adds to the names of guests and of external participants, in the page's language."""


class TeamsRosterDecoder:
    """Merges roster evidence. Invalid messages never raise: they are counted in ``undecodable``. ``harvested`` stays 0."""

    def __init__(self) -> None:
        self.undecodable = 0
        self.harvested = 0
        self._bot_name = ""
        self._own_ids: dict[str, None] = {}
        """The ids that the page's objects named as the bot's, at most MAX_OWN_IDS, the latest last."""
        self._lists: list[_List] = []
        """Lists that belong to no known call."""
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
                self._bot_name = self._bot_name or _plain(event.bot_name)
            case SocketMessage():
                self._document, self._at = event.document, event.at
                self._observe_frame(event.payload)
            case PageObjects():
                self._document, self._at = event.document, event.at
                self._observe_objects(event.payload)
                self._apply_lists()
            case RosterResponse():
                participants = read_participants(event.payload)
                if participants is not None:
                    self._lists = [*self._lists, _List(participants, event.document, event.at)][-MAX_LISTS:]
                    self._apply_lists()
            case DocumentClosed():
                self._forget_presence(event.document)
            case _:
                pass

    def roster(self) -> Roster:
        """The roster of our call as known so far."""
        layers = self._layers()
        ours = self._ours_in([call for _, call in layers])
        devices: dict[str, Device] = {}
        for device_id in dict.fromkeys(each for _, call in layers for each in call.devices):
            devices[device_id] = self._device(device_id, layers, is_us=device_id in ours)
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
            over=frames.over or frames.leg_over,
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
        if frame.kind in ("chat", "other"):
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
            if call.leg_over is not None and self._is_us_active(call, participants):
                call.leg_over = None
            self._apply_lists()
        elif frame.kind == "leg_end":
            call.leg_over = _ending(frame)
        else:
            call.over = _ending(frame)

    def _apply_lists(self) -> None:
        """Applies the lists that belong to our call as far as is known; the others wait."""
        call = self._calls.get(self._ours or "")
        if call is None:
            return
        waiting = []
        for each in self._lists:
            known = {*call.devices, *self._objects.devices, *self._own_ids}
            if known.isdisjoint(_device_id(key, entry) for key, entry in each.participants.items()):
                waiting.append(each)
            else:
                call.apply_participants(each.participants, each.document, each.at, only_newer=True)
        self._lists = waiting

    def _is_us_active(self, call: _CallFacts, participants: dict[str, object]) -> bool:
        """Whether an update shows the bot in the call or in its lobby."""
        told = {_device_id(key, entry) for key, entry in participants.items()}
        return any(call.devices[each].state is Status.IN for each in self._ours_in([call]) & told)

    def _forget_presence(self, document: int) -> None:
        """Applies that ``document`` is closed: we are not in its call any more, and of the others nothing is known."""
        for call in (self._objects, *self._calls.values()):
            ours = self._ours_in([call])
            for device_id, facts in call.devices.items():
                if facts.state is Status.IN and facts.status_from == document:
                    facts.state = Status.OUT if device_id in ours else Status.UNKNOWN

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
            and any(call.devices[each].state is Status.IN for each in self._ours_in([call]))
        )

    def _ours_in(self, calls: list[_CallFacts]) -> set[str]:
        """The ids of the bot's own entries in one call, of which ``calls`` are the kinds of evidence, the strongest first.

        At most one that has not left is taken for the bot's by its name alone; it is the one that came through the lobby.
        """
        ids = dict.fromkeys(device_id for call in calls for device_id in call.devices)
        named = self._named_as_bot(ids, calls)
        left = {each for each in named if _first(calls, each).state.is_gone}
        if ours := {each for each in ids if each in self._own_ids}:
            return ours | left
        here = [each for each in named if each not in left]
        here.sort(key=lambda each: not _first(calls, each).waited)
        return {*here[:1], *left}

    def _named_as_bot(self, ids: Iterable[str], calls: list[_CallFacts]) -> list[str]:
        """The participants who have the bot's name, or, if nobody has exactly that one, with words added."""
        if not self._bot_name:
            return []
        names = {each: _plain(_name(calls, each)) for each in ids}
        exactly = [each for each, name in names.items() if name == self._bot_name]
        return exactly or [each for each, name in names.items() if self._bot_name in _without_additions(name)]

    def _device(self, device_id: str, layers: list[tuple[Evidence, _CallFacts]], *, is_us: bool) -> Device:
        known = [(kind, call.devices[device_id]) for kind, call in layers if device_id in call.devices]
        name, name_evidence = next(
            ((facts.name, kind) for kind, facts in known if facts.name), (None, Evidence.NONE)
        )
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
        us = value.get("us") if isinstance(value, dict) else None
        if isinstance(us, str) and us:
            self._own_ids.pop(us, None)
            self._own_ids[well_formed(us)] = None
            if len(self._own_ids) > MAX_OWN_IDS:
                del self._own_ids[next(iter(self._own_ids))]
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
        self.waited = False
        """Whether they were ever in the lobby."""
        self.is_host = False
        self.muted: bool | None = None
        self.version = 0
        """Of the entry that was applied last."""
        self._muted_by_client: dict[str, bool] = {}
        """By endpoint, at most MAX_ENDPOINTS: what a client says stays when an update leaves it out."""

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

    def learn_mute(self, endpoints: object) -> None:
        """Applies what an update says of each endpoint: the client's own mute, that by others, and whether it can send."""
        muted = [
            each
            for name, endpoint in _named_endpoints(endpoints)
            if (each := self._is_muted(name, endpoint)) is not None
        ]
        if muted:
            self.muted = all(muted)

    def _is_muted(self, name: str, endpoint: dict[str, object]) -> bool | None:
        """Whether an endpoint is muted; None where that is not known. The stream of a muted client still sends."""
        said = _inner(endpoint, "endpointState", "state", "isMuted")
        if isinstance(said, bool) and (
            name in self._muted_by_client or len(self._muted_by_client) < MAX_ENDPOINTS
        ):
            self._muted_by_client[name] = said
        by_client = self._muted_by_client.get(name)
        known = [
            direction in _SENDING and stream.get("serverMuted") is not True
            for stream in _audio_streams([endpoint])
            if (direction := str(stream.get("direction")).lower()) in _SENDING | _NOT_SENDING
        ]
        if known and not any(known):
            return True
        return by_client if by_client is not None or not known else False


class _List(NamedTuple):
    """A list of participants that ``document`` received."""

    participants: dict[str, object]
    document: int
    at: float


class _CallFacts:
    """What is known of one call from one kind of evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self.devices: dict[str, _DeviceFacts] = {}
        self.owners = SourceOwners()
        self.over: CallOver | None = None
        self.leg_over: CallOver | None = None
        """The end of our connection to the call, until the roster shows us in it again."""
        self._evidence = evidence

    def apply_participants(
        self, participants: dict[str, object], document: int, at: float, *, only_newer: bool = False
    ) -> None:
        """Applies an update of the roster that ``document`` received; its entries may be partial.

        ``only_newer``: entries of an older version than what is known are ignored, as those of an answer that was overtaken.
        """
        for key, entry in participants.items():
            if not isinstance(entry, dict):
                continue
            details = entry.get("details")
            details = details if isinstance(details, dict) else {}
            device_id = _device_id(key, entry)
            version = parse_whole(entry.get("version")) or 0
            if only_newer and device_id in self.devices and version < self.devices[device_id].version:
                continue
            if self._is_hidden(device_id, details, entry.get("endpoints")):
                self.devices.pop(device_id, None)
                continue
            facts = self.device(device_id)
            if facts is None:
                continue
            facts.learn(details.get("displayName"), entry.get("state"), entry.get("meetingRole"), document)
            if facts.state is not Status.UNKNOWN:
                self.owners.show(device_id, gone=facts.state.is_gone, at=at)
            facts.version = version
            facts.places = _places(entry.get("endpoints")) or facts.places
            facts.waited |= "lobby" in facts.places
            facts.learn_mute(entry.get("endpoints"))
            for stream in _audio_streams(entry.get("endpoints")):
                self.assign(parse_source(stream.get("sourceId")), device_id, at)

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


def _name(calls: list[_CallFacts], device_id: str) -> str:
    """The name by the strongest evidence that has one, else empty."""
    known = (call.devices[device_id].name for call in calls if device_id in call.devices)
    return next(filter(None, known), "")


def _without_additions(name: str) -> Iterator[str]:
    """``name`` without the last words in brackets, without the last two, and so on."""
    depth, end = 0, len(name)
    for place in range(len(name) - 1, -1, -1):
        if name[place] in _CLOSING:
            depth += 1
        elif name[place] in _OPENING and depth:
            depth -= 1
            if not depth:
                end = place
                yield name[:place].rstrip()
        elif not depth and place < end and not name[place].isspace():
            return


def _first(calls: list[_CallFacts], device_id: str) -> _DeviceFacts:
    """The facts by the strongest evidence that has the participant."""
    return next(call.devices[device_id] for call in calls if device_id in call.devices)


def _device_id(key: str, entry: object) -> str:
    """The id of an entry: its details name it, or else its key."""
    named = _inner(entry, "details", "id")
    return well_formed(named if isinstance(named, str) else key)


def _endpoints(endpoints: object) -> Iterator[dict[str, object]]:
    for _, endpoint in _named_endpoints(endpoints):
        yield endpoint


def _named_endpoints(endpoints: object) -> Iterator[tuple[str, dict[str, object]]]:
    """Each endpoint with its id, which is empty in a list."""
    named = endpoints.items() if isinstance(endpoints, dict) else (("", each) for each in _list(endpoints))
    for name, endpoint in named:
        if isinstance(endpoint, dict):
            yield str(name), endpoint


def _inner(value: object, *keys: str) -> object:
    """The value at the end of a path of keys; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


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
    return _inner(endpoint, "endpointMetadata", "__platform", "ui", "hidden") is True


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
    what = "call" if frame.kind == "leg_end" else "conversation"
    return CallOver(
        reason=reason,
        detail=f"the call's signalling says that the {what} ended: {code_text}"
        + (f" ({frame.phrase})" if frame.phrase else ""),
        evidence=(f"frames.{what}_end.{'none' if code is None else code}",),
    )


def _plain(name: str) -> str:
    """A name in the form in which names are compared: without case and outer blanks."""
    return " ".join(name.casefold().split())


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
