"""One recording, from the launch of Chromium to the closed files."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import closing
from functools import partial
from math import inf
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from worker.browser.injected_scripts import VideoLimits
from worker.browser.launch import BrowserSession, launch_browser, new_context
from worker.browser.page_snapshot import take_screenshot, take_snapshot
from worker.browser.page_window import MINIMIZES_WITH_VIDEO, PageWindow
from worker.browser.tap import Tap
from worker.contracts.vendor_words import words
from worker.errors import cause
from worker.lifecycle.ending import Ending
from worker.lifecycle.media_state import MediaMonitor
from worker.lifecycle.page_tasks import PageTasks
from worker.lifecycle.state_machine import Lifecycle, Transition
from worker.platforms.call import Call, CallError
from worker.platforms.open_call import identified_link, open_call
from worker.platforms.registry import PLATFORMS
from worker.reasons import Reason
from worker.recording.announcer import Announcer
from worker.recording.call_loop import CallLoop
from worker.recording.controls import Controls
from worker.recording.cpu_meter import CpuMeter
from worker.recording.deafness_watch import DeafnessWatch
from worker.recording.errands import Errands
from worker.recording.interruptions import Interruptions
from worker.recording.key_frame_requests import KeyFrameRequests
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.pause_gate import PauseGate
from worker.recording.recorder import Recorder
from worker.recording.redaction import redacted_ending
from worker.recording.signals import stop_signals
from worker.recording.steady_clock import SteadyClock
from worker.recording.ticker import Ticker
from worker.recording.video_room import open_video_room
from worker.rendering.deferred import HELD_SECONDS, DeferredRenderer, OpenRenderer
from worker.rendering.output import TAPE_FOLDER, claim_output
from worker.safe_text import redact
from worker.settings import BrowserSettings
from worker.states import State
from worker.tape.errors import TapeWriteError
from worker.tape.events import (
    LONGEST_BATCH,
    TAPE_VERSION,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    StateChanged,
    TapeEvent,
    TapeStarted,
    VideoRequested,
    VideoRoomChanged,
    WorkerEvent,
)
from worker.tape.writer import TapeWriter

logger = logging.getLogger(__name__)

TRANSIT: Final = 0.15
"""Seconds that a batch takes from the page to the worker on a busy machine."""

IN_FLIGHT: Final = LONGEST_BATCH + TRANSIT
"""Seconds before the call was recognized whose frames may not have come from the page yet."""

LEAVE_TIMEOUT: Final = 6.0
"""Seconds for leaving the call by its button; otherwise closing the browser ends it."""

PART_SECONDS: Final = 4.0
"""Seconds in one part of the tape. A killed worker loses the open part and the parts that are not uploaded yet."""


async def record(
    request: RecordingRequest,
    settings: BrowserSettings,
    observer: RecordingObserver,
    open_renderer: OpenRenderer,
) -> RecordingOutcome:
    """Records one call until it ends, ``request.policy`` says so, SIGINT or SIGTERM comes, or something breaks.

    Raises OutputError, ChromiumNotFoundError, ChromiumLaunchError, DisplayError, StorageStateError, and TapeWriteError if the
    tape cannot be created.
    """
    with stop_signals() as signalled:
        stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        signalled.add_done_callback(lambda signal: _pass_on(signal, stopped))
        return await attend(request, settings, observer, open_renderer, stopped)


async def attend(
    request: RecordingRequest,
    settings: BrowserSettings,
    observer: RecordingObserver,
    open_renderer: OpenRenderer,
    stopped: asyncio.Future[Ending],
) -> RecordingOutcome:
    """Records one call until it ends, ``request.policy`` says so, ``stopped`` is done, or something breaks.

    Raises what record() raises.
    """
    request = request._replace(link=identified_link(request.link, settings.teams_bot_token))
    claim_output(request.output)
    _notify(partial(observer.state, State.STARTING))
    async with launch_browser(settings) as browser:
        context = await new_context(browser)
        video = request.separate_video
        with (
            TapeWriter(request.output / TAPE_FOLDER, observer.part_closed, PART_SECONDS, video=video) as tape,
            closing(open_video_room(request.output)) as video_room,
        ):
            clock = SteadyClock()
            media = MediaMonitor()
            recorder = Recorder(
                tape,
                DeferredRenderer(open_renderer),
                clock,
                observers=[lambda event: media.observe(event, clock())],
                redactor=request.link.redactor(),
                video_room=video_room,
            )
            gate = PauseGate(recorder.take, clock)
            gate.observers.append(lambda batch: media.observe(batch, clock()))
            take = DeafnessWatch(gate.take).take
            scripts = PLATFORMS[request.link.platform].page_scripts
            tap = await Tap.attach(
                context,
                take,
                scripts,
                request.limits,
                clock=clock,
                read_clocks=clock.read,
                video=VideoLimits() if video else None,
            )
            page = await tap.open_page()
            minimizes = settings.minimize and (MINIMIZES_WITH_VIDEO or not request.separate_video)
            window = PageWindow(page, minimizes=minimizes)
            signed_in = settings.storage_state is not None
            call = open_call(
                request.link,
                page,
                request.bot_name,
                signed_in=signed_in,
                window=window,
                separate_video=request.separate_video,
            )
            session = _Session(
                request, browser, tap, page, window, call, recorder, gate, media, observer, stopped, clock
            )
            return await session.run()


def _pass_on(signal: asyncio.Future[str], stopped: asyncio.Future[Ending]) -> None:
    if not signal.cancelled() and not stopped.done():
        stopped.set_result(Ending(Reason.INTERRUPTED, signal.result(), time.time()))


def _notify(callback: Callable[[], None]) -> None:
    """Calls an observer's ``callback``; a closed terminal must not end the recording."""
    try:
        callback()
    except Exception as error:  # noqa: BLE001 - a closed stream raises ValueError, a narrow encoding UnicodeEncodeError
        logger.info("the progress cannot be shown: %s", error)


