"""Follows who owns each audio source over time: a source may be given to another participant after its owner left (pure).

A *tenure* is a stretch of time in which a source belongs to one owner; those of a source are numbered from 0. A tenure ends

1. LAST_WORDS after the platform showed its owner as gone, or as soon as another device is named then, or
2. when the platform's own pushes, which named its owner, name another device.

After the first kind of end the next tenure has no owner until evidence names one: packets often come before that. Other
contradictions are no change of owner: the stronger evidence counts for the whole tenure, and the source is contested.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from worker.roster.roster import Evidence, SourceOwner

LAST_WORDS = 5.0
"""Seconds after a device was shown as gone in which packets of its source are still its own."""

MAX_SOURCES = 20_000
"""Bound on the sources that are followed, since the page is untrusted."""

MAX_TENURES = 16
"""Bound on the tenures of one source; later changes of owner only make the last one contested."""

PUSHED = Evidence.COLLECTIONS.strength
"""The strength of the platform's own pushes."""

_STEP = 2**40
"""Above all sources and the keys of users known from captions alone."""


def tenure_key(source: int, tenure: int) -> int:
    """The key of a stem: the source itself in its first tenure (0), a larger number in later ones."""
    return source + tenure * _STEP


def split_key(key: int) -> tuple[int, int]:
    """The source and the tenure of a stem's key. Keys below 0 are unknown sources, which have one tenure."""
    if key < _STEP:
        return key, 0
    tenure, source = divmod(key, _STEP)
    return source, tenure


class SourceOwners:
    """The owners of the sources of one call. All times are Unix seconds, and do not go back from call to call."""

    def __init__(self) -> None:
        self._sources: dict[int, _SourceFacts] = {}
        self._gone: dict[str, float] = {}
        """Since when each device has been shown as gone."""

    def __contains__(self, source: int) -> bool:
        return source in self._sources

    def __iter__(self) -> Iterator[int]:
        """The sources, in the order in which they were first assigned."""
        return iter(self._sources)

    def assign(self, source: int, device_id: str, evidence: Evidence, at: float) -> None:
        """Assigns ``source`` to ``device_id``, which ``evidence`` named as its owner at ``at``; the latest of each kind
        counts."""
        facts = self._sources.get(source)
        if facts is None:
            if len(self._sources) >= MAX_SOURCES:
                return
            facts = self._sources[source] = _SourceFacts()
        facts.learn(device_id, evidence, at, self._gone)

    def show(self, device_id: str, *, gone: bool, at: float) -> None:
        """Notes that the platform showed a device as gone, or as not gone, at ``at``."""
        if gone:
            self._gone.setdefault(device_id, at)
            return
        since = self._gone.pop(device_id, None)
        if since is not None and at >= since + LAST_WORDS:
            for facts in self._sources.values():
                facts.resume(device_id, since + LAST_WORDS, at)

    def tenure(self, source: int, at: float) -> int:
        """The number of the tenure of ``source`` at ``at``, as far as is known."""
        facts = self._sources.get(source)
        return 0 if facts is None else facts.tenure(at, self._gone)

    def owner(self, source: int) -> SourceOwner:
        """The latest owner of ``source``. Raises KeyError for a source that was never assigned."""
        return self._sources[source].owner()

    def owner_in(self, source: int, tenure: int) -> SourceOwner | None:
        """The owner of ``source`` in that tenure; None: nobody's, as far as is known."""
        facts = self._sources.get(source)
        owners = () if facts is None else facts.owners(self._gone)
        return owners[tenure] if tenure < len(owners) else None

    def changed_hands(self) -> dict[int, tuple[SourceOwner | None, ...]]:
        """The owners of all tenures of each source that had more than one, or whose owner is gone."""
        owners = ((source, facts.owners(self._gone)) for source, facts in self._sources.items())
        return {source: each for source, each in owners if len(each) > 1}


class _SourceFacts:
    """The tenures of one source: those that are over, and for the last the device that each kind of evidence names."""

    def __init__(self) -> None:
        self._over: list[SourceOwner] = []
        self._begins: list[float] = []
        """When each tenure but the first began."""
        self._devices: dict[Evidence, str] = {}
        self._contested = False
        self._owner = ""
        """The device that the strongest evidence names."""

    def learn(self, device_id: str, evidence: Evidence, at: float, gone: dict[str, float]) -> None:
        """Applies evidence, which may begin a tenure."""
        if self._devices and device_id != self._owner:
            if self._owner in gone:
                self._begin(min(at, gone[self._owner] + LAST_WORDS))
            elif device_id in gone:
                return  # an old statement: that device had the source before
            elif evidence.strength == PUSHED and self._devices.get(evidence) == self._owner:
                self._contested = True
                self._begin(at)
                self._contested = True
        self._contested |= any(known != device_id for known in self._devices.values())
        self._devices[evidence] = device_id
        self._owner = self.owner().device_id

    def resume(self, device_id: str, vacated: float, at: float) -> None:
        """Its owner, gone since before ``vacated``, is back at ``at``. What was heard meanwhile is most likely the owner's."""
        if self._owner == device_id:
            devices = dict(self._devices)
            for moment in (vacated, at):
                self._begin(moment)
                self._devices = dict(devices)
            if len(self._over) > 1:
                self._over[-1] = msgspec.structs.replace(self._over[-1], contested=True)

    def tenure(self, at: float, gone: dict[str, float]) -> int:
        number = bisect_right(self._begins, at)
        if gone and number == len(self._begins):
            since = gone.get(self._owner)
            number += since is not None and at >= since + LAST_WORDS
        return number

    def owner(self) -> SourceOwner:
        kinds = sorted(self._devices, key=lambda kind: kind.strength, reverse=True)
        device_id = self._devices[kinds[0]]
        return SourceOwner(
            device_id=device_id,
            evidence=tuple(kind for kind in kinds if self._devices[kind] == device_id),
            contested=self._contested,
        )

    def owners(self, gone: dict[str, float]) -> tuple[SourceOwner | None, ...]:
        return (*self._over, self.owner(), *([None] if self._owner in gone else []))

    def _begin(self, at: float) -> None:
        """Begins a tenure at ``at``; where there are too many, the evidence goes on contested."""
        if len(self._over) + 1 >= MAX_TENURES:
            self._contested = True
            return
        self._over.append(self.owner())
        self._begins.append(max([at, *self._begins[-1:]]))
        self._devices = {}
        self._contested = False
