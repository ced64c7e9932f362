"""Appends events to a tape: a folder of MCAP parts, each readable by itself.

A part has its final name from its first byte on, so that it can be read while it grows; its MCAP footer marks it as complete.
Messages are not collected into MCAP chunks but passed to the operating system one by one: a killed process loses at most the
message it was writing. Closing a part also flushes it to the disk (fsync).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from mcap.writer import CompressionType, Writer

from worker.errors import cause
from worker.tape import codec
from worker.tape.codec import LoggedEvent
from worker.tape.errors import TapeWriteError, UnwritableEventError
from worker.tape.events import TAPE_VERSION, TapeEvent, VideoBatch
from worker.tape.parts import METADATA, PART_BYTES, PART_SECONDS, PROFILE, VERSION_KEY, part_path

_OF_VIDEO: Final = (VideoBatch, *codec.VIDEO_EVENTS)


class TapeWriter:
    """Writes one tape into ``folder``, which is created if needed and must hold no tape yet.

    A part spans less than ``part_seconds`` of log time, PART_SECONDS at most, and ends once it has PART_BYTES.
    ``on_part_closed`` is called with the path of each part once it is complete. Only with ``video`` it takes video and the
    events about it; without, its parts are the same to the byte as if video were not known. Every method raises TapeWriteError
    if the bytes cannot be written, for any error of the operating system or the MCAP library; the writer is closed then, and
    what was written before can be read.
    """

    def __init__(
        self,
        folder: Path,
        on_part_closed: Callable[[Path], None] | None = None,
        part_seconds: float = PART_SECONDS,
        *,
        video: bool = False,
    ) -> None:
        self.folder: Final = folder
        self._part_seconds = min(part_seconds, PART_SECONDS)
        self._on_part_closed = on_part_closed
        self._video = video
        self._part: _Part | None = None
        self._part_count = 0
        self._closed = False
        self.messages = 0
        """Messages written so far."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TapeWriteError(f"tape {folder}: cannot make the folder: {error.strerror}") from error

    def write(self, event: TapeEvent, logged_at: float) -> LoggedEvent:
        """Appends one event; ``logged_at`` is now, in seconds since the Unix epoch.

        Returns the event and its log time as a reader of the tape will get them. Raises UnwritableEventError, with the tape as
        it was, for an event that no reader would get.
        """
        if not self._video and isinstance(event, _OF_VIDEO):
            raise UnwritableEventError(f"{type(event).__name__}: cannot be put on a tape without video")
        try:
            topic, data = codec.encode(event)
            recorded = codec.decode(topic, data)
        except Exception as error:  # of values that no encoding has, msgspec raises errors of several kinds
            raise UnwritableEventError(
                f"{type(event).__name__}: cannot be put on a tape: {cause(error)}"
            ) from error
        self._append(topic, data, logged_at)
        return LoggedEvent(codec.log_seconds(codec.log_time(logged_at)), recorded)

    def finish(self) -> None:
        """Completes the last part. Further calls do nothing."""
        if not self._closed:
            self._closed = True
            self._close_part()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def _append(self, topic: str, data: bytes, logged_at: float) -> None:
        if self._closed:
            raise TapeWriteError(f"tape {self.folder}: is closed, nothing more can be written")
        if self._part is not None and not self._part.accepts(logged_at, self._part_seconds):
            self._close_part()
        try:
            if self._part is None:
                self._part = _Part(part_path(self.folder, self._part_count), logged_at, video=self._video)
                self._part_count += 1
            self._part.append(topic, data, logged_at)
        except Exception as error:  # of values that no field holds, mcap raises errors of struct
            raise self._failed(error) from error
        self.messages += 1

    def _close_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        try:
            part.close()
        except Exception as error:
            part.abandon()
            raise self._failed(error) from error
        if self._on_part_closed is not None:
            self._on_part_closed(part.path)

    def _failed(self, error: Exception) -> TapeWriteError:
        self._closed = True
        part, self._part = self._part, None
        if part is not None:
            part.abandon()
        return TapeWriteError(f"tape {self.folder}: cannot write: {cause(error)}")


class _Part:
    """One MCAP file with its own header, schema, channels, statistics and footer."""

    def __init__(self, path: Path, opened_at: float, *, video: bool) -> None:
        self.path = path
        self._opened_at = opened_at
        self._stream: IO[bytes] = path.open("xb")
        self._writer = Writer(
            self._stream, use_chunking=False, compression=CompressionType.NONE, enable_data_crcs=True
        )
        self._writer.start(profile=PROFILE)
        self._writer.add_metadata(METADATA, {VERSION_KEY: str(TAPE_VERSION)})
        event_schema = codec.VIDEO_EVENT_SCHEMA if video else codec.EVENT_SCHEMA
        schema: int = self._writer.register_schema("Event", "jsonschema", event_schema)
        self._channels = {
            codec.EVENTS: self._writer.register_channel(codec.EVENTS, "json", schema),
            codec.FRAMES: self._writer.register_channel(codec.FRAMES, "msgpack", 0, codec.FRAME_FIELDS),
        }
        if video:
            self._channels[codec.VIDEO] = self._writer.register_channel(
                codec.VIDEO, "msgpack", 0, codec.VIDEO_FIELDS
            )
        self._sequences = dict.fromkeys(self._channels, 0)

    def accepts(self, logged_at: float, part_seconds: float) -> bool:
        within = self._opened_at <= logged_at < self._opened_at + part_seconds
        return within and self._stream.tell() < PART_BYTES

    def append(self, topic: str, data: bytes, logged_at: float) -> None:
        log_time = codec.log_time(logged_at)
        self._writer.add_message(
            self._channels[topic], log_time, data, publish_time=log_time, sequence=self._sequences[topic]
        )
        self._sequences[topic] += 1
        self._stream.flush()

    def close(self) -> None:
        self._writer.finish()  # type: ignore[no-untyped-call]
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        """Closes the file of a part that cannot be written any more."""
        # Closing tries again to write what is buffered; the error is already being reported.
        with suppress(OSError):
            self._stream.close()
