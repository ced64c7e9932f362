"""Decodes the raw roster messages of a Google Meet call into a roster (pure).

Four kinds of evidence are merged, because each is missing in some calls: the ``collections`` data channel, what has the form
of a roster fact on another channel, the answers to the page's own roster requests, and the tiles of the DOM. A fact stays
until it is replaced, so a participant who left keeps their name. Who is in the call is known only as long as the document that
was told. All are updates, not snapshots, but for the answers: one that lists the bot lists everybody in the call.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from msgspec import structs

from worker.platforms.meet.collections_pb2 import (
    Collections,
    DeviceOutput,
    SyncMeetingSpaceCollectionsResponse,
    Update,
    User,
    UserList,
)
from worker.platforms.meet.compression import MAX_MESSAGE_BYTES, unpack
from worker.platforms.meet.protobuf_harvest import (
    DEVICE_ID,
    DEVICE_PART,
    harvest_names,
    harvest_outputs,
    harvest_users,
    harvest_video_outputs,
    is_protobuf,
)
from worker.platforms.meet.tiles import presenter, shown_name, waits
from worker.reasons import Reason
from worker.roster.roster import CallOver, Device, Evidence, Roster, Status
from worker.roster.sources import LOUDEST_MARKER
from worker.roster.tenures import MAX_SOURCES, SourceOwners
from worker.tape.events import ChannelMessage, DocumentClosed, RosterResponse, TapeEvent, TilesSeen

MAX_DEVICES = 10_000
MAX_NAME_CHARACTERS = 1_000
MAX_STREAM_CHARACTERS = 200
"""Of a video's stream id; one that is longer is ignored."""

_VIDEO = 2
_IS_US_FIELD = 7
STALE_ANSWER = 5.0
"""Seconds for which an answer to a roster request may be older than a pushed message: a device that was pushed as gone is not
back in the call because such an answer lists it."""

MISSING_FOR = 10.0
"""Seconds for which whole lists must lack a participant who has left: twice as long as an answer may be old."""

_STATUS = {1: Status.IN, 6: Status.OUT, 7: Status.REMOVED}
_REMOVED = CallOver(
    reason=Reason.REMOVED,
    detail="the roster says that we were removed",
    evidence=("roster.own_status_removed",),
)


def is_roster_push(event: TapeEvent) -> bool:
    """Whether the event is a message by which Meet pushes its roster, unasked."""
    return isinstance(event, ChannelMessage) and event.label == "collections" and not event.sent


