"""The Python end of the tap: injects the scripts into every document and decodes what they send into events."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame as PageFrame

from worker.browser.injected_scripts import TapLimits, page_script
from worker.tape.events import DocumentClosed, Frame, FrameBatch, PageEvent, PageFault

FLUSH_TIMEOUT: Final = 0.5
"""Seconds that flush() waits for the documents."""

TappedEvent: TypeAlias = FrameBatch | PageEvent | DocumentClosed
"""What a tap hands on."""

_MAX_DOCUMENTS: Final = 10_000
_MAX_UINT32: Final = 0xFFFFFFFF

_frames_decoder = msgspec.msgpack.Decoder(FrameBatch)
_events_decoder = msgspec.json.Decoder(list[PageEvent])


class BatchError(ValueError):
    """The page sent something that is not a batch; the message names the field, its value and what was expected."""


class TapCounters(msgspec.Struct):
    """What the page sent so far. ``dropped``: frames that documents had no room for. ``batches_missing``: gaps in the batches'
    sequence numbers. ``invalid``: calls that were not a valid batch.
    """

    frames: int = 0
    batches: int = 0
    events: int = 0
    dropped: int = 0
    batches_missing: int = 0
    invalid: int = 0


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
    ) -> None:
        self.counters = TapCounters()
        self.last_heartbeat: float | None = None
        """When the main frame of the context's first page last showed that its scripts run, by ``clock``; None: never."""
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Completes with the first exception of ``on_event``, which is not called any more from then on."""
        self._context = context
        self._on_event = on_event
        self._clock = clock
        self._documents: dict[int, _Document] = {}
        self._flush_event = f"flush-{secrets.token_hex(8)}"
        self._expected: dict[int, int] = {}
        self._dropped: dict[int, int] = {}

    @classmethod
    async def attach(
        cls,
        context: BrowserContext,
        on_event: Callable[[TappedEvent], None],
        platform_files: tuple[str, ...] = (),
        limits: TapLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Tap:
        """Injects the scripts, ``platform_files`` of browser_scripts among them, into every document that ``context`` opens
        from now on.

        ``on_event`` is called in the event loop, in the order in which each document sent its batches. ``clock`` returns Unix
        seconds. The context must bypass the pages' CSP (worker.browser.launch.new_context does).
        """
        tap = cls(context, on_event, clock)
        context.on("page", tap._watch_page)
        binding = f"tap{secrets.token_hex(8)}"
        await context.expose_binding(binding, lambda source, *args: tap.receive(*args, frame=source["frame"]))
        script = page_script(binding, tap._flush_event, platform_files, limits or TapLimits())
        await context.add_init_script(script)
        return tap

    async def flush(self, within: float = FLUSH_TIMEOUT) -> bool:
        """Makes all documents send what they hold. Returns True when all of it has arrived, False after ``within`` seconds or
        when a document went away meanwhile.
        """
        frames = [frame for page in self._context.pages for frame in page.frames if not frame.is_detached()]
        script = (
            "name => { const event = new CustomEvent(name, { detail: {} }); window.dispatchEvent(event); "
            "return event.detail.flushed; }"
        )
        try:
            async with asyncio.timeout(within):
                answers = (frame.evaluate(script, self._flush_event) for frame in frames)
                results = await asyncio.gather(*answers, return_exceptions=True)
        except TimeoutError:
            return False
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, PlaywrightError):
                raise result
        return not any(isinstance(result, PlaywrightError) for result in results)

    def receive(self, *args: object, frame: PageFrame | None = None) -> None:
        """Handles one call of the binding from ``frame``. Never raises: any script of a hostile page can make such a call."""
        try:
            for event in self._decode(args, frame):
                if (document := self._documents.get(event.document)) is not None:
                    document.reported = True
                self._hand_on(event)
        except BatchError as error:
            self.counters.invalid += 1
            self._hand_on(PageFault(at=self._clock(), document=0, where="Tap.receive", message=str(error)))

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
        if len(self._documents) < _MAX_DOCUMENTS:
            self._documents[number] = _Document(frame)

    def _close_documents(self, is_gone: Callable[[PageFrame], bool]) -> None:
        for number in [number for number, document in self._documents.items() if is_gone(document.frame)]:
            if self._documents.pop(number).reported:
                self._hand_on(DocumentClosed(at=self._clock(), document=number))

    def _take_heartbeat(self, frame: PageFrame | None) -> None:
        """Windows that a page opens send heartbeats, too, which say nothing about the call's page."""
        if any(frame == page.main_frame for page in self._context.pages[:1]):
            self.last_heartbeat = self._clock()

    def _hand_on(self, event: TappedEvent) -> None:
        if self.failed.done():
            return
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - reported through `failed`; the page must not see it
            self.failed.set_result(error)

    def _decode(
        self, args: tuple[object, ...], frame: PageFrame | None
    ) -> list[FrameBatch] | list[PageEvent]:
        match args:
            case ("document", str(body)):
                self._open_document(_decode_document(body), frame)
                return []
            case ("heartbeat", str(body)):
                _decode_document(body)
                self._take_heartbeat(frame)
                return []
            case ("frames", str(body)):
                batch = _decode_frames(body)
                self._count(batch)
                return [batch]
            case ("events", str(body)):
                events = _decode_events(body)
                self.counters.events += len(events)
                return events
            case _:
                raise BatchError(
                    f"binding called with {_shorten(args)}: "
                    "expected 'frames', 'events', 'document' or 'heartbeat' and a string"
                )

    def _count(self, batch: FrameBatch) -> None:
        if batch.document not in self._expected and len(self._expected) >= _MAX_DOCUMENTS:
            raise BatchError(f"document {batch.document}: expected at most {_MAX_DOCUMENTS} documents")
        counters = self.counters
        counters.batches += 1
        counters.frames += len(batch.frames)
        counters.batches_missing += max(0, batch.sequence - self._expected.get(batch.document, 0))
        counters.dropped += batch.dropped - self._dropped.get(batch.document, 0)
        self._expected[batch.document] = batch.sequence + 1
        self._dropped[batch.document] = batch.dropped


