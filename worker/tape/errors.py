"""What can be wrong with a tape."""

from __future__ import annotations

from worker.errors import InputError, MeetstemsError


class TapeWriteError(MeetstemsError):
    """The tape can no longer be written (disk full, folder gone). What was written before stays valid."""


class TapeReadError(InputError):
    """The folder holds no tape that this version can read."""


class TapeNotFoundError(TapeReadError):
    """There is no such folder, or it holds no part."""


class NotATapeError(TapeReadError):
    """There are parts, but none of them is part of a tape."""


class NewerTapeError(TapeReadError):
    """The tape was written by a newer version, and this one would misread it."""
