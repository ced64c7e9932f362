"""Who is who in an example call: the messages of its ``people`` channel, each the whole list as JSON."""

from __future__ import annotations

import msgspec

from worker.roster.roster import Device, Evidence, Roster, Status
from worker.tape.events import ChannelMessage, TapeEvent


class _Person(msgspec.Struct):
    id: str
    name: str
    here: bool = True


class ExampleRosterDecoder:
    """See worker.roster.decoder.RosterDecoder."""

    def __init__(self) -> None:
        self.undecodable = 0
        self.harvested = 0
        self._people: list[_Person] = []

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        if not isinstance(event, ChannelMessage) or event.label != "people":
            return
        try:
            self._people = msgspec.json.decode(event.payload, type=list[_Person])
        except msgspec.DecodeError:
            self.undecodable += 1

    def roster(self) -> Roster:
        """What is known by now."""
        return Roster(
            devices={
                person.id: Device(
                    device_id=person.id,
                    name=person.name,
                    name_evidence=Evidence.FRAMES,
                    status=Status.IN if person.here else Status.OUT,
                )
                for person in self._people
            }
        )

    def tenure(self, source: int, at: float) -> int:
        """Sources of this platform stay their owners'."""
        return 0
