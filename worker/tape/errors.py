"""Errors of reading and writing a tape."""

from __future__ import annotations

from worker.errors import InputError, MeetstemsError


class TapeWriteError(MeetstemsError):
    """The tape can no longer be written (disk full, folder gone). What was written before can still be read."""


class UnwritableEventError(MeetstemsError):
    """An event has values that a tape cannot hold, such as invalid Unicode. It is left out, and the tape goes on."""


class TapeReadError(InputError):
    """The folder holds no tape that this version can read."""


class TapeNotFoundError(TapeReadError):
    """The folder does not exist or holds no part."""


class NotATapeError(TapeReadError):
    """The folder holds files named as parts, but none of them is part of a tape."""


class NewerTapeError(TapeReadError):
    """A newer version wrote the tape; this one would misread it."""


class NoRoomForVideoError(MeetstemsError):
    """The disk has no room for a batch of video. The tape is as it was before."""
