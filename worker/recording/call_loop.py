"""The loop of a bot in a call: reads the page, lets the lifecycle decide, and acts on the page, until the bot has to leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from worker.browser.page_window import PageWindow
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.page_tasks import PageTask, PageTasks, TaskOutcome
from worker.lifecycle.page_view import Scene, View
from worker.lifecycle.state_machine import BEFORE_CALL, IN_CALL, Lifecycle, Transition
from worker.platforms.call import Call
from worker.recording.announcer import Announcer
from worker.recording.errands import Errands
from worker.roster.changes import RosterChanges
from worker.roster.chat import ChatMessage, no_chat
from worker.roster.decoder import RosterDecoder
from worker.roster.roster import Roster
from worker.states import State
from worker.tape.events import (
    Batch,
    ChannelMessage,
    ChatReceived,
    DocumentClosed,
    PageLost,
    PageObjects,
    PageSeen,
    RosterResponse,
    SocketMessage,
    TapeEvent,
    TapeStarted,
    TilesSeen,
    WorkerEvent,
)

logger = logging.getLogger(__name__)

JOINING_INTERVAL: Final = 0.25
"""Seconds between two looks at the page before the bot is in the call."""

IN_CALL_INTERVAL: Final = 1.0
"""Seconds between two looks at the page in the call."""

MOST_CHAT_IDS: Final = 1000
"""Bound on the chat messages that are known, since the page is untrusted."""

THOROUGH_EVERY: Final = 2
"""In the call, the first of this many looks reads the page's text, too."""

TASK_TIMEOUT: Final = 20.0
"""Seconds for one task in the page, during which nothing else is read from it."""

_ROSTER_EVENTS: Final = (
    *(ChannelMessage, SocketMessage, PageObjects, RosterResponse, TilesSeen),
    *(TapeStarted, DocumentClosed),
)
"""TapeStarted names the bot, by which a decoder may know its entry."""


