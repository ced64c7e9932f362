"""Reads what a bot is told from the store about once a second, has it done, and writes down what became of it.

A command is carried out by the worker that has the bot's lease, and then acknowledged. A worker that is killed in between
leaves it to the next one, which does it (again): pausing twice is pausing, a message may come twice. What the store refuses,
or takes long for, delays commands and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from worker.contracts.commands import (
    LONGEST_DETAIL,
    MOST_LISTED,
    Acknowledgement,
    Command,
    CommandKind,
    Commands,
    CommandState,
    Outcome,
    decoded,
)
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError
from worker.delivery.guarded_document import GuardedDocument
from worker.delivery.lease import Lease, LeaseLostError
from worker.delivery.object_store import NotFoundError, ObjectStore
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording.controls import Controls, Message, Screenshot
from worker.safe_text import printable

logger = logging.getLogger(__name__)

POLL: Final = 1.0
"""Seconds between two looks for commands: 3,600 conditional reads an hour."""

LONGEST_WAIT: Final = 15.0
"""Seconds between two looks while the store does not answer; the wait doubles up to here."""

PATIENCE: Final = 3.0
"""Seconds of retries of one request."""

UPLOAD_PATIENCE: Final = 20.0
"""Seconds of retries of a picture's upload."""

TOLD_TO_LEAVE: Final = "the bot was told to leave"
_BROKEN: Final = "an internal error"
_NOT_IN_CALL: Final = "the bot is not in the call any more"


class _Found(NamedTuple):
    """What a worker finds when it begins."""

    state: CommandState
    listed: Commands
    etag: str | None


