"""What a bot in a call is told from outside, over all attempts of a job; the session of each attempt follows it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Message(NamedTuple):
    """An errand: to write ``text`` into the call's chat."""

    text: str


class Screenshot(NamedTuple):
    """An errand: to write a picture of the page to ``path``, without people's names, faces and words."""

    path: Path


Errand = Message | Screenshot
"""What is to be done in the page."""

Finish = Callable[[str], None]
"""Called with why the errand failed; empty: it is done."""


class Controls:
    """Used in one event loop. ``paused``: the recording is paused; ``told_to_record``: it waits for nothing else.

    Both may be set while there is no session. ``recording``: the present attempt records.
    """

    def __init__(self, *, paused: bool = False, told_to_record: bool = False) -> None:
        self.paused = paused
        self.told_to_record = told_to_record
        self.recording = False
        self.errands: deque[tuple[Errand, Finish]] = deque()
        """What is to be done in the page, one after the other."""
        self.wake = asyncio.Event()
        """Set where the page is to be looked at without delay."""
        self._follow: Callable[[], None] = lambda: None

    def attach(self, follow: Callable[[], None]) -> None:
        """``follow`` is called after each change from now on, in place of the one before it."""
        self._follow = follow

    def detach(self) -> None:
        """The session is over: nobody follows any more."""
        self.recording = False
        self._follow = lambda: None

    def set_paused(self, paused: bool) -> None:
        """Pauses the recording, or goes on with it, at once."""
        self.paused = paused
        self._follow()

    def start_recording(self) -> None:
        """Makes the bot record as soon as it is in the call."""
        self.told_to_record = True
        self._follow()
        self.wake.set()

    def ask(self, errand: Errand, finish: Finish) -> None:
        """Has ``errand`` done in the page once the bot is in the call."""
        self.errands.append((errand, finish))
        self.wake.set()
