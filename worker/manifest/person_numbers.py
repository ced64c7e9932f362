"""The numbers of participants: the same in live messages and in documents, whoever makes them and when (pure).

A number is made of the participant's identity alone, by SHA-256, so nothing has to be stored or counted: 1 to 2³¹ - 1, which
fits into a signed 32-bit integer. Two of 300 participants have the same hash once in 48,000 meetings; then the later one gets
the next free number (PersonNumbers).
"""

from __future__ import annotations

import hashlib
from typing import Final

from worker.manifest.meeting_log import LONGEST_ID
from worker.manifest.schema import ParticipantStreams
from worker.roster.tenures import split_key

LARGEST: Final = 2**31 - 1

_BOT: Final = "\nbot"
_SOURCE: Final = "\nsource "
_VIDEO: Final = "\nvideo "
"""No participant's id begins with a line break."""


def number_of_participant(participant_id: str) -> int:
    """The number of the participant with this id of the platform's, of which LONGEST_ID characters count."""
    return _hashed(participant_id[:LONGEST_ID])


def number_of_source(key: int) -> int:
    """The number of a speaker whom no evidence names, by the key of their stem (worker.roster.tenures).

    All tenures of a source have the same. Below 0 a key is the complement of the SSRC of packets that list no source.
    """
    source, _ = split_key(key)
    return _hashed(f"{_SOURCE}{source if source >= 0 else ~source}")


def number_of_speaker(person: ParticipantStreams) -> int:
    """The number of a participant of the manifest, also of one without an id."""
    if person.participant_id is not None:
        return number_of_participant(person.participant_id)
    first = next((source for segment in person.segments() for source in segment.sources), None)
    if first is None:
        return _hashed(_SOURCE)
    return number_of_source(first.ssrc if first.csrc is None else first.csrc)


def number_of_shown(position: int) -> int:
    """The number of somebody whom no evidence names, and of whom only a video is known: by its place in the manifest."""
    return _hashed(f"{_VIDEO}{position}")


class PersonNumbers:
    """Gives each participant of one meeting a number that no other one of it has."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, number: int) -> int:
        """``number``; if another participant has it, the next that is free: after LARGEST comes 1."""
        while number in self._taken:
            number = number % LARGEST + 1
        self._taken.add(number)
        return number


def _hashed(identity: str) -> int:
    digest = hashlib.sha256(identity.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % LARGEST + 1


BOT_NUMBER: Final = _hashed(_BOT)
"""The number of the bot, which has another id of the platform's after each time it joins."""
