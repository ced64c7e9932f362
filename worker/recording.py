"""One recording, from the launch of Chromium to the closed files."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from playwright.async_api import Page

from worker.browser.launch import BrowserSession, launch_browser, new_context
from worker.browser.tap import Tap
from worker.cost import Cost, CostMeter
from worker.output_folder import claim_output
from worker.platforms.call import Call, CallError, Ended, NotAdmitted
from worker.platforms.meet import MeetCall
from worker.platforms.meet_link import MeetLink
from worker.progress import Display
from worker.recorder import Recorder
from worker.rendering import HELD_SECONDS, OpenRenderer, Rendering
from worker.settings import Settings
from worker.stems.manifest import Manifest
from worker.stopping import stop_signals
from worker.tape.errors import TapeWriteError
from worker.tape.events import (
    CUT_OFF,
    TAPE_VERSION,
    RecordingEnded,
    RecordingStarted,
    StateChanged,
    TapeEvent,
    TapeStarted,
    WorkerEvent,
)
from worker.tape.writer import TapeWriter
from worker.watching import until_cut_off, until_hung

logger = logging.getLogger(__name__)

TAPE_FOLDER: Final = "tape"

IN_FLIGHT: Final = 0.25
"""Seconds: frames that arrived so shortly before the call was recognized may still be on their way from the page."""

LEAVE_TIMEOUT: Final = 6.0
"""Seconds for leaving the call; it ends all the same when the browser is closed."""

PART_SECONDS: Final = 4.0
"""What a killed worker had not uploaded yet is lost: the open part of the tape, and what an upload takes."""

_NO_LOBBY_LIMIT: Final = 600.0
"""Seconds after which Meet itself gives up in its waiting room."""

T = TypeVar("T")


class Order(NamedTuple):
    """What to record and where to. ``max_duration`` is in seconds of recording, None: no limit. ``waiting_room_timeout`` is in
    seconds.
    """

    bot_id: str
    link: MeetLink
    output: Path
    bot_name: str
    max_duration: float | None = None
    waiting_room_timeout: float = _NO_LOBBY_LIMIT


class Stop(NamedTuple):
    """Why it is over; ``at`` is in seconds since the Unix epoch. ``reason`` is a short code, ``detail`` plain English."""

    reason: str
    detail: str
    at: float


@dataclass(frozen=True)
class Hooks:
    """Who else takes part in a recording. None of them may raise.

    ``on_event`` is called with each event that stands on the tape, ``on_part_closed`` with the path of each part of the tape
    once it is complete. ``on_trouble`` sees the page before it goes, when the bot was not let in or something broke.
    """

    on_event: Callable[[TapeEvent], None] | None = None
    on_part_closed: Callable[[Path], None] | None = None
    on_trouble: Callable[[Page], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a recording.

    ``manifest`` is None where the bot was never in the call, or where the files failed. ``error`` is why the tape or the files
    could not be written.
    ``first_packet_after`` is from the waiting room's end to the first packet on the tape, ``files_closed_after`` from the end
    of the meeting to the last file closed, both in seconds.
    """

    stop: Stop
    manifest: Manifest | None
    error: Exception | None
    first_packet_after: float | None
    files_closed_after: float | None
    cost: Cost | None

    @property
    def failed(self) -> bool:
        """Whether something went wrong, other than the meeting's people not wanting a recording."""
        return self.error is not None or self.stop.reason in CUT_OFF


async def record(order: Order, settings: Settings, display: Display, open_renderer: OpenRenderer) -> Outcome:
    """Records one call until it ends, ``max_duration`` is over, SIGINT or SIGTERM comes, or something breaks.

    Raises OutputError, ChromiumNotFoundError and ChromiumLaunchError, and TapeWriteError if not even a tape can be begun.
    """
    with stop_signals() as signalled:
        stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        signalled.add_done_callback(lambda signal: _pass_on(signal, stopped))
        return await attend(order, settings, display, open_renderer, stopped)


async def attend(
    order: Order,
    settings: Settings,
    display: Display,
    open_renderer: OpenRenderer,
    stopped: asyncio.Future[Stop],
    hooks: Hooks = Hooks(),
) -> Outcome:
    """Records one call until it ends, ``max_duration`` is over, ``stopped`` is done, or something breaks.

    Raises what record() raises.
    """
    claim_output(order.output)
    display.state("starting")
    async with launch_browser(settings) as browser:
        context = await new_context(browser)
        with TapeWriter(order.output / TAPE_FOLDER, hooks.on_part_closed, PART_SECONDS) as tape:
            recorder = Recorder(tape, Rendering(open_renderer), on_event=hooks.on_event)
            tap = await Tap.attach(context, recorder.take)
            page = await context.new_page()
            call = MeetCall(
                page,
                order.link,
                order.bot_name,
                media_seen=lambda: recorder.media_seen,
                waiting_room_timeout=order.waiting_room_timeout,
            )
            return await _Session(order, browser, tap, page, call, recorder, display, stopped, hooks).run()


def _pass_on(signal: asyncio.Future[str], stopped: asyncio.Future[Stop]) -> None:
    if not signal.cancelled() and not stopped.done():
        stopped.set_result(_stop("interrupted", signal.result()))


