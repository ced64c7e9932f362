"""Decodes what the page's scripts send (pure). The page is untrusted: what is no batch raises BatchError; a frame or an event
that is not as expected is left out of its batch and counted.

Each body begins with when it was sent and a space: Unix seconds by the clock of the window or, for frames, of the Web Worker.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import Final, NamedTuple

import msgspec

from worker.safe_text import printable
from worker.tape import codec
from worker.tape.events import (
    MOST_FRAMES,
    MOST_VIDEO_FRAMES,
    WORKERS_OWN_PLACES,
    AudioPathSeen,
    Batch,
    Frame,
    FrameBatch,
    PageDropped,
    PageEvent,
    PageFault,
    VideoBatch,
    VideoFrame,
)

_MAX_UINT32: Final = 0xFFFFFFFF
_SENT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_MOST_PAYLOAD_EVENT_BYTES: Final = codec.MOST_EVENT_BYTES * 3 // 4
_MOST_LISTED_BYTES: Final = codec.MOST_LISTED_BYTES // 2
"""Less than a tape may hold: what replaces a secret can be longer than it."""
_SMALL: Final = _MOST_LISTED_BYTES // 3
"""Characters: none has more than 3 bytes in UTF-8 beside its surrogate."""
_MESSAGE_LENGTH: Final = 200
_MOST_DROPPED_ITEMS: Final = 1_000_000
"""Items that one PageDropped may count: a busy roster's messages of an hour are fewer."""
_AUDIO_PATHS: Final = ("receivers", "encoded")
_MOST_LAYERS: Final = 7
"""Highest id of a spatial or temporal layer (three bits in VP9 and AV1)."""

_MOST_VIDEO_BYTES: Final = codec.MOST_VIDEO_BYTES - 64 * 1024
"""Less than a tape may hold, as it writes integers and times otherwise than the page."""

_frames_decoder = msgspec.msgpack.Decoder(FrameBatch)
_frame_decoder = msgspec.msgpack.Decoder(Frame)
_video_decoder = msgspec.msgpack.Decoder(VideoBatch)
_video_frame_decoder = msgspec.msgpack.Decoder(VideoFrame)
_raw_frames_decoder = msgspec.msgpack.Decoder(tuple[int, int, int, list[msgspec.Raw]])
_events_decoder = msgspec.json.Decoder(list[PageEvent])
_event_decoder = msgspec.json.Decoder(PageEvent)


class BatchError(ValueError):
    """The page sent something that is not a batch; the message names the field, its value and what was expected."""


class Odd(NamedTuple):
    """The items of a batch that were left out: how many, and what was wrong with the first, in one short line."""

    items: int = 0
    first: str = ""

    def add(self, error: Exception) -> Odd:
        """With one more."""
        return Odd(self.items + 1, self.first or printable(str(error), _MESSAGE_LENGTH))


def split_sent(body: str) -> tuple[float, str]:
    """When the body was sent, and the rest of it. Raises BatchError."""
    sent, _, content = body.partition(" ")
    if not _SENT.fullmatch(sent):
        raise BatchError(f"body {shorten(body)}: expected the time of sending and a space first")
    return float(sent), content


def decode_document(content: str) -> int:
    """A document's number. Raises BatchError."""
    if not (content.isascii() and content.isdecimal() and len(content) <= 10):
        raise BatchError(f"document {shorten(content)}: expected a decimal number")
    _expect_range("document", number := int(content), _MAX_UINT32)
    return number


def decode_frames(content: str) -> tuple[FrameBatch, Odd]:
    """A batch of frames in base64. Raises BatchError."""
    try:
        data = base64.b64decode(content, validate=True)
        batch, odd = _decode_batch(data)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise BatchError(f"frames {shorten(content)}: expected a FrameBatch ({error})") from error
    _check_batch(batch, MOST_FRAMES)
    frames = []
    for frame in batch.frames:
        try:
            _check(frame)
        except BatchError as error:
            odd = odd.add(error)
        else:
            frames.append(frame)
    return FrameBatch(batch.document, batch.sequence, batch.dropped, frames), odd


