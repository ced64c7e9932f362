"""Errors that end a command: one line for the user, and an exit code."""

from __future__ import annotations


class MeetstemsError(Exception):
    """Something failed. The message is one line for the user, ``exit_code`` is the command's exit code."""

    exit_code = 1


class InputError(MeetstemsError):
    """The caller's input is wrong. The message names the field, its value and what was expected."""

    exit_code = 2
