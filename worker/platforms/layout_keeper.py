"""When the bot sets the layout that shows the most videos (pure): the same for every platform."""

from __future__ import annotations

from math import inf
from typing import Final

import msgspec

from worker.lifecycle.page_view import Scene, View

SETTLE: Final = 2.0
"""Seconds after the call was entered, or a share began or ended, until the layout is looked at: the page changes its own."""
ATTEMPT: Final = 12.0
"""Seconds for the way to the layout; then what was opened is closed."""
RETRY_AFTER: Final = 20.0
"""Seconds from the end of an attempt to the next."""
MOST_TRIES: Final = 3
"""Attempts in a row that fail, after which there is one every RECHECK_AFTER seconds."""
RECHECK_AFTER: Final = 300.0
"""Seconds after which a layout is looked at again: a page may change it without a sign."""

LAYOUT_FAILED: Final = "layout.failed"
"""The evidence in a view of the call whose page does not take the layout: fewer videos may be recorded."""


class LayoutKeeper:
    """Follows the looks at a page. All times are seconds on a steady clock. ``wanted`` False: no layout is ever set.

    The layout is looked at after the call was entered, after a share began or ended, and every RECHECK_AFTER seconds; menus and
    dialogs have to be opened for that, so it is rare.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._due = inf
        self._wanted = wanted
        self._begun: float | None = None
        self._ended = -inf
        self._shares: bool | None = None
        self._tries = 0
        self.failed = False
        """Whether MOST_TRIES attempts in a row have failed, and none has worked since."""

    @property
    def is_active(self) -> bool:
        """Whether steps to the layout are to be taken now."""
        return self._begun is not None

    def follow(self, now: float, *, shares: bool) -> None:
        """Takes a look at a page that shows the call. ``shares``: somebody's screen is shown."""
        if not self._wanted:
            return
        if shares != self._shares:
            # A page that flickers must not bring one attempt after the other.
            self._due = min(self._due, max(now + SETTLE, self._ended + RETRY_AFTER))
            self._shares = shares
        if self._begun is None and now >= self._due:
            self._begun, self._due = now, inf

    def is_overdue(self, now: float) -> bool:
        """Whether the attempt takes longer than ATTEMPT."""
        return self._begun is not None and now - self._begun > ATTEMPT

    def judge(self, view: View) -> View:
        """``view`` with LAYOUT_FAILED as further evidence where that is so; on the tape it tells why videos are missing."""
        if not self.failed or view.scene is not Scene.CALL:
            return view
        return msgspec.structs.replace(view, evidence=(*view.evidence, LAYOUT_FAILED))

    def finish(self, now: float, *, done: bool) -> None:
        """Ends the attempt. ``done``: the layout is the wanted one."""
        self._begun, self._ended = None, now
        self._tries = 0 if done else self._tries + 1
        self.failed = self._tries >= MOST_TRIES
        again = RECHECK_AFTER if done or self.failed else RETRY_AFTER
        # A share that began meanwhile is due, too, but no sooner than any other.
        self._due = max(min(self._due, now + again), now + RETRY_AFTER)