def _decode_document(body: str) -> int:
    if not (body.isascii() and body.isdecimal() and len(body) <= 10):
        raise BatchError(f"document {_shorten(body)}: expected a decimal number")
    _expect_range("document", number := int(body), _MAX_UINT32)
    return number


def _decode_frames(body: str) -> FrameBatch:
    try:
        batch = _frames_decoder.decode(base64.b64decode(body, validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BatchError(f"frames {_shorten(body)}: expected a FrameBatch ({error})") from error
    for name in ("document", "sequence", "dropped"):
        _expect_range(name, getattr(batch, name), _MAX_UINT32)
    for frame in batch.frames:
        _check(frame)
    return batch


def _decode_events(body: str) -> list[PageEvent]:
    try:
        return _events_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BatchError(f"events {_shorten(body)}: expected a list of PageEvents ({error})") from error


def _check(frame: Frame) -> None:
    _expect_range("receiver", frame.receiver, _MAX_UINT32)
    _expect_range("ssrc", frame.ssrc, _MAX_UINT32)
    _expect_range("sequence", frame.sequence, 0xFFFF)
    _expect_range("timestamp", frame.timestamp, _MAX_UINT32)
    _expect_range("payload_type", frame.payload_type, 0x7F)
    if len(frame.csrcs) > 15:
        raise BatchError(f"csrcs: got {len(frame.csrcs)} of them, expected at most 15")
    for csrc in frame.csrcs:
        _expect_range("csrc", csrc, _MAX_UINT32)
    for name in ("audio_level", "arrival", "captured"):
        value = getattr(frame, name)
        if value is not None and not math.isfinite(value):
            raise BatchError(f"{name} {value}: expected a finite number")


def _expect_range(name: str, value: int, highest: int) -> None:
    if not 0 <= value <= highest:
        raise BatchError(f"{name} {value}: expected 0 to {highest}")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
