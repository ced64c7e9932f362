"""When a bot leaves by itself (pure data). worker.contracts.meetstream and worker.contracts.recall create it from a job,
worker.lifecycle.state_machine applies it.

All durations are in seconds; None disables a limit. Sources: MeetStream's create-bot reference and Recall.ai's
"Automatic Leaving Behavior".
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

StartOn: TypeAlias = Literal["call_join", "participant_join", "participant_speak", "manual"]


class Patience(msgspec.Struct, frozen=True):
    """Leave once a condition has held for ``timeout`` seconds. The first ``activate_after`` seconds after the admission do not
    count."""

    timeout: float
    activate_after: float = 0.0


class LeavePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long a bot waits, for each reason to leave.

    ``waiting_room`` counts from asking to join, ``noone_joined``, ``in_call_not_recording`` and ``recording_denied`` from the
    admission (the last from the refusal), ``max_duration`` from the recording's start. ``bot_names`` are matched without regard
    to case anywhere in a participant's name.
    ``start_on`` is what recording waits for; ``manual``: to be told to begin.
    """

    waiting_room: float | None = 600.0
    noone_joined: float | None = 600.0
    everyone_left: Patience | None = Patience(300.0)
    only_bots_by_names: Patience | None = None
    bot_names: tuple[str, ...] = ()
    only_bots_by_events: Patience | None = None
    silence: Patience | None = None
    in_call_not_recording: float | None = 3600.0
    recording_denied: float | None = 60.0
    max_duration: float | None = None
    start_on: StartOn = "call_join"


STANDALONE: Final = LeavePolicy()
"""For ``meetstems record``, where a person watches."""