class MeetRosterDecoder:
    """Merges roster evidence. Invalid messages never raise: they are counted in ``undecodable``.

    ``harvested`` counts the messages in which only the schema-less search found anything: a sign that the schema has changed.
    """

    def __init__(self) -> None:
        self.undecodable = 0
        self.harvested = 0
        self._devices: dict[str, _DeviceFacts] = {}
        self._owners = SourceOwners()
        self._video_owners = SourceOwners()
        """By the number that ``_videos`` gives a stream id."""
        self._videos: dict[str, int] = {}
        self._document = 0
        """The document of the message that is being read."""
        self._at = 0.0
        """The time of the message that is being read."""

    def observe(self, event: TapeEvent) -> None:
        """Adds one event of the tape; events without roster evidence are ignored."""
        match event:
            case ChannelMessage(label="collections"):
                self._document, self._at = event.document, event.at
                self._observe_collections(event.payload)
            case ChannelMessage(sent=False):
                self._document, self._at = event.document, event.at
                self._observe_channel(event.payload)
            case RosterResponse():
                self._document, self._at = event.document, event.at
                self._observe_response(event.payload)
            case DocumentClosed():
                for facts in self._devices.values():
                    facts.forget_presence(event.document)
            case TilesSeen():
                self._at = event.at
                self._observe_tiles(event)
            case _:
                pass

    def roster(self) -> Roster:
        """The roster as known so far."""
        devices = _with_presenters({device_id: facts.device() for device_id, facts in self._devices.items()})
        removed = any(device.is_us and device.status is Status.REMOVED for device in devices.values())
        return Roster(
            devices=devices,
            sources={source: self._owners.owner(source) for source in self._owners},
            tenures=self._owners.changed_hands(),
            over=_REMOVED if removed else None,
        )

    def tenure(self, source: int, at: float) -> int:
        """See RosterDecoder."""
        return self._owners.tenure(source, at)

    def owner_in(self, source: int, tenure: int) -> str | None:
        """The device whose source that is in this tenure, by the platform's messages; None: not known. A number in a tile may
        be its sound's or its video's.
        """
        owner = self._owners.owner_in(source, tenure)
        named = owner is not None and any(each.strength > Evidence.TILES.strength for each in owner.evidence)
        return owner.device_id if owner is not None and named else None

    def video_tenure(self, stream_id: str, at: float) -> int:
        """The number of the tenure of a video's media stream at ``at``, as known by now; 0 for its first owner."""
        number = self._videos.get(stream_id)
        return 0 if number is None else self._video_owners.tenure(number, at)

    def video_owner_in(self, stream_id: str, tenure: int) -> str | None:
        """The device whose output the media stream is in this tenure; None: not known."""
        number = self._videos.get(stream_id)
        owner = None if number is None else self._video_owners.owner_in(number, tenure)
        return None if owner is None else owner.device_id

    def _observe_collections(self, payload: bytes) -> None:
        data = unpack(payload)
        if data is None:
            self.undecodable += 1
            return
        try:
            update = Collections.FromString(data).body.update
        except DecodeError:
            update = Update()
        outputs, users = update.device_outputs.outputs, update.people.list.users
        self._apply_outputs(outputs, Evidence.COLLECTIONS)
        self._apply_users(users, Evidence.COLLECTIONS)
        self._apply_cameras(outputs)
        videos = [(each.stream_id, each.device_id) for each in outputs if each.type == _VIDEO]
        for stream_id, device_id in videos if outputs else harvest_video_outputs(data):
            self._assign_video(stream_id, device_id)
        if not outputs:
            self._harvest(data, Evidence.COLLECTIONS, names_too=not users)

    def _observe_channel(self, payload: bytes) -> None:
        """A message of a channel that is for something else: only what has the whole form of a fact counts."""
        data = unpack(payload)
        if data is None or DEVICE_PART not in data:
            return
        for stream_id, device_id in harvest_outputs(data):
            self._assign(stream_id, device_id, Evidence.CHANNELS)
        for device_id, name in harvest_users(data):
            facts = self._device(device_id)
            if facts is not None:
                facts.learn_name(Evidence.CHANNELS, full="", display=name)

    def _observe_response(self, payload: bytes) -> None:
        data = _unwrap_base64(payload)
        if len(data) > MAX_MESSAGE_BYTES:
            self.undecodable += 1
            return
        try:
            users = SyncMeetingSpaceCollectionsResponse.FromString(data).collections.list.users
        except DecodeError:
            users = UserList().users
        self._apply_users(users, Evidence.RPC)
        self._note_missing({user.device_id for user in users})
        self._harvest(data, Evidence.RPC, names_too=not users)

    def _note_missing(self, listed: set[str]) -> None:
        """Takes a whole list of the devices in the call: one that lists the bot. Who is missing in all of them for
        MISSING_FOR has left; one list alone may have been made before they came.
        """
        if not any(facts.is_us and device_id in listed for device_id, facts in self._devices.items()):
            return
        for device_id, facts in self._devices.items():
            if device_id in listed or facts.status is not Status.IN or facts.is_us:
                facts.missing_since = None
            elif facts.missing_since is None:
                facts.missing_since = self._at
            elif self._at - facts.missing_since >= MISSING_FOR:
                facts.show(Status.OUT, Evidence.RPC, self._document, self._at)
                self._show(device_id, gone=True)

    def _observe_tiles(self, event: TilesSeen) -> None:
        for tile in event.tiles:
            if not DEVICE_ID.fullmatch(tile.participant_id):
                continue  # Meet's phantom tile "visual_effects", for one
            facts = self._device(tile.participant_id)
            if facts is not None:
                facts.learn_name(Evidence.TILES, full="", display=shown_name(tile))
                facts.waits = waits(tile)
                facts.missing_since = None
            for source in tile.sources:
                self._assign(source, tile.participant_id, Evidence.TILES)

    def _apply_outputs(self, outputs: Iterable[DeviceOutput], evidence: Evidence) -> None:
        for output in outputs:
            if output.type == _VIDEO or not output.device_id:
                continue
            self._assign(output.stream_id, output.device_id, evidence)
            facts = self._device(output.device_id)
            if facts is not None and output.HasField("state"):
                facts.muted = output.state.disabled

    def _apply_cameras(self, outputs: Iterable[DeviceOutput]) -> None:
        """A camera says nothing about whether its device is in the call, so none is known from it alone."""
        for output in outputs:
            facts = self._devices.get(output.device_id)
            if output.type == _VIDEO and facts is not None and output.HasField("state"):
                facts.camera = not output.state.disabled

    def _apply_users(self, users: Iterable[User], evidence: Evidence) -> None:
        for user in users:
            facts = self._device(user.device_id)
            if facts is None:
                continue
            facts.learn_name(evidence, full=user.full_name, display=user.display_name)
            if user.status in _STATUS and not (
                evidence is Evidence.RPC and facts.left_before(self._document, self._at)
            ):
                facts.show(_STATUS[user.status], evidence, self._document, self._at)
                self._show(user.device_id, gone=facts.status.is_gone)
            facts.is_us |= user.HasField("is_us") or _has_unknown(user, _IS_US_FIELD)
            facts.is_host |= bool(user.is_host)
            facts.parent_id = user.parent_device_id or facts.parent_id

    def _harvest(self, data: bytes, evidence: Evidence, names_too: bool) -> None:
        """The fallback: adds what the schema did not find. A name that the schema read has precedence over a harvested one."""
        outputs = harvest_outputs(data)
        names = harvest_names(data) if names_too else []
        for stream_id, device_id in outputs:
            self._assign(stream_id, device_id, evidence)
        for device_id, name in names:
            facts = self._device(device_id)
            if facts is not None:
                facts.learn_name(evidence, full="", display=name)
        self.harvested += bool(outputs or names)
        self.undecodable += not is_protobuf(data)

    def _device(self, device_id: str) -> _DeviceFacts | None:
        """The facts of a device, created at its first mention; None where the id is empty or MAX_DEVICES are known."""
        known = self._devices.get(device_id)
        if known is None and device_id and len(self._devices) < MAX_DEVICES:
            known = self._devices[device_id] = _DeviceFacts(device_id)
        return known

    def _show(self, device_id: str, *, gone: bool) -> None:
        self._owners.show(device_id, gone=gone, at=self._at)
        self._video_owners.show(device_id, gone=gone, at=self._at)

    def _assign_video(self, stream_id: str, device_id: str) -> None:
        if not (0 < len(stream_id) <= MAX_STREAM_CHARACTERS and DEVICE_ID.fullmatch(device_id)):
            return
        if stream_id not in self._videos and len(self._videos) >= MAX_SOURCES:
            return
        number = self._videos.setdefault(stream_id, len(self._videos))
        self._video_owners.assign(number, device_id, Evidence.COLLECTIONS, self._at)

    def _assign(self, stream_id: str, device_id: str, evidence: Evidence) -> None:
        source = _parse_source(stream_id)
        if source is None or self._device(device_id) is None:
            return
        self._owners.assign(source, device_id, evidence, self._at)


