"""The Python end of the tap: injects the scripts into every document and decodes what they send into events."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame as PageFrame

from worker.browser.batch_numbers import BatchNumbers, Counted
from worker.browser.direct_binding import DirectBinding
from worker.browser.injected_scripts import TapLimits, VideoLimits, page_script
from worker.browser.page_batches import (
    BatchError,
    Odd,
    decode_document,
    decode_events,
    decode_frames,
    decode_video,
    shorten,
    split_sent,
)
from worker.browser.page_clock import MOST_DOCUMENTS, Context, PageClock, Reading, Translation
from worker.tape.events import (
    LONGEST_BATCH,
    MOST_FRAMES,
    MOST_VIDEO_FRAMES,
    TAP_RECEIVE,
    Batch,
    DocumentClosed,
    Frame,
    FrameBatch,
    PageEvent,
    PageFault,
    VideoBatch,
)

logger = logging.getLogger(__name__)

FLUSH_TIMEOUT: Final = 0.5
"""Seconds that flush() waits for the documents."""

TappedEvent: TypeAlias = Batch | PageEvent | DocumentClosed
"""What a tap hands on."""


class TapCounters(msgspec.Struct):
    """What the page sent so far; the names with ``video_`` are those of video. ``dropped``: frames that documents had no room
    for. ``batches_missing``: gaps in the batches' sequence numbers. ``invalid``: calls that were not a valid batch. ``odd``:
    frames and events that were left out of a batch, and batches whose numbers are not believed.
    """

    frames: int = 0
    batches: int = 0
    events: int = 0
    dropped: int = 0
    batches_missing: int = 0
    video_frames: int = 0
    video_batches: int = 0
    video_dropped: int = 0
    video_batches_missing: int = 0
    invalid: int = 0
    odd: int = 0


@dataclass
class _Document:
    """A document that is open. ``reported``: it has sent frames or events, so that consumers know it."""

    frame: PageFrame
    reported: bool = False


class Tap:
    """Receives frames and events from all documents of a browser context, and finds the documents that went away; made by
    attach().
    """

    def __init__(
        self,
        context: BrowserContext,
        on_event: Callable[[TappedEvent], None],
        clock: Callable[[], float] = time.time,
        read_clocks: Callable[[], Reading] | None = None,
        *,
        video: bool = False,
    ) -> None:
        self.counters = TapCounters()
        self.last_heartbeat: float | None = None
        """When the main frame of the context's first page last showed that its scripts run, by ``clock``; None: never."""
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Completes with the first exception of ``on_event``, which is not called any more from then on."""
        self._context = context
        self._on_event = on_event
        self._clock = clock
        self._read_clocks = read_clocks or (lambda: Reading(now := clock(), 0.0, now))
        began = self._read_clocks()
        self._began = began.steady
        self._page_clock = PageClock(began)
        self._documents: dict[int, _Document] = {}
        self._flush = f"flush-{secrets.token_hex(8)}"
        self._key_frames = f"key-frames-{secrets.token_hex(8)}"
        self._direct = DirectBinding(self._receive_direct)
        self._video = video
        self._numbers: dict[tuple[type[Batch], int], BatchNumbers] = {}
        """By kind and document."""

    @classmethod
    async def attach(
        cls,
        context: BrowserContext,
        on_event: Callable[[TappedEvent], None],
        platform_files: tuple[str, ...] = (),
        limits: TapLimits | None = None,
        clock: Callable[[], float] = time.time,
        read_clocks: Callable[[], Reading] | None = None,
        *,
        video: VideoLimits | None = None,
    ) -> Tap:
        """Injects the scripts, ``platform_files`` of browser_scripts among them, into every document that ``context`` opens
        from now on.

        ``on_event`` is called in the event loop, in the order in which each document sent its batches. All times in the events
        are by ``clock``, which returns Unix seconds; ``read_clocks`` reads it with the machine's other clocks, by default as if
        the system's clock was never set and the machine never suspended. With ``video``, video is handed on too; without, it is
        neither copied nor decoded. The context must bypass the pages' CSP (worker.browser.launch.new_context does).
        """
        tap = cls(context, on_event, clock, read_clocks, video=video is not None)
        context.on("page", tap._watch_page)
        binding = f"tap{secrets.token_hex(8)}"
        await context.expose_binding(binding, lambda source, *args: tap._answer(*args, frame=source["frame"]))
        script = page_script(
            binding,
            tap._direct.name,
            tap._flush,
            tap._key_frames,
            platform_files,
            limits or TapLimits(),
            video,
        )
        await context.add_init_script(script)
        return tap

    async def open_page(self) -> Page:
        """A new page whose documents send their batches by the direct binding; those of any other page use Playwright's."""
        page = await self._context.new_page()
        await self._direct.install(self._context, page)
        return page

    async def flush(self, within: float = FLUSH_TIMEOUT) -> bool:
        """Makes all documents send what they hold. Returns True when all of it but video has arrived, False after ``within``
        seconds or when a document went away meanwhile. Of video as much is on its way as may be in flight.
        """
        return await self._call_documents(self._flush, within)

    async def request_key_frames(
        self, of: Collection[tuple[int, int]] | None = None, within: float = FLUSH_TIMEOUT
    ) -> bool:
        """Has the senders of video send a key frame soon, without which what follows cannot be decoded: all, or those ``of``
        some receivers (document and receiver). Returns what flush() does; without video it does nothing.
        """
        wanted = None if of is None else sorted(of)
        return not self._video or await self._call_documents(self._key_frames, within, wanted)

    async def _call_documents(
        self, name: str, within: float, argument: list[tuple[int, int]] | None = None
    ) -> bool:
        """Calls the function that browser_scripts/start.js has put into each document under that name."""
        frames = [frame for page in self._context.pages for frame in page.frames if not frame.is_detached()]
        script = "([name, argument]) => (async function* () {}).prototype[name]?.(argument)"
        try:
            async with asyncio.timeout(within):
                answers = (frame.evaluate(script, [name, argument]) for frame in frames)
                results = await asyncio.gather(*answers, return_exceptions=True)
        except TimeoutError:
            return False
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, PlaywrightError):
                raise result
        return not any(isinstance(result, PlaywrightError) for result in results)

    def _answer(self, *args: object, frame: PageFrame) -> int | None:
        """Handles one call of Playwright's binding. Where it names its document, the answer is how many direct calls have come
        from there; ``settle`` asks for nothing else.
        """
        match args:
            case (kind, body, str(document)):
                if kind != "settle":
                    self.receive(kind, body, frame=frame)
                return self._direct.arrived(document)
            case _:
                self.receive(*args, frame=frame)
                return None

    def _receive_direct(self, kind: str, body: str) -> None:
        """Handles one call of the direct binding. An exception would end Playwright's connection, so it becomes a fault."""
        try:
            self.receive(kind, body)
        except Exception as error:
            logger.exception("a call of the direct binding failed")
            self.counters.invalid += 1
            self._report_fault(0, repr(error))

    def receive(self, *args: object, frame: PageFrame | None = None) -> None:
        """Handles one call of the binding from ``frame``. Never raises: any script of a hostile page can make such a call."""
        try:
            self._take(args, frame)
        except BatchError as error:
            self.counters.invalid += 1
            self._report_fault(0, str(error))

    def _watch_page(self, page: Page) -> None:
        """Closes the documents of frames and pages that go away without another document in their place."""
        page.on("framedetached", lambda gone: self._close_documents(lambda frame: frame == gone))
        page.on("close", lambda closed: self._close_documents(lambda frame: frame.page == closed))

    def _open_document(self, number: int, frame: PageFrame | None) -> None:
        """Notes that the document began in ``frame``, where it replaces the one before. Its first call of the binding tells so,
        before any script of the page: also on error pages and about:blank, and not for navigation within a document.
        """
        if frame is None:
            return
        self._close_documents(lambda other: other == frame or other.is_detached())
        if len(self._documents) < MOST_DOCUMENTS:
            self._documents[number] = _Document(frame)

    def _close_documents(self, is_gone: Callable[[PageFrame], bool]) -> None:
        for number in [number for number, document in self._documents.items() if is_gone(document.frame)]:
            self._page_clock.forget(number)
            if self._documents.pop(number).reported:
                self._hand_on(DocumentClosed(at=self._clock(), document=number))

    def _take_heartbeat(self, frame: PageFrame | None) -> None:
        """Windows that a page opens send heartbeats, too, which say nothing about the call's page."""
        if any(frame == page.main_frame for page in self._context.pages[:1]):
            self.last_heartbeat = self._clock()

    def _hand_on(self, event: TappedEvent) -> None:
        if (document := self._documents.get(event.document)) is not None:
            document.reported = True
        if self.failed.done():
            return
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - reported through `failed`; the page must not see it
            self.failed.set_result(error)

    def _take(self, args: tuple[object, ...], frame: PageFrame | None) -> None:
        match args:
            case ("document", str(body)):
                sent, content = split_sent(body)
                document = decode_document(content)
                self._open_document(document, frame)
                self._page_clock.open(document, sent, self._read_clocks())
            case ("heartbeat", str(body)):
                sent, content = split_sent(body)
                self._sync(decode_document(content), Context.WINDOW, sent)
                self._take_heartbeat(frame)
            case ("frames", str(body)):
                sent, content = split_sent(body)
                batch, odd = decode_frames(content)
                counted = self._count(batch)
                translate = self._sync(batch.document, Context.WEB_WORKER, sent)
                self._hand_on(_translate_frames(batch, counted, translate))
                self._report_odd(batch.document, odd, counted)
            case ("video", str(body)) if self._video:
                sent, content = split_sent(body)
                video, odd = decode_video(content)
                counted = self._count(video)
                translate = self._sync(video.document, Context.WEB_WORKER, sent)
                self._hand_on(_translate_video(video, counted, translate))
                self._report_odd(video.document, odd, counted)
            case ("events", str(body)):
                sent, content = split_sent(body)
                self._take_events(*decode_events(content), sent)
            case _:
                raise BatchError(
                    f"binding called with {shorten(args)}: "
                    "expected 'frames', 'events', 'document' or 'heartbeat' and a string"
                )

    def _take_events(self, events: Sequence[PageEvent], odd: Odd, sent: float) -> None:
        self.counters.events += len(events)
        if events:
            translate = self._sync(events[0].document, Context.WINDOW, sent)
            for event in events:
                self._hand_on(msgspec.structs.replace(event, at=translate(event.at)))
        self._report_odd(events[0].document if events else 0, odd)

    def _sync(self, document: int, context: Context, sent: float) -> Translation:
        return self._page_clock.receive(document, context, sent, self._read_clocks())

    def _report_odd(self, document: int, odd: Odd, counted: Counted | None = None) -> None:
        if odd.items:
            self.counters.odd += odd.items
            self._report_fault(document, f"{odd.items} items of a batch were left out: {odd.first}")
        if counted is not None and counted.odd:
            self.counters.odd += 1
            self._report_fault(document, f"a batch's numbers are not believed: {counted.odd}")

    def _report_fault(self, document: int, message: str) -> None:
        self._hand_on(PageFault(at=self._clock(), document=document, where=TAP_RECEIVE, message=message))

    def _count(self, batch: Batch) -> Counted:
        """Counts the batch; the numbers on the tape are those that it returns."""
        counters, at = self.counters, self._read_clocks().steady
        counted = self._numbers_of(batch).take(batch.sequence, batch.dropped, at)
        if isinstance(batch, VideoBatch):
            counters.video_batches += 1
            counters.video_frames += len(batch.frames)
            counters.video_batches_missing += counted.missing
            counters.video_dropped += counted.newly_dropped
        else:
            counters.batches += 1
            counters.frames += len(batch.frames)
            counters.batches_missing += counted.missing
            counters.dropped += counted.newly_dropped
        return counted

    def _numbers_of(self, batch: Batch) -> BatchNumbers:
        key = type(batch), batch.document
        if (known := self._numbers.get(key)) is not None:
            return known
        if len(self._numbers) >= MOST_DOCUMENTS:
            raise BatchError(f"document {batch.document}: expected at most {MOST_DOCUMENTS} documents")
        most_frames = MOST_VIDEO_FRAMES if isinstance(batch, VideoBatch) else MOST_FRAMES
        numbers = self._numbers[key] = BatchNumbers(self._began, most_frames / LONGEST_BATCH)
        return numbers


def _translate_frames(batch: FrameBatch, counted: Counted, translate: Callable[[float], float]) -> FrameBatch:
    frames = [
        Frame(
            frame.receiver,
            frame.ssrc,
            frame.csrcs,
            frame.sequence,
            frame.timestamp,
            frame.payload_type,
            frame.mime_type,
            frame.audio_level,
            translate(frame.arrival),
            None if frame.captured is None else translate(frame.captured),
            frame.payload,
        )
        for frame in batch.frames
    ]
    return FrameBatch(batch.document, counted.sequence, counted.dropped, frames)


def _translate_video(batch: VideoBatch, counted: Counted, translate: Callable[[float], float]) -> VideoBatch:
    frames = [msgspec.structs.replace(frame, arrival=translate(frame.arrival)) for frame in batch.frames]
    return VideoBatch(batch.document, counted.sequence, counted.dropped, frames)
