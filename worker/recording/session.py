"""One recording, from the launch of Chromium to the closed files."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from playwright.async_api import Page

from worker.browser.hang_detector import until_hung
from worker.browser.launch import BrowserSession, launch_browser, new_context
from worker.browser.page_snapshot import take_evidence
from worker.browser.tap import Tap
from worker.contracts.vendor_words import words
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.state_machine import Lifecycle, Transition
from worker.platforms.call import Call, CallError
from worker.platforms.open_call import open_call
from worker.platforms.registry import open_roster_decoder
from worker.reasons import CUT_OFF, TOLD_TO_STOP, Reason
from worker.recording.call_loop import CallLoop
from worker.recording.cpu_meter import CpuMeter
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest, Stop
from worker.recording.recorder import Recorder
from worker.recording.signals import stop_signals
from worker.rendering.deferred import HELD_SECONDS, DeferredRenderer, OpenRenderer
from worker.rendering.output import TAPE_FOLDER, claim_output
from worker.settings import BrowserSettings
from worker.states import State
from worker.tape.errors import TapeWriteError
from worker.tape.events import (
    TAPE_VERSION,
    RecordingEnded,
    RecordingStarted,
    StateChanged,
    TapeStarted,
    WorkerEvent,
)
from worker.tape.writer import TapeWriter

logger = logging.getLogger(__name__)

IN_FLIGHT: Final = 0.25
"""Seconds: frames that arrived so shortly before the call was recognized may still be on their way from the page."""

LEAVE_TIMEOUT: Final = 6.0
"""Seconds for leaving the call; it ends all the same when the browser is closed."""

PART_SECONDS: Final = 4.0
"""What a killed worker had not uploaded yet is lost: the open part of the tape, and what an upload takes."""


async def record(
    request: RecordingRequest,
    settings: BrowserSettings,
    observer: RecordingObserver,
    open_renderer: OpenRenderer,
) -> RecordingOutcome:
    """Records one call until it ends, ``request.policy`` says so, SIGINT or SIGTERM comes, or something breaks.

    Raises OutputError, ChromiumNotFoundError and ChromiumLaunchError, and TapeWriteError if not even a tape can be begun.
    """
    with stop_signals() as signalled:
        stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        signalled.add_done_callback(lambda signal: _pass_on(signal, stopped))
        return await attend(request, settings, observer, open_renderer, stopped)


async def attend(
    request: RecordingRequest,
    settings: BrowserSettings,
    observer: RecordingObserver,
    open_renderer: OpenRenderer,
    stopped: asyncio.Future[Stop],
) -> RecordingOutcome:
    """Records one call until it ends, ``request.policy`` says so, ``stopped`` is done, or something breaks.

    Raises what record() raises.
    """
    claim_output(request.output)
    observer.state("starting")
    async with launch_browser(settings) as browser:
        context = await new_context(browser)
        with TapeWriter(request.output / TAPE_FOLDER, observer.part_closed, PART_SECONDS) as tape:
            media = MediaMonitor()
            recorder = Recorder(tape, DeferredRenderer(open_renderer), observers=[media.observe])
            tap = await Tap.attach(context, recorder.take)
            page = await context.new_page()
            call = open_call(
                request.link, page, request.bot_name, signed_in=settings.storage_state is not None
            )
            session = _Session(request, browser, tap, page, call, recorder, media, observer, stopped)
            return await session.run()


def _pass_on(signal: asyncio.Future[str], stopped: asyncio.Future[Stop]) -> None:
    if not signal.cancelled() and not stopped.done():
        stopped.set_result(_stop(Reason.INTERRUPTED, signal.result()))


class _Session:
    """What happens between the first event and the last."""

    def __init__(
        self,
        request: RecordingRequest,
        browser: BrowserSession,
        tap: Tap,
        page: Page,
        call: Call,
        recorder: Recorder,
        media: MediaMonitor,
        observer: RecordingObserver,
        stopped: asyncio.Future[Stop],
    ) -> None:
        self._request = request
        self._browser = browser
        self._tap = tap
        self._page = page
        self._call = call
        self._recorder = recorder
        self._media = media
        self._observer = observer
        self._stopped = stopped
        self._lifecycle = Lifecycle(request.policy, request.bot_name, time.time())
        self._call_loop = CallLoop(
            call,
            open_roster_decoder(call.platform),
            media,
            self._lifecycle,
            request.announcement,
            moved=self._moved,
            note=self._note,
            clock=time.time,
        )
        recorder.observers += [self._call_loop.observe, observer.event]
        self._stop: Stop | None = None
        self._cost: CpuMeter | None = None
        self._showing: asyncio.Task[None] | None = None

    async def run(self) -> RecordingOutcome:
        self._recorder.take(
            TapeStarted(
                at=time.time(),
                version=TAPE_VERSION,
                bot_id=self._request.bot_id,
                platform=self._call.platform,
                meeting_url=self._request.link.shown,
                bot_name=self._request.bot_name,
            )
        )
        self._moved(Transition(time.time(), State.JOINING))
        stop = await self._attend()
        if self._showing is not None:
            self._showing.cancel()
        cost = self._cost.read() if self._cost and self._alive() else None
        await self._wind_up(stop)
        manifest = self._recorder.finish()
        return RecordingOutcome(
            stop=stop,
            admitted=self._lifecycle.admitted_at is not None,
            manifest=manifest,
            error=self._recorder.error,
            first_packet_after=self._first_packet_after(),
            files_closed_after=time.time() - stop.at,
            cost=cost,
        )

    async def _attend(self) -> Stop:
        """Until the bot has to leave: because the lifecycle says so, or because something puts an end to it."""
        call_loop = asyncio.ensure_future(self._call_loop.until_leaving())
        hanging = asyncio.ensure_future(until_hung(self._page))
        enders: set[asyncio.Future[Any]] = {
            call_loop,
            hanging,
            self._stopped,
            self._browser.died,
            self._tap.failed,
        }
        try:
            await asyncio.wait(enders, return_when=asyncio.FIRST_COMPLETED)
            stop = self._cut_short()
            if stop is None and hanging.done():
                stop = _stop(Reason.PAGE_HUNG, hanging.result())
            if stop is None:
                call_loop.result()
        except CallError as error:
            stop = _stop(error.reason, str(error))
        except Exception as error:
            logger.exception("internal error; the recording ends here")
            stop = _stop(Reason.INTERNAL_ERROR, repr(error))
        finally:
            for task in (call_loop, hanging):
                task.cancel()
            await asyncio.gather(call_loop, hanging, return_exceptions=True)
        if stop is not None:
            for transition in self._lifecycle.stop(Reason(stop.reason), stop.detail, stop.at):
                self._moved(transition)
        if self._stop is None:
            raise RuntimeError("a bot that attends no longer has left")
        return self._stop

    def _moved(self, transition: Transition) -> None:
        """Follows a transition of the lifecycle."""
        if transition.state is State.LEAVING:
            self._stop = Stop(
                transition.reason or Reason.INTERNAL_ERROR,
                transition.detail,
                transition.since or transition.at,
            )
            logger.info("%s.", words("leaving", self._stop.reason, self._call.platform).message)
        if transition.state is State.IN_CALL_RECORDING:
            self._note(RecordingStarted(at=self._meeting_start(transition.at)))
            self._cost = CpuMeter()
            self._showing = asyncio.create_task(self._show())
        reason = transition.reason or ""
        self._tell(partial(self._observer.state, transition.state, reason))
        logger.info(
            "%s: %s",
            transition.state.value,
            ", ".join(filter(None, [reason, *transition.evidence])) or "begun",
        )
        self._note(
            StateChanged(
                at=transition.at,
                state=transition.state,
                reason=reason,
                detail=transition.detail,
                evidence=list(transition.evidence),
            )
        )

    def _meeting_start(self, at: float) -> float:
        """What is already there counts, if the recording begins with the admission; it took a moment to be sure of that."""
        start, first = at - IN_FLIGHT, self._media.now.first_frame
        if self._lifecycle.recording_was_denied:
            return at
        return start if first is None else max(min(start, first), start - HELD_SECONDS)

    async def _wind_up(self, stop: Stop) -> None:
        if self._alive():
            await self._tap.flush()
        if self._recorder.begun:
            self._note(RecordingEnded(at=stop.at, reason=stop.reason, detail=stop.detail))
        if self._alive() and self._request.failure is not None and self._is_trouble(stop):
            await take_evidence(self._page, self._request.failure)
        if self._alive():
            await self._leave()
        for transition in self._lifecycle.left(time.time()):
            self._moved(transition)

    def _is_trouble(self, stop: Stop) -> bool:
        """Whether somebody will want to see what the page showed."""
        return stop.reason in CUT_OFF or not (self._recorder.begun or stop.reason in TOLD_TO_STOP)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self._call.leave()
        except (CallError, TimeoutError) as error:
            logger.info("could not leave by the button: %s", error or "the page does not answer")

    def _cut_short(self) -> Stop | None:
        if self._stopped.done():
            return self._stopped.result()
        if self._tap.failed.done():
            error = self._tap.failed.result()
            return _stop(
                Reason.TAPE_FAILED if isinstance(error, TapeWriteError) else Reason.INTERNAL_ERROR, str(error)
            )
        if self._browser.died.done():
            return _stop(Reason.BROWSER_DIED, self._browser.died.result())
        return None

    async def _show(self) -> None:
        while True:
            progress = self._recorder.progress()
            if progress is not None:
                self._tell(partial(self._observer.update, progress))
            await asyncio.sleep(self._observer.interval)

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
        admitted, logged = self._lifecycle.waited_until, self._recorder.first_frame_logged
        return None if admitted is None or logged is None else max(0.0, logged - admitted)


def _stop(reason: str, detail: str) -> Stop:
    return Stop(reason, detail, time.time())
