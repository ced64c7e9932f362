"""Errors that end a command: one line for the user, and an exit code."""

from __future__ import annotations


class MeetstemsError(Exception):
    """Something failed. The message is one line for the user, ``exit_code`` is the command's exit code."""

    exit_code = 1


class InputError(MeetstemsError):
    """The caller's input is wrong. The message names the field, its value and what was expected."""

    exit_code = 2


def cause(error: Exception) -> str:
    """Why something failed, in one short line without paths: for documents and logs that others read."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:200]
