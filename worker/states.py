"""The states of a bot. worker.contracts.vendor_words has the vendors' names for them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The value is written to the tape, ``bot.json``, events, logs and metrics.

    A call goes ``joining`` → ``waiting_room`` → ``in_call_not_recording`` → ``in_call_recording`` → ``leaving`` → ``done`` or
    ``fatal``; the other states are the worker's and never on the tape.
    """

    IDLE = "idle"
    """The worker has no job."""
    STARTING = "starting"
    """The browser is starting."""
    JOINING = "joining"
    WAITING_ROOM = "waiting_room"
    IN_CALL_NOT_RECORDING = "in_call_not_recording"
    IN_CALL_RECORDING = "in_call_recording"
    LEAVING = "leaving"
    UPLOADING = "uploading"
    """After the call, until the result is reported."""
    STOPPED = "stopped"
    """The bot has left; its files are not finished yet."""
    DONE = "done"
    FATAL = "fatal"


def read_state(value: str) -> State | None:
    """The state with this value, from a tape or a result; None for one that this version does not know."""
    try:
        return State(value)
    except ValueError:
        return None
