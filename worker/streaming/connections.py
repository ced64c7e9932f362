"""Which connections an endpoint has, and what goes on which (pure).

By Recall.ai's guide each participant whose microphone is on has a connection: it opens when the microphone is turned on, and
closes when it is turned off. Newer pages of the vendor, and MeetStream, have one connection for the whole call.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Final, Literal, NamedTuple, TypeAlias

from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_OPUS,
    AUDIO_SEPARATE,
    PARTICIPANT_EVENTS,
    LiveEndpoint,
)
from worker.contracts.live_items import (
    Action,
    LiveEnd,
    LiveEvent,
    LiveItem,
    LiveMicrophone,
    LiveOpus,
    LivePcm,
    LiveStart,
)

SHARED: Final = "shared"
"""The connection of what is nobody's alone: participant events and the mix; in one-connection mode, of everything."""

REST: Final = "rest"
"""The connection of those for whom there is no place among MOST_CONNECTIONS."""

MOST_CONNECTIONS: Final = 64
"""Of one endpoint, SHARED and REST included."""

LINGER: Final = 0.5
"""Seconds after a microphone was turned off, and after the sound that still came, until its connection closes: the roster is
ahead of the sound, which waits for packets that were overtaken."""

LINGER_UNKNOWN: Final = 60.0
"""Seconds of silence after which the connection of a speaker closes of whose microphone nothing is known."""

Connection: TypeAlias = str
"""The name of a connection of an endpoint."""
_Member: TypeAlias = tuple[Literal["person", "source"], int]
"""Whose sound it is: the number of a person, or the source of a speaker whom nobody knows."""


class Route(NamedTuple):
    """What an item calls for, in this order: connections that are ``opened`` (they may be open), the one ``to`` which its
    message goes or all of them, and those that are ``closed`` once what waits there was sent.
    """

    opened: tuple[Connection, ...] = ()
    to: tuple[Connection, ...] = ()
    closed: tuple[Connection, ...] = ()


NOTHING: Final = Route()


class _Seat:
    """A member's place on ``connection``. ``since`` is when it was last heard, or its microphone changed."""

    __slots__ = ("connection", "since")

    def __init__(self, connection: Connection, since: float) -> None:
        self.connection = connection
        self.since = since


class Connections:
    """The connections of ``endpoint``, at most ``most``. Times are Unix seconds, or of any other clock."""

    def __init__(
        self,
        endpoint: LiveEndpoint,
        mode: Literal["participant", "endpoint"],
        most: int = MOST_CONNECTIONS,
    ) -> None:
        separate = not {AUDIO_SEPARATE, AUDIO_OPUS}.isdisjoint(endpoint.events)
        self._by_participant = mode == "participant" and separate
        shared = any(name == AUDIO_MIXED or name.startswith(PARTICIPANT_EVENTS) for name in endpoint.events)
        self._has_shared = shared or not self._by_participant
        self._places = most - 1 - self._has_shared
        """Connections of one member each."""
        self._microphones: dict[int, bool] = {}
        """Whether they are on, by the numbers of people."""
        self._seats: dict[_Member, _Seat] = {}
        self._sizes: Counter[Connection] = Counter()
        """Members by connection."""

    @property
    def waiting(self) -> bool:
        """Whether ``advance`` will have something to close."""
        return any(self._closes_at(member) < inf for member in self._seats)

    def route(self, item: LiveItem, now: float) -> Route:
        """What ``item``, which comes at ``now``, calls for."""
        shared = (SHARED,) if self._has_shared else ()
        match item:
            case LiveStart():
                return Route(opened=shared, to=shared)
            case LiveEnd():
                names = (*shared, *self._sizes)
                self._seats.clear()
                self._sizes.clear()
                return Route(to=names, closed=names)
            case LivePcm() | LiveOpus() if self._by_participant:
                return self._sound(item, now)
            case LiveMicrophone() if self._by_participant:
                return self._microphone(item.person.number, item.on, now)._replace(to=shared)
            case LiveEvent(action=Action.LEAVE) if self._by_participant:
                return self._microphone(item.person.number, False, now)._replace(to=shared)
            case LiveEvent(action=Action.JOIN):
                # Of one who comes back, nothing is known until their microphone is seen.
                self._microphones.pop(item.person.number, None)
        return Route(to=shared)

    def advance(self, now: float) -> Route:
        """What is to be closed at ``now``."""
        due = [member for member in self._seats if self._closes_at(member) <= now]
        return Route(closed=tuple(closed for member in due for closed in self._free(member)))

    def _sound(self, item: LivePcm | LiveOpus, now: float) -> Route:
        member: _Member = ("source", item.source)
        closed: tuple[Connection, ...] = ()
        if item.person is not None:
            # It may be found late whose a source is.
            closed = self._free(member)
            member = ("person", item.person.number)
        opened = self._seat(member, now)
        return Route(opened, (self._seats[member].connection,), closed)

    def _microphone(self, number: int, on: bool, now: float) -> Route:
        member: _Member = ("person", number)
        if on:
            self._microphones[number] = True
            return Route(opened=self._seat(member, now))
        if self._microphones.get(number) is not False and member in self._seats:
            self._seats[member].since = now
        self._microphones[number] = False
        return NOTHING

    def _seat(self, member: _Member, now: float) -> tuple[Connection, ...]:
        """Gives ``member`` a connection, if it has none; returns it, as it may have to be opened."""
        seat = self._seats.get(member)
        if seat is not None:
            seat.since = now
            return ()
        own = len(self._sizes) - (REST in self._sizes)
        connection = f"{member[0]}-{member[1]}" if own < self._places else REST
        self._seats[member] = _Seat(connection, now)
        self._sizes[connection] += 1
        return (connection,)

    def _free(self, member: _Member) -> tuple[Connection, ...]:
        """Takes its connection away from ``member``; returns it, if nobody else has it."""
        seat = self._seats.pop(member, None)
        if seat is None:
            return ()
        self._sizes[seat.connection] -= 1
        if self._sizes[seat.connection]:
            return ()
        del self._sizes[seat.connection]
        return (seat.connection,)

    def _closes_at(self, member: _Member) -> float:
        kind, number = member
        is_on = self._microphones.get(number) if kind == "person" else None
        if is_on:
            return inf
        return self._seats[member].since + (LINGER_UNKNOWN if is_on is None else LINGER)