class _Session:
    """What happens between the first event and the last."""

    def __init__(
        self,
        order: Order,
        browser: BrowserSession,
        tap: Tap,
        page: Page,
        call: Call,
        recorder: Recorder,
        display: Display,
        stopped: asyncio.Future[Stop],
        hooks: Hooks,
    ) -> None:
        self._order = order
        self._browser = browser
        self._tap = tap
        self._page = page
        self._call = call
        self._recorder = recorder
        self._display = display
        self._stopped = stopped
        self._hooks = hooks
        self._cost: CostMeter | None = None

    async def run(self) -> Outcome:
        self._recorder.take(
            TapeStarted(
                at=time.time(),
                version=TAPE_VERSION,
                bot_id=self._order.bot_id,
                platform=self._call.platform,
                meeting_url=self._order.link.url,
                bot_name=self._order.bot_name,
            )
        )
        self._state("joining")
        stop = await self._join() or await self._stay()
        cost = self._cost.read() if self._cost and self._alive() else None
        await self._wind_up(stop)
        manifest = self._recorder.finish()
        return Outcome(
            stop=stop,
            manifest=manifest,
            error=self._recorder.error,
            first_packet_after=self._first_packet_after(),
            files_closed_after=time.time() - stop.at,
            cost=cost,
        )

    async def _join(self) -> Stop | None:
        answer = await self._race(self._call.join(lambda: self._state("waiting_room")))
        if isinstance(answer, NotAdmitted):
            return _stop(answer.reason, answer.detail)
        return answer

    async def _stay(self) -> Stop:
        first = self._recorder.first_arrival
        start = time.time() - IN_FLIGHT
        if first is not None:
            start = max(min(start, first), start - HELD_SECONDS)
        self._note(RecordingStarted(at=start))
        self._state("in_call_recording")
        self._cost = CostMeter()
        showing = asyncio.create_task(self._show())
        try:
            end = await self._race(self._until_over(), self._order.max_duration)
        finally:
            showing.cancel()
        return end if isinstance(end, Stop) else _stop(end.reason, end.detail)

    async def _until_over(self) -> Ended:
        """However the call ends: by what the page shows, or because nothing useful has come of it for too long."""
        watching = [
            asyncio.ensure_future(self._call.until_ended()),
            asyncio.ensure_future(until_cut_off(self._recorder)),
            asyncio.ensure_future(until_hung(self._page)),
        ]
        try:
            done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _wind_up(self, stop: Stop) -> None:
        self._state("leaving", stop.reason)
        if self._alive():
            await self._tap.flush()
        if self._recorder.begun:
            self._note(RecordingEnded(at=stop.at, reason=stop.reason, detail=stop.detail))
        good = self._recorder.begun and stop.reason not in CUT_OFF
        if self._alive() and not good and self._hooks.on_trouble is not None:
            await self._hooks.on_trouble(self._page)
        if self._alive():
            await self._leave()
        self._state("done" if good else "fatal", stop.reason)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self._call.leave()
        except (CallError, TimeoutError) as error:
            logger.info("could not leave by the button: %s", error or "the page does not answer")

    async def _race(self, doing: Coroutine[Any, Any, T], at_most: float | None = None) -> T | Stop:
        """What ``doing`` comes to, or what puts an end to it; ``at_most`` is in seconds."""
        task = asyncio.ensure_future(doing)
        enders: set[asyncio.Future[Any]] = {task, self._stopped, self._browser.died, self._tap.failed}
        try:
            await asyncio.wait(enders, timeout=at_most, return_when=asyncio.FIRST_COMPLETED)
            if stop := self._cut_short():
                return stop
            return task.result() if task.done() else _stop("max_duration", f"{at_most:g} s were recorded")
        except CallError as error:
            return _stop(error.reason, str(error))
        except Exception as error:
            logger.exception("internal error; the recording ends here")
            return _stop("internal_error", repr(error))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _cut_short(self) -> Stop | None:
        if self._stopped.done():
            return self._stopped.result()
        if self._tap.failed.done():
            error = self._tap.failed.result()
            return _stop("tape_failed" if isinstance(error, TapeWriteError) else "internal_error", str(error))
        if self._browser.died.done():
            return _stop("browser_died", self._browser.died.result())
        return None

    async def _show(self) -> None:
        while True:
            progress = self._recorder.progress()
            if progress is not None:
                self._tell(partial(self._display.update, progress))
            await asyncio.sleep(self._display.interval)

    def _state(self, state: str, reason: str = "") -> None:
        self._tell(partial(self._display.state, state, reason))
        self._note(StateChanged(at=time.time(), state=state, reason=reason))

    def _tell(self, show: Callable[[], None]) -> None:
        """A terminal that has gone away is no reason to end a recording."""
        try:
            show()
        except OSError as error:
            logger.info("the progress cannot be shown: %s", error)

    def _note(self, event: WorkerEvent) -> None:
        try:
            self._recorder.take(event)
        except TapeWriteError:
            self._recorder.render(event)

    def _alive(self) -> bool:
        return not self._browser.died.done()

    def _first_packet_after(self) -> float | None:
        admitted, logged = self._call.in_lobby_until, self._recorder.first_frame_logged
        return None if admitted is None or logged is None else max(0.0, logged - admitted)


def _stop(reason: str, detail: str) -> Stop:
    return Stop(reason, detail, time.time())
