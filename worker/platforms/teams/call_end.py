"""Why a Teams call is over for the bot, by the messages of its signalling (pure)."""

from __future__ import annotations

from worker.platforms.teams.trouter import Frame
from worker.reasons import Reason
from worker.roster.roster import CallOver

_ENDINGS = {
    5854: Reason.DENIED_BY_HOST,
    5723: Reason.SIGN_IN_REQUIRED,
    5000: Reason.REMOVED,
    5300: Reason.REMOVED,
}
"""Why a conversation ended for us, by its sub-code; any other sub-code: the meeting ended."""


def call_over(frame: Frame) -> CallOver:
    """What a frame of the kinds ``end`` and ``leg_end`` says: the reason, and the service's words as its detail."""
    code = frame.sub_code
    reason = _ENDINGS.get(code or 0, Reason.MEETING_ENDED)
    code_text = "no sub-code" if code is None else f"sub-code {code}"
    what = "call" if frame.kind == "leg_end" else "conversation"
    return CallOver(
        reason=reason,
        detail=f"the call's signalling says that the {what} ended: {code_text}"
        + (f" ({frame.phrase})" if frame.phrase else ""),
        evidence=(f"frames.{what}_end.{'none' if code is None else code}",),
    )
