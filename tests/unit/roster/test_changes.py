from __future__ import annotations

from typing import Any

from worker.roster.changes import RosterChanges
from worker.roster.roster import Device, Roster, Status


def roster(**devices: Device) -> Roster:
    return Roster(devices=devices)


def device(status: Status = Status.IN, name: str | None = "Ana", **facts: Any) -> Device:
    return Device(device_id="ana", name=name, status=status, **facts)


def changes_to(roster_changes: RosterChanges, now: Roster) -> list[tuple[str, str | None]]:
    changes = roster_changes.changes(now, 5.0)
    assert all(change.at == 5.0 and change.participant_id == "ana" for change in changes)
    return [(change.change, change.name) for change in changes]


def test_a_participant_joins_leaves_and_joins_again() -> None:
    roster_changes = RosterChanges()
    assert changes_to(roster_changes, roster(ana=device())) == [("join", "Ana")]
    assert changes_to(roster_changes, roster(ana=device())) == []
    assert changes_to(roster_changes, roster(ana=device(Status.OUT))) == [("leave", "Ana")]
    assert changes_to(roster_changes, roster(ana=device())) == [("join", "Ana")]


def test_a_participant_in_the_lobby_joins_once_admitted() -> None:
    roster_changes = RosterChanges()
    assert changes_to(roster_changes, roster(ana=device(Status.WAITING, muted=True))) == []
    assert changes_to(roster_changes, roster(ana=device(muted=True))) == [("join", "Ana"), ("mute", "Ana")]
    assert changes_to(roster_changes, roster(ana=device(Status.WAITING, muted=True))) == [("leave", "Ana")]
    assert changes_to(roster_changes, roster(ana=device(muted=True))) == [("join", "Ana")]


def test_a_name_that_is_learned_later_is_a_rename() -> None:
    roster_changes = RosterChanges()
    assert changes_to(roster_changes, roster(ana=device(Status.UNKNOWN, None))) == [("join", None)]
    assert changes_to(roster_changes, roster(ana=device())) == [("rename", "Ana")]


def test_mute_and_unmute_are_changes() -> None:
    roster_changes = RosterChanges()
    assert changes_to(roster_changes, roster(ana=device(muted=True))) == [("join", "Ana"), ("mute", "Ana")]
    assert changes_to(roster_changes, roster(ana=device(muted=False))) == [("unmute", "Ana")]


def test_a_camera_and_a_screen_without_a_device_are_changes_while_somebody_is_there() -> None:
    roster_changes = RosterChanges()

    def shown(status: Status = Status.IN, **shows: Any) -> list[str]:
        return [
            change for change, _ in changes_to(roster_changes, roster(ana=device(status, "Ana", **shows)))
        ]

    assert shown(camera=False, shares=None) == ["join"]
    assert shown(camera=True, shares=False) == ["webcam_on"]
    assert shown(camera=True, shares=True) == ["screenshare_on"]
    assert shown(Status.OUT, camera=True, shares=True) == ["webcam_off", "screenshare_off", "leave"]
    assert shown(camera=True, shares=False) == ["join", "webcam_on"]
    assert shown(camera=None) == ["webcam_off"]


def test_the_bot_is_left_out() -> None:
    us = Device(device_id="us", is_us=True, status=Status.IN)
    assert RosterChanges().changes(roster(us=us), 5.0) == []


def test_a_screen_share_is_a_change_of_its_presenter() -> None:
    roster_changes = RosterChanges()
    changes_to(roster_changes, roster(ana=device()))

    def shown(**devices: Status) -> list[tuple[str, str | None]]:
        shares = {
            name: Device(device_id=name, parent_id="ana", status=status) for name, status in devices.items()
        }
        return changes_to(roster_changes, roster(ana=device(), **shares))

    assert shown(screen=Status.IN) == [("screenshare_on", "Ana")]
    assert shown(screen=Status.IN, again=Status.IN) == []
    assert shown(screen=Status.OUT, again=Status.IN) == []
    assert shown(screen=Status.OUT, again=Status.OUT) == [("screenshare_off", "Ana")]
    assert shown(screen=Status.IN) == [("screenshare_on", "Ana")]


def test_a_participant_who_had_left_before_is_left_out() -> None:
    assert changes_to(RosterChanges(), roster(ana=device(Status.REMOVED))) == []
