"""Assigns the audio sources that were heard to named participants (pure).

Names are found at the end, from all evidence that is known by then; a source without a name is an unknown speaker.
"""

from __future__ import annotations

import msgspec

from worker.manifest.filenames import display_name
from worker.roster.roster import Device, Evidence, Roster, SourceOwner
from worker.roster.tenures import split_key

SCREEN_SHARE_SUFFIX = " (screen share)"


class NamedParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """A participant who was heard, in the manifest's terms.

    ``participant_id`` is the device id, None if no evidence links the source to a device. ``name_source`` is the weakest
    evidence that links the sources to the name, or ``none`` for an unknown speaker. ``keys`` are those of the stems, in
    order of first speech; two of them mean that the same device rejoined. ``contested``: evidence disagrees on the owner of a
    source.
    """

    participant_name: str
    participant_id: str | None
    name_source: str
    is_host: bool
    keys: list[int]
    contested: bool = False


def name_sources(keys: list[int], roster: Roster) -> list[NamedParticipant]:
    """The participants behind the stems with these ``keys`` (worker.roster.tenures), in their order, that of first speech.

    Sources of one device are one participant; devices with the same name are several. Participants without a name are
    "Unknown 1", "Unknown 2" and so on.
    """
    participants = []
    unknown = 0
    for group, owners in _by_device(keys, roster):
        device = roster.device(owners[0].device_id) if owners else None
        name = name_of(device, roster)
        if name is None:
            unknown += 1
        participants.append(
            NamedParticipant(
                participant_name=name or f"Unknown {unknown}",
                participant_id=device.device_id if device else None,
                name_source=_weakest_link(device, owners) if device and name else Evidence.NONE.value,
                is_host=bool(device and device.is_host),
                keys=group,
                contested=any(owner.contested for owner in owners),
            )
        )
    return participants


def _by_device(keys: list[int], roster: Roster) -> list[tuple[list[int], list[SourceOwner]]]:
    """Keys grouped by the device that owns them, with the evidence for each; one without an owner is a group by itself."""
    groups: dict[str | int, tuple[list[int], list[SourceOwner]]] = {}
    for key in dict.fromkeys(keys):
        owner = owner_of(key, roster)
        group, owners = groups.setdefault(key if owner is None else owner.device_id, ([], []))
        group.append(key)
        if owner is not None:
            owners.append(owner)
    return list(groups.values())


def owner_of(key: int, roster: Roster) -> SourceOwner | None:
    """The owner of a source in one of its tenures, by its key; None if no evidence names one."""
    source, tenure = split_key(key)
    owners = roster.tenures.get(source)
    if owners is None:
        owners = (roster.sources.get(source),)
    return owners[tenure] if tenure < len(owners) else None


def name_of(device: Device | None, roster: Roster) -> str | None:
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