class CommandInbox:
    """The commands of one bot, whose ``lease`` is held. To be used in one event loop, after ``load``.

    ``controls`` are those of the bot's attempts. ``leave`` makes it leave for good. Pictures are written to ``work`` first.
    ``clock`` returns Unix seconds.
    """

    def __init__(
        self,
        store: ObjectStore,
        keys: BotKeys,
        lease: Lease,
        controls: Controls,
        leave: Callable[[Ending], None],
        work: Path,
        clock: Callable[[], float],
    ) -> None:
        self._store = store.within(PATIENCE)
        self._uploads = store.within(UPLOAD_PATIENCE)
        self._keys = keys
        self._lease = lease
        self._controls = controls
        self._leave = leave
        self._work = work
        self._clock = clock
        self._document = GuardedDocument(self._store, keys.command_state, self._may_speak)
        self._state = CommandState()
        self._listed = Commands()
        self._etag: str | None = None
        self._taken: set[str] = set()
        """Commands that are being carried out, or were by this worker."""
        self._unwritten = False
        self._changed = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._uploading: set[asyncio.Task[None]] = set()
        self._over = False

    async def load(self, starting: ObjectStore) -> None:
        """Takes what earlier workers left and what waits, before the bot joins. Raises what ``starting`` raises."""
        found = await asyncio.to_thread(self._find, starting)
        self._state, self._etag = found.state, found.etag
        self._controls.paused, self._controls.told_to_record = found.state.paused, found.state.started
        if found.state.left:
            self._leave(self._told_to_leave())
        self._take(found.listed)

    def start(self) -> None:
        """Looks for commands from now on."""
        self._looking = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Looks for commands no more; the next worker finds those that were not acknowledged."""
        tasks = [*self._uploading, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                logger.error("the look for commands ended: %r", result)

    async def _run(self) -> None:
        wait = POLL
        while not self._over:
            self._changed.clear()
            try:
                await self._look()
                await self._write()
                wait = POLL
            except LeaseLostError as error:
                logger.info("no commands are taken any more: %s", error)
                return
            except DeliveryError as error:
                wait = min(2 * wait, LONGEST_WAIT)
                logger.warning("commands wait: the next look is in %g s: %s", wait, error)
            except Exception:
                # Without this task the bot could not be told to leave any more.
                wait = LONGEST_WAIT
                logger.exception("commands wait: the next look is in %g s", wait)
            # asyncio.wait_for can lose the cancellation of a task whose event is set at the same moment (Python 3.11).
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def end(self) -> None:
        """The bot has left for good: refuses what it has not done, as far as the store answers."""
        self._over = True
        while self._controls.errands:
            _, finish = self._controls.errands.popleft()
            finish(_NOT_IN_CALL)
        self._changed.set()
        tasks = [*self._uploading, *([self._looking] if self._looking else [])]
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._look()
            await self._write()
        except DeliveryError as error:
            logger.info("commands are not acknowledged: %s", error)

    async def _look(self) -> None:
        stored = None
        with suppress(NotFoundError):
            stored = await asyncio.to_thread(self._store.get_unless, self._keys.commands, self._etag)
        if stored is None:
            return
        if not await asyncio.to_thread(self._may_speak):
            raise LeaseLostError(f"{self._keys.commands}: another worker has the bot")
        self._etag = stored.etag
        self._take(decoded(stored.data, Commands, self._keys.commands))

    def _take(self, listed: Commands) -> None:
        if len(listed.commands) > MOST_LISTED:
            logger.error("%d commands are listed; only the first %d count", len(listed.commands), MOST_LISTED)
        self._listed = Commands(commands=listed.commands[:MOST_LISTED])
        acknowledged = self._state.acknowledged_ids()
        for command in self._listed.commands:
            if command.id not in self._taken and command.id not in acknowledged:
                self._taken.add(command.id)
                self._try(command)
        self._taken &= {command.id for command in self._listed.commands}

    def _try(self, command: Command) -> None:
        """Carries out a command. One that breaks something costs no other command anything, and is not repeated."""
        logger.info("the bot is told: %s", printable(command.kind))
        try:
            self._carry_out(command)
        except Exception:
            logger.exception("internal error in a command")
            self._acknowledge(command, Outcome.FAILED, _BROKEN)

    def _carry_out(self, command: Command) -> None:
        if self._over and command.kind != CommandKind.LEAVE:
            self._acknowledge(command, Outcome.REFUSED, _NOT_IN_CALL)
            return
        match command.kind:
            case CommandKind.LEAVE:
                self._leave(self._told_to_leave())
                self._acknowledge(command, Outcome.DONE, left=True)
            case CommandKind.PAUSE:
                self._controls.set_paused(True)
                self._acknowledge(command, Outcome.DONE, paused=True)
            case CommandKind.RESUME:
                self._controls.set_paused(False)
                self._acknowledge(command, Outcome.DONE, paused=False)
            case CommandKind.START if self._controls.recording:
                self._acknowledge(command, Outcome.REFUSED, "the recording has begun already")
            case CommandKind.START:
                self._controls.start_recording()
                self._acknowledge(command, Outcome.DONE, started=True)
            case CommandKind.SEND_MESSAGE:
                self._controls.ask(Message(command.message), partial(self._finish, command))
            case CommandKind.SCREENSHOT:
                path = self._work / f"{command.id}.png"
                self._controls.ask(Screenshot(path), partial(self._upload_soon, command, path))
            case _:
                self._acknowledge(
                    command, Outcome.REFUSED, "this version of the bot does not know the command"
                )

    def _finish(self, command: Command, failure: str) -> None:
        self._acknowledge(command, Outcome.FAILED if failure else Outcome.DONE, failure)

    def _upload_soon(self, command: Command, path: Path, failure: str) -> None:
        if failure:
            self._finish(command, failure)
            return
        task = asyncio.create_task(self._upload(command, path))
        self._uploading.add(task)
        task.add_done_callback(self._uploading.discard)

    async def _upload(self, command: Command, path: Path) -> None:
        key = self._keys.screenshot(round(self._clock() * 1000), command.id)
        failure = ""
        try:
            await asyncio.to_thread(self._uploads.put, key, path, content_type="image/png")
        except (DeliveryError, OSError) as error:
            failure = f"the picture was not stored: {error}"
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self._finish(command, failure)

    def _acknowledge(self, command: Command, outcome: Outcome, detail: str = "", **changes: bool) -> None:
        if outcome is not Outcome.DONE:
            logger.warning(
                "the bot did not do %s: %s", printable(command.kind), printable(detail, LONGEST_DETAIL)
            )
        state = msgspec.structs.replace(self._state, **changes)
        acknowledgement = Acknowledgement(
            id=command.id,
            kind=command.kind,
            outcome=outcome,
            at=self._clock(),
            detail=printable(detail, LONGEST_DETAIL),
        )
        self._state = state.with_acknowledgement(acknowledgement, self._listed)
        self._unwritten = True
        self._changed.set()

    async def _write(self) -> None:
        """Writes the state if it has changed. Raises LeaseLostError and what the store raises; then it stays to be written."""
        while self._unwritten:
            self._unwritten = False
            body = msgspec.json.encode(self._state)
            try:
                await asyncio.to_thread(self._document.write, body)
            except BaseException:
                self._unwritten = True
                raise

    def _find(self, store: ObjectStore) -> _Found:
        state, listed, etag = CommandState(), Commands(), None
        with suppress(NotFoundError):
            state = decoded(store.get(self._keys.command_state).data, CommandState, self._keys.command_state)
        with suppress(NotFoundError):
            stored = store.get(self._keys.commands)
            listed, etag = decoded(stored.data, Commands, self._keys.commands), stored.etag
        return _Found(state, listed, etag)

    def _told_to_leave(self) -> Ending:
        return Ending(Reason.INTERRUPTED, TOLD_TO_LEAVE, self._clock(), ("command",))

    def _may_speak(self) -> bool:
        return self._lease.may_speak(self._clock())
