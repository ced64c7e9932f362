"""Compares rosters: who joined, left, was renamed, muted or unmuted, or shows their camera or screen (pure)."""

from __future__ import annotations

from typing import Final

from worker.roster.roster import Device, Roster, Status
from worker.tape.events import RosterChanged

SHARES: Final = "screenshare_on"
STOPS_SHARING: Final = "screenshare_off"
CAMERA_ON: Final = "webcam_on"
CAMERA_OFF: Final = "webcam_off"


class RosterChanges:
    """Compares each roster with the one before it, without the bot itself and participants who never left the lobby."""

    def __init__(self) -> None:
        self._known: dict[str, Device] = {}
        self._shares: dict[str, str] = {}
        """The participant of each screen share in the call."""

    def changes(self, roster: Roster, at: float) -> list[RosterChanged]:
        """The changes since the last roster, at ``at`` (Unix seconds), in the roster's order."""
        found: list[RosterChanged] = []
        for device_id, device in roster.devices.items():
            if device.is_us:
                continue
            if device.parent_id is not None:
                found += self._share(device, device.parent_id, roster, at)
                continue
            if device.status is Status.WAITING and device_id not in self._known:
                continue
            before = self._known.get(device_id)
            self._known[device_id] = device
            found += [
                RosterChanged(at=at, change=change, participant_id=device_id, name=device.name)
                for change in _changes(before, device)
            ]
        return found

    def _share(self, device: Device, presenter: str, roster: Roster, at: float) -> list[RosterChanged]:
        """What a participant's screen share changed; they share once, however many devices show it."""
        shared = presenter in self._shares.values()
        if device.status.is_here:
            self._shares[device.device_id] = presenter
        else:
            self._shares.pop(device.device_id, None)
        shares = presenter in self._shares.values()
        if shares == shared:
            return []
        change = SHARES if shares else STOPS_SHARING
        name = roster.device(presenter).name
        return [RosterChanged(at=at, change=change, participant_id=presenter, name=name)]


def _changes(before: Device | None, now: Device) -> list[str]:
    """Of one participant. What somebody shows ends before they leave."""
    was_here = before is not None and before.status.is_here
    is_here = now.status.is_here
    shown = _shown_changes(before if was_here else None, now if is_here else None)
    changes = []
    if is_here and not was_here:
        changes.append("join")
    if was_here and not is_here:
        changes += [*shown, "leave"]
    if before is not None and before.name != now.name:
        changes.append("rename")
    muted_before = before.muted if before is not None else None
    if now.muted is not None and now.muted != muted_before:
        changes.append("mute" if now.muted else "unmute")
    if is_here:
        changes += shown
    return changes


def _shown_changes(before: Device | None, now: Device | None) -> list[str]:
    """What somebody began or ceased to show; None: they were not, or are not, in the call."""
    changes = []
    if (is_on := now is not None and now.camera is True) != (before is not None and before.camera is True):
        changes.append(CAMERA_ON if is_on else CAMERA_OFF)
    if (is_on := now is not None and now.shares is True) != (before is not None and before.shares is True):
        changes.append(SHARES if is_on else STOPS_SHARING)
    return changes