class _DeviceFacts:
    """What is known of one device, by kind of evidence."""

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.status = Status.UNKNOWN
        self.status_from = 0
        """The document that was told the status."""
        self._gone_at = -STALE_ANSWER
        """When a pushed message last showed the device as gone."""
        self.missing_since: float | None = None
        """Since when whole lists have lacked the device, while nothing else showed it."""
        self.waits = False
        """Whether the page showed the device in the waiting room; a status outranks it."""
        self.is_us = False
        self.is_host = False
        self.parent_id: str | None = None
        self.muted: bool | None = None
        self.camera: bool | None = None
        self._full: dict[Evidence, str] = {}
        self._display: dict[Evidence, str] = {}

    def show(self, status: Status, evidence: Evidence, document: int, at: float) -> None:
        """Takes the status that ``document`` was told at ``at``."""
        self.status, self.status_from = status, document
        self.missing_since = None
        if evidence is Evidence.COLLECTIONS:
            self._gone_at = at if status.is_gone else -STALE_ANSWER

    def left_before(self, document: int, at: float) -> bool:
        """Whether a pushed message showed this ``document`` less than STALE_ANSWER before ``at`` that the device is gone."""
        return document == self.status_from and self.status.is_gone and at - self._gone_at < STALE_ANSWER

    def forget_presence(self, document: int) -> None:
        """Applies that ``document`` is closed: we are not in its call any more, and of the others nothing is known."""
        if self.status is Status.IN and self.status_from == document:
            self.status = Status.OUT if self.is_us else Status.UNKNOWN

    def learn_name(self, evidence: Evidence, full: str, display: str) -> None:
        """Keeps the latest names; an empty name in an update changes nothing."""
        if full.strip():
            self._full[evidence] = full[:MAX_NAME_CHARACTERS]
        if display.strip():
            self._display[evidence] = display[:MAX_NAME_CHARACTERS]

    def device(self) -> Device:
        kinds = sorted({*self._full, *self._display}, key=lambda kind: kind.strength, reverse=True)
        best = kinds[0] if kinds else Evidence.NONE
        return Device(
            device_id=self.device_id,
            name=self._full.get(best, self._display.get(best)),
            name_evidence=best,
            full_name=next((self._full[kind] for kind in kinds if kind in self._full), None),
            display_name=next((self._display[kind] for kind in kinds if kind in self._display), None),
            is_us=self.is_us,
            is_host=self.is_host,
            status=Status.WAITING if self.waits and self.status is Status.UNKNOWN else self.status,
            parent_id=self.parent_id,
            muted=self.muted,
            camera=self.camera,
        )


