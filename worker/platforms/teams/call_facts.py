"""What is known of one Teams call and its participants from one kind of evidence (pure)."""

from __future__ import annotations

from worker.platforms.teams.main_channel import parse_source
from worker.platforms.teams.roster_entries import (
    CAMERA_STREAM,
    SHARE_STREAM,
    audio_streams,
    device_id_of,
    endpoints_of,
    inner,
    is_hidden_endpoint,
    named_endpoints,
    places_of,
    streams,
    video_streams,
)
from worker.platforms.teams.trouter import parse_whole, well_formed
from worker.roster.roster import CallOver, Evidence, Status
from worker.roster.tenures import SourceOwners

MAX_DEVICES = 10_000
MAX_NAME_CHARACTERS = 1_000
MAX_ENDPOINTS = 16
"""Endpoints of a participant whose mute is kept."""

APPLICATION = "28:"
"""How the ids of applications begin. Teams' own recorder is one that has no name and stays as long as the recording."""

_STATUS = {"active": Status.IN, "inactive": Status.OUT}
_SENDING = frozenset({"sendrecv", "sendonly", "sendreceive"})
_NOT_SENDING = frozenset({"recvonly", "receiveonly", "inactive"})
_HOST = "organizer"


class DeviceFacts:
    """What is known of one participant from one kind of evidence."""

    def __init__(self) -> None:
        self.name = ""
        self.state = Status.UNKNOWN
        self.status_from = 0
        """The document that received the status."""
        self.places: frozenset[str] = frozenset()
        """Where their endpoints are, ``call`` and ``lobby``; empty until an update says it."""
        self.waited = False
        """Whether they were ever in the lobby."""
        self.is_host = False
        self.muted: bool | None = None
        self.camera: bool | None = None
        self.shares: bool | None = None
        self.version = 0
        """Of the entry that was applied last."""
        self._muted_by_client: dict[str, bool] = {}
        """By endpoint, at most MAX_ENDPOINTS: what a client says stays when an update leaves it out."""

    @property
    def status(self) -> Status:
        """The state, and the lobby as a separate state."""
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
            for name, endpoint in named_endpoints(endpoints)
            if (each := self._is_muted(name, endpoint)) is not None
        ]
        if muted:
            self.muted = all(muted)

    def learn_shown(self, endpoints: object) -> None:
        """Applies what an update says of the cameras and the screen: one that is on sends."""
        self.camera = self.camera if (on := _sends(endpoints, CAMERA_STREAM)) is None else on
        self.shares = self.shares if (on := _sends(endpoints, SHARE_STREAM)) is None else on

    def _is_muted(self, name: str, endpoint: dict[str, object]) -> bool | None:
        """Whether an endpoint is muted; None where that is not known. The stream of a muted client still sends."""
        said = inner(endpoint, "endpointState", "state", "isMuted")
        if isinstance(said, bool) and (
            name in self._muted_by_client or len(self._muted_by_client) < MAX_ENDPOINTS
        ):
            self._muted_by_client[name] = said
        by_client = self._muted_by_client.get(name)
        known = [
            direction in _SENDING and stream.get("serverMuted") is not True
            for stream in audio_streams([endpoint])
            if (direction := str(stream.get("direction")).lower()) in _SENDING | _NOT_SENDING
        ]
        if known and not any(known):
            return True
        return by_client if by_client is not None or not known else False


def _sends(endpoints: object, kind: str) -> bool | None:
    """Whether a stream of that kind sends, of any endpoint; None where an update does not say."""
    known = [
        direction in _SENDING
        for stream in streams(endpoints, kind)
        if (direction := str(stream.get("direction")).lower()) in _SENDING | _NOT_SENDING
    ]
    return any(known) if known else None


class CallFacts:
    """What is known of one call from one kind of evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self.devices: dict[str, DeviceFacts] = {}
        self.owners = SourceOwners()
        self.cameras = SourceOwners()
        self.shares = SourceOwners()
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
            device_id = device_id_of(key, entry)
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
                self.show(device_id, gone=facts.state.is_gone, at=at)
            facts.version = version
            facts.places = places_of(entry.get("endpoints")) or facts.places
            facts.waited |= "lobby" in facts.places
            facts.learn_mute(entry.get("endpoints"))
            facts.learn_shown(entry.get("endpoints"))
            for stream in audio_streams(entry.get("endpoints")):
                self.assign(parse_source(stream.get("sourceId")), device_id, at)
            for kind, stream in video_streams(entry.get("endpoints")):
                source = parse_source(stream.get("sourceId"))
                if source is not None:
                    owners = self.cameras if kind == CAMERA_STREAM else self.shares
                    owners.assign(source, device_id, self._evidence, at)

    def _is_hidden(self, device_id: str, details: dict[str, object], endpoints: object) -> bool:
        """Whether an entry is of no person: the client does not list it, or it is an application that never had a name."""
        hidden = [is_hidden_endpoint(endpoint) for endpoint in endpoints_of(endpoints)]
        if details.get("hidden") is True or (hidden and all(hidden)):
            return True
        nameless = device_id not in self.devices and not details.get("displayName")
        return nameless and device_id.startswith(APPLICATION)

    def device(self, device_id: str) -> DeviceFacts | None:
        """A participant's facts, created at the first mention; None where the id is empty or MAX_DEVICES are known."""
        known = self.devices.get(device_id)
        if known is None and device_id and len(self.devices) < MAX_DEVICES:
            known = self.devices[device_id] = DeviceFacts()
        return known

    def show(self, device_id: str, *, gone: bool, at: float) -> None:
        """Notes that a participant was shown as gone, or as not gone, at ``at``."""
        for owners in (self.owners, self.cameras, self.shares):
            owners.show(device_id, gone=gone, at=at)

    def assign(self, source: int | None, device_id: str, at: float) -> None:
        """Assigns a source to a participant; the latest assignment counts."""
        if source is not None:
            self.owners.assign(source, device_id, self._evidence, at)


def name_of(calls: list[CallFacts], device_id: str) -> str:
    """The name by the strongest evidence that has one, else empty."""
    known = (call.devices[device_id].name for call in calls if device_id in call.devices)
    return next(filter(None, known), "")


def first_facts(calls: list[CallFacts], device_id: str) -> DeviceFacts:
    """The facts by the strongest evidence that has the participant."""
    return next(call.devices[device_id] for call in calls if device_id in call.devices)
