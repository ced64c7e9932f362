"""Who is in a meeting, and who owns each audio source, as far as the platform's messages show (pure).

The same for every platform: a decoder fills it, naming and lifecycle read it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from worker.reasons import Reason


class Evidence(StrEnum):
    """Where a roster fact came from."""

    COLLECTIONS = "collections"
    """The data channel on which the platform pushes its roster."""
    CHANNELS = "channels"
    """Another data channel, whose messages have the form of roster facts."""
    RPC = "rpc"
    """The answer to a roster request that the page made."""
    TILES = "tiles"
    """Attributes of the page's DOM."""
    FRAMES = "frames"
    """The platform's own roster messages on the page's WebSocket."""
    OBJECTS = "objects"
    """The page's own objects of the call."""
    NONE = "none"

    @property
    def strength(self) -> int:
        """3 for the platform's own pushes down to 0 for none; in a contradiction the stronger evidence counts."""
        return _STRENGTH[self]


_STRENGTH = {
    Evidence.COLLECTIONS: 3,
    Evidence.FRAMES: 3,
    Evidence.CHANNELS: 2,
    Evidence.RPC: 2,
    Evidence.OBJECTS: 2,
    Evidence.TILES: 1,
    Evidence.NONE: 0,
}


class Status(StrEnum):
    """Whether a device is in the call; ``unknown`` until a message shows it."""

    UNKNOWN = "unknown"
    WAITING = "waiting"
    """In the waiting room."""
    IN = "in"
    OUT = "out"
    REMOVED = "removed"

    @property
    def is_here(self) -> bool:
        """Whether the device counts as present in the call: without a status, it was named, and nothing says that it left."""
        return self in (Status.IN, Status.UNKNOWN)

    @property
    def is_gone(self) -> bool:
        """Whether the device has left the call, or its waiting room."""
        return self in (Status.OUT, Status.REMOVED)


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device of one participant. ``name`` is the full name, else the display name; None while neither is known.

    ``parent_id`` is the participant's own device where this one is a screen share. ``muted``, ``camera`` (whether it is on) and
    ``shares`` (the screen, where that has no device of its own) are None until a message shows them.
    """

    device_id: str
    name: str | None = None
    name_evidence: Evidence = Evidence.NONE
    full_name: str | None = None
    display_name: str | None = None
    is_us: bool = False
    is_host: bool = False
    status: Status = Status.UNKNOWN
    parent_id: str | None = None
    muted: bool | None = None
    camera: bool | None = None
    shares: bool | None = None


class SourceOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The device that an audio source belongs to, and every kind of evidence for it, strongest first.

    ``contested``: some evidence named another device, now or earlier.
    """

    device_id: str
    evidence: tuple[Evidence, ...]
    contested: bool = False


class CallOver(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's own messages say that the call is over for the bot. ``evidence`` names the message and field."""

    reason: Reason
    detail: str
    evidence: tuple[str, ...]


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """The known devices (by device id) and audio sources (by CSRC), and whether the call is over for the bot.

    ``sources`` holds the latest owner of each source. ``tenures`` holds the owners of all tenures (worker.roster.tenures) of
    the sources that may have had several; None where no evidence named one.
    """

    devices: dict[str, Device] = {}
    sources: dict[int, SourceOwner] = {}
    tenures: dict[int, tuple[SourceOwner | None, ...]] = {}
    over: CallOver | None = None

    @property
    def us(self) -> Device | None:
        """The bot's own device; the one that is in the call, or else waits, where a reloaded page had others before."""
        ours = [device for device in self.devices.values() if device.is_us]
        for status in (Status.IN, Status.WAITING):
            for device in ours:
                if device.status is status:
                    return device
        return next(iter(ours), None)

    @property
    def others_present(self) -> list[Device]:
        """People in the call other than the bot, without their screen shares."""
        return [
            device
            for device in self.devices.values()
            if device.status is Status.IN and not device.is_us and device.parent_id is None
        ]

    def owner(self, source: int) -> Device | None:
        """The device of an audio source; None if no evidence links the source to one."""
        owner = self.sources.get(source)
        return None if owner is None else self.device(owner.device_id)

    def device(self, device_id: str) -> Device:
        """The device of that id; one of which nothing else is known where no message described it."""
        return self.devices.get(device_id) or Device(device_id=device_id)
