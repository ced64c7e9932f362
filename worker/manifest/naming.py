"""Assigns the audio sources that were heard to named participants (pure).

Names are found at the end, from all evidence that is known by then; a source without a name is an unknown speaker.
"""

from __future__ import annotations

import msgspec

from worker.manifest.filenames import display_name
from worker.roster.roster import Device, Evidence, Roster, SourceOwner

SCREEN_SHARE_SUFFIX = " (screen share)"


class NamedParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """A participant who was heard, in the manifest's terms.

    ``participant_id`` is the device id, None if no evidence links the source to a device. ``name_source`` is the weakest
    evidence that links the sources to the name, or ``none`` for an unknown speaker. ``csrcs`` are in order of first speech;
    two of them mean that the same device rejoined. ``contested``: evidence disagrees on the owner of a source.
    """

    participant_name: str
    participant_id: str | None
    name_source: str
    is_host: bool
    csrcs: list[int]
    contested: bool = False


def name_sources(csrcs: list[int], roster: Roster) -> list[NamedParticipant]:
    """The participants behind ``csrcs`` (in order of first speech), in that order.

    Sources of one device are one participant; devices with the same name are several. Participants without a name are
    "Unknown 1", "Unknown 2" and so on.
    """
    participants = []
    unknown = 0
    for group in _by_device(csrcs, roster):
        device = roster.owner(group[0])
        name = _name(device, roster)
        if name is None:
            unknown += 1
        owners = [roster.sources[csrc] for csrc in group if csrc in roster.sources]
        participants.append(
            NamedParticipant(
                participant_name=name or f"Unknown {unknown}",
                participant_id=device.device_id if device else None,
                name_source=_weakest_link(device, owners) if device and name else Evidence.NONE.value,
                is_host=bool(device and device.is_host),
                csrcs=group,
                contested=any(owner.contested for owner in owners),
            )
        )
    return participants


def _by_device(csrcs: list[int], roster: Roster) -> list[list[int]]:
    """Sources grouped by the device that owns them; one without an owner is a group by itself."""
    groups: dict[str | int, list[int]] = {}
    for csrc in dict.fromkeys(csrcs):
        owner = roster.sources.get(csrc)
        groups.setdefault(owner.device_id if owner else csrc, []).append(csrc)
    return list(groups.values())


def _name(device: Device | None, roster: Roster) -> str | None:
    """A device's name; a screen share without a name gets that of the participant who shares."""
    if device is None:
        return None
    parent = roster.devices.get(device.parent_id) if device.parent_id else None
    name = _visible(device.name) or (_visible(parent.name) if parent else None)
    return name + SCREEN_SHARE_SUFFIX if name and device.parent_id else name


def _visible(name: str | None) -> str | None:
    """The name without surrounding blanks; None if nothing of it is visible."""
    return name.strip() if name and display_name(name) else None


def _weakest_link(device: Device, owners: list[SourceOwner]) -> str:
    """The weakest of the evidence for the device's name and for the owner of each source."""
    links = [owner.evidence[0] for owner in owners]
    if device.name_evidence is not Evidence.NONE:
        links.append(device.name_evidence)
    return min(links, key=lambda kind: kind.strength).value