def _with_presenters(devices: dict[str, Device]) -> dict[str, Device]:
    """``devices`` with the parents of presentations that only their tiles show: the participant who has the presenter's name.

    People choose their names, so a presentation without its presenter in the call is a person.
    """
    shown = {
        device_id: name
        for device_id, device in devices.items()
        if device.name_evidence is Evidence.TILES
        and device.status is Status.UNKNOWN
        and device.parent_id is None
        and (name := presenter(device.name or "")) is not None
    }
    if not shown:
        return devices
    people = {
        device.name: device_id
        for device_id, device in devices.items()
        if device.status.is_here and device_id not in shown
    }
    parents = {device_id: people[name] for device_id, name in shown.items() if name in people}
    return {
        device_id: structs.replace(device, parent_id=parents[device_id]) if device_id in parents else device
        for device_id, device in devices.items()
    }


def _parse_source(text: str) -> int | None:
    """A CSRC (1 to 2³²-1) from its decimal form; None for anything else and for the loudest marker."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        return None
    source = int(text)
    return source if 0 < source < 2**32 and source != LOUDEST_MARKER else None


def _unwrap_base64(payload: bytes) -> bytes:
    """The protobuf inside base64 text of either alphabet, padded or not; ``payload`` itself where it is not base64."""
    text = b"".join(payload.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return payload


def _has_unknown(message: User, number: int) -> bool:
    """Whether the message has the field with another wire type than the schema's."""
    unknown = UnknownFieldSet(message)
    return any(unknown[index].field_number == number for index in range(len(unknown)))
