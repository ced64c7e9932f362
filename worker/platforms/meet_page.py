"""What Google Meet's pages look like: every selector and every phrase that this package relies on, in one place."""

from __future__ import annotations

from typing import Final

import msgspec


class Dialog(msgspec.Struct, frozen=True, kw_only=True):
    """A modal dialog: its visible text and the labels of its buttons."""

    text: str
    buttons: list[str]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a Meet page shows at one moment, as meet_observe.js read it.

    ``buttons`` are labels and texts of visible buttons; ``name`` is the content of the name field, None without one; ``text``
    is the visible text, empty where it was not read.
    """

    url: str = ""
    language: str = ""
    call_controls: bool = False
    leave_button: bool = False
    tiles: int = 0
    name: str | None = None
    microphone_on: bool = False
    camera_on: bool = False
    buttons: list[str] = []
    headings: list[str] = []
    dialogs: list[Dialog] = []
    text: str = ""


NAME_FIELD: Final = ", ".join(
    [
        'input[type=text][aria-label="Your name"]',
        'input[type=text][placeholder*="name" i]',
        "input[jsname][type=text]",
    ]
)
DIALOG: Final = "div[aria-modal=true][role=dialog]"
DIALOG_OK: Final = f"{DIALOG} button[data-mdc-dialog-action=ok]"
MICROPHONE_ON: Final = '[aria-label="Turn off microphone"]'
CAMERA_ON: Final = '[aria-label="Turn off camera"]'
LEAVE: Final = 'button[aria-label="Leave call"]'

OBSERVED: Final = {
    "callControls": 'div[role=region][aria-label="Call controls"]',
    "captions": 'button[aria-label="Turn on captions"]',
    "leave": LEAVE,
    "tile": "[data-participant-id]",
    "phantomTile": '[data-participant-id*="visual_effects"]',
    "nameField": NAME_FIELD,
    "dialog": DIALOG,
    "microphoneOn": MICROPHONE_ON,
    "cameraOn": CAMERA_ON,
}
"""The selectors that meet_observe.js is given."""

JOIN: Final = (
    "Ask to join",
    "Ask to join anyway",
    "Join now",
    "Join the call now",
    "Join anyway",
    "Join here too",
    "Switch here",
)
IN_THE_WAY: Final = (
    "Got it",
    "Dismiss",
    "Use without an account",
    "Continue without microphone and camera",
)
STILL_THERE: Final = ("Stay in the call", "Stay in call", "I'm still here", "Yes")

LOBBY: Final = (
    "asking to be let in",
    "you'll join the call when someone lets you in",
    "please wait until a meeting host",
    "waiting for the host to join",
)
CONSENT: Final = ("audio and video will be shared with",)
NOTICES: Final = (
    "this video call is being recorded",
    "being transcribed",
    "gemini is taking notes",
    "others may see your video differently",
)
QUESTIONS: Final = ("are you still there",)

REFUSED: Final = {
    "denied_by_host": ("denied your request to join", "weren't allowed to join"),
    "waiting_room_timeout": ("no one responded to your request to join",),
    "meeting_not_found": (
        "check your meeting code",
        "invalid video call name",
        "your meeting code has expired",
        "the meeting code you entered doesn't work",
    ),
    "blocked_by_platform": (
        "you can't join this video call",
        "there is a problem connecting to this video call",
    ),
}
"""Why a guest was not let in, and how the page says so."""

SIGN_IN_HEADING: Final = "sign in"
SIGN_IN_TEXT: Final = "your google account"

ENDED: Final = {
    "removed": ("you've been removed from the meeting",),
    "meeting_ended": (
        "your host ended the meeting for everyone",
        "the meeting has ended",
        "this call has ended",
    ),
}
"""How a call is over, and how the page says so."""


def button(label: str) -> str:
    """The Playwright selector of a button that bears exactly this text."""
    return f'button:text-is("{label}"), button:has(span:text-is("{label}")), [role=button]:text-is("{label}")'
