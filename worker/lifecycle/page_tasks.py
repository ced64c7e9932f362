"""Which tasks in a call's page are due, beside joining and answering it (pure): each is tried rarely, and only where needed.

Two of them exist. A platform may end a call for one who is alone in it: where the policy lets the bot wait longer, the page
has to be told so. And a page may show people of whom the platform pushes nothing: some clients subscribe to the roster only
while its panel is open, so the panel is opened once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from math import inf
from typing import Final

from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.presence import LONGEST_PAUSE, STILL_HERE, people
from worker.roster.roster import Device, Evidence, Roster, Status
from worker.tape.events import ChannelMessage, DocumentClosed, FrameBatch, TapeEvent

ALONE_FOR: Final = 15.0
"""Seconds that the bot must be alone: a roster takes some to come, and a platform's patience is minutes."""

PUSH_WINDOW: Final = 60.0
"""Seconds over which messages that push the roster are counted, after the admission at the earliest."""

KEEPALIVES: Final = 1
"""Such messages in PUSH_WINDOW that still count as none. A client with all panels closed was seen to get one in 90 s."""

UNSEEN_FOR: Final = 20.0
"""Seconds that people must be seen of whom the roster was pushed nothing: a push may come later than tiles and packets."""

RETRY_AFTER: Final = 30.0
"""Seconds from a try to the next."""

MOST_TRIES: Final = 3


class PageTask(StrEnum):
    """What is to be done in the page."""

    STAY_ALONE = "stay_alone"
    """Have the platform not end the call for the bot while it is alone."""
    WAKE_ROSTER = "wake_roster"
    """Have the page subscribe to the roster: open the panel of people and close it again."""


class TaskOutcome(StrEnum):
    """What became of a task."""

    DONE = "done"
    ABSENT = "absent"
    """The page offers no such thing: no harm, and no reason to try again."""
    LATER = "later"
    """The page shows something else now."""
    FAILED = "failed"


class PageTasks:
    """Follows roster, media and pushes. All times are Unix seconds.

    ``longest_alone`` and ``is_push`` are those of the platform's entry (worker.platforms.registry).
    """

    def __init__(
        self,
        policy: LeavePolicy,
        bot_name: str,
        longest_alone: float | None,
        is_push: Callable[[TapeEvent], bool] | None,
    ) -> None:
        self._policy = policy
        self._bot_name = bot_name
        self._longest_alone = inf if longest_alone is None else longest_alone
        self._is_push = is_push
        self._saw_people = False
        self._heard_people = False
        """Whether the roster showed, or a packet brought, anybody since the admission."""
        self._alone_since: float | None = None
        self._unseen_since: float | None = None
        self._begun: float | None = None
        """Since when this document has been in the call."""
        self._document: int | None = None
        self._pushes: deque[float] = deque(maxlen=KEEPALIVES + 1)
        """When the last ones came: no more have to be known."""
        self._tries: dict[PageTask, int] = {}
        self._not_before: dict[PageTask, float] = {}
        self.pushes = None if is_push is None else 0
        """All messages that pushed the roster; None: the platform pushes none."""

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        match event:
            case FrameBatch(frames=[_, *_]) | ChannelMessage(sent=False):
                self._document = event.document
            case DocumentClosed() if event.document == self._document:
                self._restart()
            case _:
                pass
        if isinstance(event, ChannelMessage) and self._is_push is not None and self._is_push(event):
            self.pushes = (self.pushes or 0) + 1
            self._pushes.append(event.at)

    def due(self, roster: Roster, media: MediaState, at: float) -> PageTask | None:
        """The task that is due at ``at``, if any; to be called at each look in the call."""
        if self._begun is None:
            self._begun = at
        self._follow(roster, media, at)
        if self._is_due(PageTask.STAY_ALONE, self._alone_since, ALONE_FOR, at) and self._outstays():
            return PageTask.STAY_ALONE
        if (
            self._is_due(PageTask.WAKE_ROSTER, self._unseen_since, UNSEEN_FOR, at)
            and at - self._begun >= PUSH_WINDOW
            and self._pushes_in_window(at) <= KEEPALIVES
        ):
            return PageTask.WAKE_ROSTER
        return None

    def finish(self, task: PageTask, outcome: TaskOutcome, at: float) -> None:
        """Takes what became of a task that was due. A panel is opened once a document, whatever came of it."""
        self._not_before[task] = at + RETRY_AFTER
        tries = self._tries[task] = self._tries.get(task, 0) + (outcome is not TaskOutcome.LATER)
        once = task is PageTask.WAKE_ROSTER and tries
        if once or tries >= MOST_TRIES or outcome in (TaskOutcome.DONE, TaskOutcome.ABSENT):
            self._not_before[task] = inf

    def _restart(self) -> None:
        """The call's document has gone: what was done in it is undone, and what it was told says nothing of the next."""
        self._begun = self._alone_since = self._unseen_since = None
        self._pushes.clear()
        self._tries.clear()
        self._not_before.clear()

    def _follow(self, roster: Roster, media: MediaState, at: float) -> None:
        others = people(roster, self._bot_name)
        self._saw_people |= bool(others)
        self._heard_people |= media.last_speech is not None
        speaks = media.last_speech is not None and at - media.last_speech < STILL_HERE
        self._alone_since = None if others or speaks else _since(self._alone_since, at)
        unseen = any(map(_is_not_pushed, others)) or any(
            _is_not_pushed(roster.owner(source))
            for source, spoke_at in media.sources.items()
            if at - spoke_at < PUSH_WINDOW
        )
        self._unseen_since = _since(self._unseen_since, at) if unseen and self._is_push is not None else None

    def _is_due(self, task: PageTask, since: float | None, after: float, at: float) -> bool:
        return since is not None and at - since >= after and at >= self._not_before.get(task, -inf)

    def _pushes_in_window(self, at: float) -> int:
        return sum(at - pushed < PUSH_WINDOW for pushed in self._pushes)

    def _outstays(self) -> bool:
        """Whether the policy lets the bot wait alone for longer than the platform does."""
        policy = self._policy
        left = _total(policy.everyone_left)
        if self._saw_people:
            leaves = min(left, _total(policy.silence))
        elif self._heard_people:
            # Without a roster that shows them leave, only silence ends the wait (AutomaticLeave).
            leaves = min(max(left, LONGEST_PAUSE), _total(policy.silence))
        else:
            leaves = inf if policy.noone_joined is None else policy.noone_joined
        return min(leaves, inf if policy.max_duration is None else policy.max_duration) > self._longest_alone


def _since(before: float | None, at: float) -> float:
    return at if before is None else before


def _total(patience: Patience | None) -> float:
    return inf if patience is None else patience.activate_after + patience.timeout


def _is_not_pushed(device: Device | None) -> bool:
    """Whether the platform's own messages have not told of this owner of a source, or participant."""
    return device is None or (
        device.status is Status.UNKNOWN and device.name_evidence in (Evidence.NONE, Evidence.TILES)
    )