class _Session:
    """A recording from its first event to its last."""

    def __init__(
        self,
        request: RecordingRequest,
        browser: BrowserSession,
        tap: Tap,
        page: Page,
        window: PageWindow,
        call: Call,
        recorder: Recorder,
        gate: PauseGate,
        media: MediaMonitor,
        observer: RecordingObserver,
        stopped: asyncio.Future[Ending],
        clock: SteadyClock,
    ) -> None:
        self._request = request
        self._platform = request.link.platform
        self._redactor = request.link.redactor()
        self._browser = browser
        self._tap = tap
        self._page = page
        self._window = window
        self._call = call
        self._recorder = recorder
        self._gate = gate
        self._controls = request.controls or Controls()
        self._paused = False
        """As the tape has it."""
        self._told_before = self._controls.told_to_record
        """Whether an earlier attempt was told to record."""
        self._waits_for_start = request.policy.start_on == "manual" and not self._told_before
        self._media = media
        self._observer = observer
        self._clock = clock
        self._interruptions = Interruptions(browser, tap, page, stopped, clock)
        self._lifecycle = Lifecycle(request.policy, request.bot_name, clock(), comes_back=request.comes_back)
        platform = PLATFORMS[self._platform]
        self._announcer = Announcer(call, request.announcement, write=self._write, clock=clock)
        self._call_loop = CallLoop(
            call,
            window,
            platform.open_roster_decoder(),
            media,
            self._lifecycle,
            self._announcer,
            PageTasks(request.policy, request.bot_name, platform.longest_alone, platform.is_roster_push),
            on_transition=self._on_transition,
            write=self._write,
            clock=clock,
            last_heartbeat=lambda: tap.last_heartbeat,
            chat_in=platform.chat_in,
            errands=Errands(self._controls, call, self._take_screenshot),
        )
        self._ticker = Ticker(clock, self._write)
        gate.observers.append(self._ticker.observe)
        recorder.observers += [self._call_loop.observe, self._ticker.observe, observer.event]
        if request.separate_video:
            self._key_frames = KeyFrameRequests(
                platform.open_answered_slots() if platform.open_answered_slots is not None else None
            )
            recorder.observers.append(self._follow_video)
        self._ending: Ending | None = None
        self._cpu_meter: CpuMeter | None = None
        self._updates: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()
        """Of key frames."""

    async def run(self) -> RecordingOutcome:
        self._recorder.take(
            TapeStarted(
                at=self._clock(),
                version=TAPE_VERSION,
                bot_id=self._request.bot_id,
                platform=self._platform,
                meeting_url=self._request.link.shown,
                bot_name=self._request.bot_name,
            )
        )
        if self._request.separate_video:
            self._recorder.take(VideoRequested(at=self._clock()))
        if self._controls.paused or self._waits_for_start:
            self._gate.close(-inf)
        self._controls.attach(self._follow_controls)
        self._follow_controls()
        self._on_transition(Transition(self._clock(), State.JOINING))
        ending = await self._attend()
        if self._updates is not None:
            self._updates.cancel()
        cost = self._cpu_meter.read() if self._cpu_meter and self._browser_is_alive() else None
        await self._wind_up(ending)
        while self._recorder.write_due():  # noqa: ASYNC110 - each call does a part of the work
            await asyncio.sleep(0)
        manifest = self._recorder.finish()
        return RecordingOutcome(
            ending=ending,
            admitted=self._lifecycle.admitted_at is not None,
            manifest=manifest,
            error=self._recorder.error,
            first_packet_after=self._first_packet_after(),
            files_closed_after=self._clock() - ending.at,
            cost=cost,
            announcement=self._announcer.outcome,
        )

    async def _attend(self) -> Ending:
        """Stays until the bot has to leave: the lifecycle decides so, or something interrupts it."""
        call = asyncio.create_task(self._call_loop.until_leaving())
        ticks = asyncio.create_task(self._ticker.run())
        try:
            interruption = await self._interruptions.wait_beside(call)
            if interruption is None:
                call.result()
        except CallError as error:
            interruption = Ending(error.reason, str(error), self._clock())
        except Exception as error:
            logger.exception("internal error; the recording ends here")
            interruption = Ending(Reason.INTERNAL_ERROR, repr(error), self._clock())
        finally:
            call.cancel()
            ticks.cancel()
            await asyncio.gather(call, ticks, return_exceptions=True)
        if interruption is not None:
            for transition in self._lifecycle.stop(interruption):
                self._on_transition(transition)
        if self._ending is None:
            raise RuntimeError("the call loop returned before the lifecycle was leaving")
        return self._ending

    def _on_transition(self, transition: Transition) -> None:
        """Writes a transition of the lifecycle to the tape and the log, and tells the observer."""
        state, ending = transition.state, transition.ending
        if ending is not None:
            ending = redacted_ending(ending, self._redactor)
        if state is State.LEAVING and ending is not None:
            self._ending = ending
            logger.info("%s.", words(State.LEAVING, ending.reason, self._platform).message)
        if state is State.IN_CALL_RECORDING:
            self._write(RecordingStarted(at=self._meeting_start(transition.at)))
            self._controls.recording, self._waits_for_start = True, False
            self._move_gate(transition.at)
            self._request_key_frames()
            self._cpu_meter = CpuMeter()
            self._updates = asyncio.create_task(self._update_observer())
        reason = ending.reason if ending is not None else None
        _notify(partial(self._observer.state, state, reason))
        logger.info("%s: %s", state.value, ", ".join(filter(None, [reason, *transition.evidence])) or "begun")
        self._write(
            StateChanged(
                at=transition.at,
                state=state,
                reason=reason or "",
                detail=ending.detail if ending is not None else "",
                evidence=list(transition.evidence),
            )
        )

    def _meeting_start(self, at: float) -> float:
        """When the recording begins: with the frames from before the call was recognized, unless recording was denied then, or
        a command in this attempt made it begin.

        Frames that may be the lobby's do not belong to the call.
        """
        start, first = at - IN_FLIGHT, self._media.now.first_frame
        told_now = self._controls.told_to_record and not self._told_before
        if self._lifecycle.recording_was_denied or self._waits_for_start or told_now:
            return at
        if first is not None:
            start = max(min(start, first), start - HELD_SECONDS)
        lobby = self._lifecycle.lobby_media_until
        return start if lobby is None else max(start, min(lobby, at))

    def _follow_controls(self) -> None:
        """Does what the bot was told that takes effect at once."""
        at = self._clock()
        if self._controls.told_to_record:
            self._lifecycle.start_recording()
        if self._controls.paused != self._paused:
            self._paused = self._controls.paused
            self._write(RecordingPaused(at=at) if self._paused else RecordingResumed(at=at))
            logger.info("the recording %s", "is paused" if self._paused else "goes on")
            if not self._paused:
                self._request_key_frames()
        self._move_gate(at)

    def _move_gate(self, at: float) -> None:
        if self._paused or self._waits_for_start:
            self._gate.close(at)
        else:
            self._gate.open(at)

    def _follow_video(self, event: TapeEvent) -> None:
        due = self._key_frames.observe(event, self._clock())
        if not self._recorder.begun or self._ending is not None:
            return
        if isinstance(event, VideoRoomChanged) and event.left:
            self._request_key_frames()
        # A page may send any number of what asks for one: it gets one request at a time.
        elif due and not self._requests:
            logger.info(
                "key frames are requested of %d senders, to decode their video, to tell it apart, or to begin a file",
                len(due),
            )
            self._request_key_frames(due)

    def _request_key_frames(self, of: Collection[tuple[int, int]] | None = None) -> None:
        """Requests them of all senders, or of those ``of`` some receivers. Of what began before the recording, or before its
        pause ended, a file of video can hold only what comes after a key frame, and senders may send none for minutes."""
        if self._request.separate_video:
            request = self._try_in_browser("request key frames", partial(self._tap.request_key_frames, of))
            self._requests.add(task := asyncio.create_task(request))
            task.add_done_callback(self._requests.discard)

    async def _wind_up(self, ending: Ending) -> None:
        self._controls.detach()
        for request in self._requests:
            request.cancel()
        await self._try_in_browser("get what the page holds", self._tap.flush)
        self._call_loop.log_pushes(ending.at)
        self._announcer.end(recorded=self._recorder.begun)
        if self._recorder.begun:
            self._write(RecordingEnded(at=ending.at, reason=ending.reason, detail=ending.detail))
        if self._needs_snapshot(ending.reason):
            await self._try_in_browser("take a picture of the page", self._take_snapshot)
        await self._try_in_browser("leave by the button", self._leave)
        for transition in self._lifecycle.left(self._clock()):
            self._on_transition(transition)

    async def _try_in_browser(self, what: str, act: Callable[[], Awaitable[object]]) -> None:
        """Does something in a browser that is alive. The files are not complete yet, so no error may end this here."""
        if not self._browser_is_alive():
            return
        try:
            await act()
        except Exception as error:  # noqa: BLE001 - whatever the page or its driver causes
            logger.info("could not %s: %s", what, self._redactor.text(redact(cause(error))))

    def _needs_snapshot(self, reason: Reason) -> bool:
        """Whether what the page shows helps to understand ``reason``."""
        return not reason.is_told_to_stop and (reason.is_cut_off or not self._recorder.begun)

    async def _take_snapshot(self) -> None:
        if self._request.failure is not None:
            private = PLATFORMS[self._platform].private_selectors
            async with self._window.restored():
                await take_snapshot(self._page, self._request.failure, private, self._redactor)

    async def _take_screenshot(self, path: Path) -> None:
        async with self._window.restored():
            await take_screenshot(self._page, path, PLATFORMS[self._platform].private_selectors)

    async def _leave(self) -> None:
        async with asyncio.timeout(LEAVE_TIMEOUT):
            await self._call.leave()

    async def _update_observer(self) -> None:
        while True:
            progress = self._recorder.progress()
            if progress is not None:
                _notify(partial(self._observer.update, progress))
            await asyncio.sleep(self._observer.interval)

    def _write(self, event: WorkerEvent) -> None:
        try:
            self._recorder.take(event)
        except TapeWriteError:
            self._recorder.render(event)

    def _browser_is_alive(self) -> bool:
        return not self._browser.died.done()

    def _first_packet_after(self) -> float | None:
        admitted, logged = self._lifecycle.waited_until, self._recorder.first_frame_logged
        return None if admitted is None or logged is None else max(0.0, logged - admitted)
