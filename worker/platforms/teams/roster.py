"""Decodes the raw roster messages of a Microsoft Teams call into a roster (pure).

Two kinds of evidence are merged: the roster messages that the page receives, and, weaker, the page's own objects. The messages
are frames on the page's own WebSocket, which say what changed, and the answers to its requests, which list everybody: a client
that joins late learns of the others only there. A fact stays until it is replaced, so a participant who left keeps their name.
Somebody whom a list lacks has not left. A presence in the call is known only as long as the document that received it is open.

Participants are active in the lobby, too. A participant with an endpoint ``call`` is in the call, one with only ``lobby``
waits. The bot itself is in the call only by such an endpoint: the page's objects may list it while it waits. The source
numbers of the lobby are other participants' in the call, and are ignored.

Frames of other calls come over the same socket; their chain id distinguishes them. Our call is the first in which the bot is
active, and remains ours while it is active. Until there is such a call, our call is the first that was mentioned. Frames
without a chain id belong to our call, and so do lists that have the bot or somebody of our call.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.platforms.teams.call_end import call_over
from worker.platforms.teams.call_facts import APPLICATION, CallFacts, DeviceFacts
from worker.platforms.teams.main_channel import parse_source
from worker.platforms.teams.own_entries import OwnEntries
from worker.platforms.teams.roster_entries import as_list, device_id_of
from worker.platforms.teams.trouter import read_frame, read_json, read_participants, well_formed
from worker.roster.roster import Device, Evidence, Roster, SourceOwner, Status
from worker.tape.events import (
    DocumentClosed,
    PageObjects,
    RosterResponse,
    SocketMessage,
    TapeEvent,
    TapeStarted,
)

MAX_CALLS = 16
"""Calls that are kept apart; frames of further ones are ignored."""
MAX_LISTS = 4
"""Lists that are kept until our call is known."""


class TeamsRosterDecoder:
    """Merges roster evidence. Invalid messages never raise: they are counted in ``undecodable``. ``harvested`` stays 0."""

    def __init__(self) -> None:
        self.undecodable = 0
        self.harvested = 0
        self._own = OwnEntries()
        self._lists: list[_List] = []
        """Lists that belong to no known call."""
        self._calls: dict[str, CallFacts] = {}
        """By chain id."""
        self._ours: str | None = None
        self._objects = CallFacts(Evidence.OBJECTS)
        self._document = 0
        """The document of the message that is being read."""
        self._at = 0.0
        """The time of the message that is being read."""

    def observe(self, event: TapeEvent) -> None:
        """Adds one event of the tape; events without roster evidence are ignored."""
        match event:
            case TapeStarted():
                self._own.learn_name(event.bot_name)
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
        ours = self._own.among([call for _, call in layers])
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

    def camera_tenure(self, source: int, at: float) -> int:
        """The number of the tenure of a camera's source at ``at``, as known by now; 0 for its first owner."""
        return self._call_now().cameras.tenure(source, at)

    def share_tenure(self, source: int, at: float) -> int:
        """The same of a screen's source."""
        return self._call_now().shares.tenure(source, at)

    def camera_owner(self, source: int, tenure: int) -> str | None:
        """The participant whose camera that source is in this tenure; None: not known."""
        owner = self._call_now().cameras.owner_in(source, tenure)
        return None if owner is None else owner.device_id

    def share_owner(self, source: int, tenure: int) -> str | None:
        """The participant whose screen that source is in this tenure; None: not known."""
        owner = self._call_now().shares.owner_in(source, tenure)
        return None if owner is None else owner.device_id

    def has_video(self, source: int) -> bool:
        """Whether ``source`` is a known camera or screen."""
        call = self._call_now()
        return source in call.cameras or source in call.shares

    def _layers(self) -> list[tuple[Evidence, CallFacts]]:
        """What is known of our call, the strongest evidence first."""
        return [(Evidence.FRAMES, self._call_now()), (Evidence.OBJECTS, self._objects)]

    def _call_now(self) -> CallFacts:
        """What the frames say of our call, as far as it is known which one is ours."""
        return self._calls.get(self._ours or "") or CallFacts(Evidence.FRAMES)

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
            call.leg_over = call_over(frame)
        else:
            call.over = call_over(frame)

    def _apply_lists(self) -> None:
        """Applies the lists that belong to our call as far as is known; the others wait."""
        call = self._calls.get(self._ours or "")
        if call is None:
            return
        waiting = []
        for each in self._lists:
            known = {*call.devices, *self._objects.devices, *self._own.ids}
            if known.isdisjoint(device_id_of(key, entry) for key, entry in each.participants.items()):
                waiting.append(each)
            else:
                call.apply_participants(each.participants, each.document, each.at, only_newer=True)
        self._lists = waiting

    def _is_us_active(self, call: CallFacts, participants: dict[str, object]) -> bool:
        """Whether an update shows the bot in the call or in its lobby."""
        told = {device_id_of(key, entry) for key, entry in participants.items()}
        return any(call.devices[each].state is Status.IN for each in self._own.among([call]) & told)

    def _forget_presence(self, document: int) -> None:
        """Applies that ``document`` is closed: we are not in its call any more, and of the others nothing is known."""
        for call in (self._objects, *self._calls.values()):
            ours = self._own.among([call])
            for device_id, facts in call.devices.items():
                if facts.state is Status.IN and facts.status_from == document:
                    facts.state = Status.OUT if device_id in ours else Status.UNKNOWN

    def _call(self, chain_id: str) -> CallFacts | None:
        """The facts of a call, created at its first mention; None where MAX_CALLS are known."""
        chain_id = chain_id or self._ours or ""
        if chain_id not in self._calls and len(self._calls) >= MAX_CALLS:
            return None
        if self._ours is None:
            self._ours = chain_id
        return self._calls.setdefault(chain_id, CallFacts(Evidence.FRAMES))

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
            and any(call.devices[each].state is Status.IN for each in self._own.among([call]))
        )

    def _device(self, device_id: str, layers: list[tuple[Evidence, CallFacts]], *, is_us: bool) -> Device:
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
            camera=next((facts.camera for _, facts in known if facts.camera is not None), None),
            shares=next((facts.shares for _, facts in known if facts.shares is not None), None),
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
            self._own.learn_id(us)
        present = {
            well_formed(entry["id"]): entry
            for entry in participants
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
        for device_id, entry in present.items():
            if device_id.startswith(APPLICATION) and not entry.get("name"):
                continue
            facts = self._objects.device(device_id)
            if facts is not None:
                facts.state, facts.status_from = Status.IN, self._document
                self._objects.show(device_id, gone=False, at=self._at)
                facts.learn(entry.get("name"), entry.get("state"), entry.get("role"), self._document)
                for source in as_list(entry.get("sources")):
                    self._objects.assign(parse_source(source), device_id, self._at)
        for device_id, facts in self._objects.devices.items():
            if present and device_id not in present:
                facts.state = Status.OUT
                self._objects.show(device_id, gone=True, at=self._at)


class _List(NamedTuple):
    """A list of participants that ``document`` received."""

    participants: dict[str, object]
    document: int
    at: float


def _status(known: list[DeviceFacts], *, is_us: bool) -> Status:
    """The status by the strongest evidence that knows one; of the bot itself, only an endpoint shows that it is in the call."""
    for facts in known:
        status = facts.status
        if status is Status.UNKNOWN or (is_us and status is Status.IN and not facts.is_in_call):
            continue
        return status
    return Status.UNKNOWN


def _owner(source: int, layers: list[tuple[Evidence, CallFacts]]) -> SourceOwner:
    """The owner of a source, by the strongest evidence."""
    known = [call.owners.owner(source) for _, call in layers if source in call.owners]
    device_id = known[0].device_id
    return SourceOwner(
        device_id=device_id,
        evidence=tuple(kind for each in known if each.device_id == device_id for kind in each.evidence),
        contested=any(each.contested or each.device_id != device_id for each in known),
    )