def decode_video(content: str) -> tuple[VideoBatch, Odd]:
    """A batch of video in base64. Raises BatchError."""
    try:
        # Before it is decoded: a hostile page may send as much as it likes.
        _expect_range("bytes of a batch", len(content) * 3 // 4, _MOST_VIDEO_BYTES)
        batch, odd = _decode_video_batch(base64.b64decode(content, validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise BatchError(f"video {shorten(content[:100])}: expected a VideoBatch ({error})") from error
    _check_batch(batch, MOST_VIDEO_FRAMES)
    frames = []
    for frame in batch.frames:
        try:
            _check_video(frame)
        except BatchError as error:
            odd = odd.add(error)
        else:
            frames.append(frame)
    return VideoBatch(batch.document, batch.sequence, batch.dropped, frames), odd


def decode_events(content: str) -> tuple[list[PageEvent], Odd]:
    """A JSON list of events. Raises BatchError."""
    try:
        events, odd = _events_decoder.decode(content), Odd()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        events, odd = _decode_each_event(content)
    kept = []
    for event in events:
        try:
            _check_event(event)
            if len(content) >= _SMALL:
                _check_size(event)
        except BatchError as error:
            odd = odd.add(error)
        else:
            kept.append(event)
    return kept, odd


def shorten(value: object) -> str:
    """``value`` as at most 80 printable characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _decode_batch(data: bytes) -> tuple[FrameBatch, Odd]:
    try:
        return _frames_decoder.decode(data), Odd()
    except (msgspec.ValidationError, UnicodeError):
        document, sequence, dropped, raw = _raw_frames_decoder.decode(data)
    frames, odd = [], Odd()
    for each in raw:
        try:
            frames.append(_frame_decoder.decode(each))
        except (msgspec.DecodeError, UnicodeError) as error:
            odd = odd.add(error)
    return FrameBatch(document, sequence, dropped, frames), odd


def _decode_video_batch(data: bytes) -> tuple[VideoBatch, Odd]:
    try:
        return _video_decoder.decode(data), Odd()
    except (msgspec.ValidationError, UnicodeError):
        document, sequence, dropped, raw = _raw_frames_decoder.decode(data)
    frames, odd = [], Odd()
    for each in raw:
        try:
            frames.append(_video_frame_decoder.decode(each))
        except (msgspec.DecodeError, UnicodeError) as error:
            odd = odd.add(error)
    return VideoBatch(document, sequence, dropped, frames), odd


def _decode_each_event(content: str) -> tuple[list[PageEvent], Odd]:
    # msgspec cannot pass over what is invalid Unicode.
    try:
        items = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BatchError(f"events {shorten(content)}: expected a list of PageEvents ({error})") from error
    if not isinstance(items, list):
        raise BatchError(f"events {shorten(content)}: expected a list of PageEvents")
    events: list[PageEvent] = []
    odd = Odd()
    for each in items:
        try:
            events.append(_event_decoder.decode(json.dumps(each)))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            odd = odd.add(error)
    return events, odd


def _check_batch(batch: Batch, most_frames: int) -> None:
    for name in ("document", "sequence", "dropped"):
        _expect_range(name, getattr(batch, name), _MAX_UINT32)
    _expect_range("frames of a batch", len(batch.frames), most_frames)


def _check(frame: Frame) -> None:
    _expect_range("receiver", frame.receiver, _MAX_UINT32)
    _expect_range("ssrc", frame.ssrc, _MAX_UINT32)
    _expect_range("sequence", frame.sequence, 0xFFFF)
    _expect_range("timestamp", frame.timestamp, _MAX_UINT32)
    _expect_range("payload_type", frame.payload_type, 0x7F)
    _check_csrcs(frame.csrcs)
    for name in ("audio_level", "arrival", "captured"):
        value = getattr(frame, name)
        if value is not None and not math.isfinite(value):
            raise BatchError(f"{name} {value}: expected a finite number")


def _check_video(frame: VideoFrame) -> None:
    _expect_range("receiver", frame.receiver, _MAX_UINT32)
    _expect_range("ssrc", frame.ssrc, _MAX_UINT32)
    _expect_range("timestamp", frame.timestamp, _MAX_UINT32)
    _expect_range("payload_type", frame.payload_type, 0x7F)
    _expect_range("frame_id", frame.frame_id or 0, 0xFFFF)
    for name in ("spatial", "temporal"):
        _expect_range(name, getattr(frame, name), _MOST_LAYERS)
    for name in ("width", "height"):
        _expect_range(name, getattr(frame, name), 0xFFFF)
    _check_csrcs(frame.csrcs)
    if not math.isfinite(frame.arrival):
        raise BatchError(f"arrival {frame.arrival}: expected a finite number")


def _check_event(event: PageEvent) -> None:
    match event:
        case PageDropped():
            _expect_range("count", event.count, _MOST_DROPPED_ITEMS)
        case PageFault() if event.where in WORKERS_OWN_PLACES:
            raise BatchError(f"where {event.where!r}: expected a browser script's function")
        case AudioPathSeen() if event.path not in _AUDIO_PATHS:
            raise BatchError(f"path {shorten(event.path)}: expected one of {', '.join(_AUDIO_PATHS)}")
        case _:
            pass


def _check_size(event: PageEvent) -> None:
    size = len(codec.encode(event)[1])
    if size > (_MOST_PAYLOAD_EVENT_BYTES if hasattr(event, "payload") else _MOST_LISTED_BYTES):
        raise BatchError(f"an event of {size} bytes")


def _check_csrcs(csrcs: tuple[int, ...]) -> None:
    if len(csrcs) > 15:
        raise BatchError(f"csrcs: got {len(csrcs)} of them, expected at most 15")
    for csrc in csrcs:
        _expect_range("csrc", csrc, _MAX_UINT32)


def _expect_range(name: str, value: int, highest: int) -> None:
    if not 0 <= value <= highest:
        raise BatchError(f"{name} {value}: expected 0 to {highest}")
