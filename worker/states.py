"""Where a bot stands, as one typed code (pure). worker.contracts.vendor_words puts them into the vendors' words."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """A state's value stands on the tape, in ``bot.json``, in events, logs and metrics.

    A call goes ``joining`` → ``waiting_room`` → ``in_call_not_recording`` → ``in_call_recording`` → ``leaving`` → ``done`` or
    ``fatal``; the others are the worker's own and never on the tape.
    """

    IDLE = "idle"
    """The worker has no job."""
    STARTING = "starting"
    """The browser is being started."""
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