class CallLoop:
    """Drives ``lifecycle`` with the observations of ``call``, ``decoder`` and ``media``. While it records, ``window`` rests.

    ``on_transition`` is called with each transition, ``write`` with each event for the tape. ``clock`` returns Unix seconds on
    a steady clock, ``last_heartbeat`` when the page last showed that its scripts run, on the same clock.
    """

    def __init__(
        self,
        call: Call,
        window: PageWindow,
        decoder: RosterDecoder,
        media: MediaMonitor,
        lifecycle: Lifecycle,
        announcer: Announcer,
        tasks: PageTasks,
        *,
        on_transition: Callable[[Transition], None],
        write: Callable[[WorkerEvent], None],
        clock: Callable[[], float],
        last_heartbeat: Callable[[], float | None],
        errands: Errands,
        chat_in: Callable[[TapeEvent], list[ChatMessage]] = no_chat,
    ) -> None:
        self._call = call
        self._window = window
        self._decoder = decoder
        self._media = media
        self._lifecycle = lifecycle
        self._announcer = announcer
        self._tasks = tasks
        self._task: PageTask | None = None
        """The task that is due."""
        self._on_transition = on_transition
        self._write = write
        self._clock = clock
        self._last_heartbeat = last_heartbeat
        self._page_lost = False
        self._roster_changes = RosterChanges()
        self._roster_is_outdated = False
        self._seen: View | None = None
        self._chat_in = chat_in
        self._errands = errands
        self._roster = Roster()
        self._chat: list[tuple[ChatMessage, float]] = []
        """Messages that are not written yet, and when they came."""
        self._chat_ids: dict[str, None] = {}
        """Of the last MOST_CHAT_IDS messages: platforms repeat them."""

    def observe(self, event: TapeEvent) -> None:
        """Takes an event that was written to the tape."""
        self._tasks.observe(event)
        if isinstance(event, Batch):
            return
        if isinstance(event, _ROSTER_EVENTS):
            self._decoder.observe(event)
            self._roster_is_outdated = True
            if self._lifecycle.state in BEFORE_CALL:
                self._lifecycle.note_us(self._decoder.roster().us, event.at)
        for message in self._chat_in(event):
            self._take_chat(message, event.at)

    def _take_chat(self, message: ChatMessage, at: float) -> None:
        if message.sent:
            self._announcer.see(message.text, "sent")
        elif message.message_id not in self._chat_ids and len(self._chat) < MOST_CHAT_IDS:
            if self._is_ours(message):
                self._announcer.see(message.text, "echo")
            self._chat.append((message, at))
            self._chat_ids[message.message_id] = None
            if len(self._chat_ids) > MOST_CHAT_IDS:
                del self._chat_ids[next(iter(self._chat_ids))]

    def _is_ours(self, message: ChatMessage) -> bool:
        """Whether the bot wrote it, as far as the roster tells who the bot is."""
        us = self._roster.us
        return us is None or us.device_id == message.participant_id

    async def until_leaving(self) -> None:
        """Joins the call and returns when the bot has to leave. Raises CallError."""
        await self._call.open()
        looks = 0
        while True:
            joining = self._lifecycle.state in BEFORE_CALL
            view = await self._call.look(thorough=joining or looks % THOROUGH_EVERY == 0)
            looks += 1
            self._report(view)
            self._decide(view)
            if self._lifecycle.state not in BEFORE_CALL | IN_CALL:
                return
            if not (view.joinable and self._lifecycle.state in IN_CALL):
                # A page that left the call must not ask to join again: people would see a request that the bot soon drops.
                await self._call.act()
            await self._do_task()
            if self._lifecycle.state in IN_CALL:
                await self._errands.do_next()
            if self._lifecycle.state is State.IN_CALL_RECORDING:
                await self._announcer.try_if_due()
                await self._window.rest()
            await self._errands.rest(JOINING_INTERVAL if joining else IN_CALL_INTERVAL)

    def log_pushes(self, at: float) -> None:
        """Logs how often the platform pushed its roster until ``at``, where it does."""
        admitted_at, pushes = self._lifecycle.admitted_at, self._tasks.pushes
        if admitted_at is not None and pushes is not None:
            minutes = max(1.0, at - admitted_at) / 60
            logger.info(
                "the roster was pushed by %d messages, %.1f a minute in the call", pushes, pushes / minutes
            )

    async def _do_task(self) -> None:
        """Does what is due in the page. What fails costs the recording nothing. Raises CallError."""
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(TASK_TIMEOUT):
                outcome = await self._call.carry_out(task)
        except TimeoutError:
            outcome = TaskOutcome.FAILED
        level = logging.WARNING if outcome is TaskOutcome.FAILED else logging.INFO
        logger.log(level, "a task in the page, %s: %s", task.value, outcome.value)
        self._tasks.finish(task, outcome, self._clock())

    def _decide(self, view: View) -> None:
        lifecycle, at = self._lifecycle, self._clock()
        for transition in lifecycle.update_media(self._media.now, at):
            self._on_transition(transition)
        if self._roster_is_outdated:
            self._roster_is_outdated = False
            self._roster = roster = self._decoder.roster()
            for change in self._roster_changes.changes(roster, at):
                self._write(change)
            for transition in lifecycle.update_roster(roster, at):
                self._on_transition(transition)
        lifecycle.update_heartbeat(self._last_heartbeat())
        for transition in lifecycle.update_view(view, at):
            self._on_transition(transition)
        self._report_loss(at)
        if lifecycle.state in IN_CALL:
            self._write_chat(lifecycle.admitted_at or at)
            if view.scene is Scene.CALL:
                self._task = self._tasks.due(self._roster, self._media.now, at)

    def _write_chat(self, admitted_at: float) -> None:
        """Writes to the tape what was said to the bot since the last look, or before it was admitted."""
        chat, self._chat = self._chat, []
        for message, arrived in chat:
            name = message.name or self._roster.device(message.participant_id).name
            self._write(
                ChatReceived(
                    at=max(arrived, admitted_at),
                    message_id=message.message_id,
                    participant_id=message.participant_id,
                    name=name,
                    text=message.text,
                    sent_at=message.sent_at,
                )
            )

    def _report_loss(self, at: float) -> None:
        """Writes to tape and log that the page is lost, or is back."""
        reason = self._lifecycle.page_lost
        if (reason is not None) == self._page_lost or self._lifecycle.state not in IN_CALL:
            return
        self._page_lost = reason is not None
        self._write(PageLost(at=at, lost=self._page_lost, detail=reason or ""))
        if reason is not None:
            logger.warning("the call's page is lost: %s", reason)
        else:
            logger.info("the call's page is not lost any more")

    def _report(self, view: View) -> None:
        """Writes to tape and log what the page shows, if it has changed."""
        if view == self._seen:
            return
        self._seen = view
        self._write(
            PageSeen(
                at=self._clock(),
                scene=view.scene,
                reason=view.reason or "",
                detail=view.detail,
                evidence=list(view.evidence),
                variant=view.variant,
                language=view.language,
            )
        )
        logger.info(
            "the page shows: %s (%s; variant %s, language %s)",
            view.scene.value,
            ", ".join(view.evidence) or "no sign",
            view.variant or "unknown",
            view.language or "unknown",
        )
