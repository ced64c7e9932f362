"""The errors that a person is told about in one line, and what they mean for the process."""

from __future__ import annotations


class MeetstemsError(Exception):
    """Something failed for a reason that one line can tell. ``exit_code`` is the command's."""

    exit_code = 1


class InputError(MeetstemsError):
    """What the caller gave is wrong. The message names the field, its value and what was expected."""

    exit_code = 2
