"""Appends events to a tape: a folder of MCAP parts, each readable by itself.

A part has its final name from its first byte on, so that it can be read while it grows; its MCAP footer marks it as complete.
Messages are not collected into MCAP chunks but passed to the operating system one by one: a killed process loses at most the
message it was writing. Closing a part also flushes it to the disk (fsync). A record that the disk takes only in part is cut
off.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from io import FileIO
from pathlib import Path
from typing import IO, Any, Final, cast

from mcap.writer import CompressionType, Writer

from worker.errors import cause
from worker.tape import codec
from worker.tape.codec import LoggedEvent
from worker.tape.errors import NoRoomForVideoError, TapeWriteError, UnwritableEventError
from worker.tape.events import TAPE_VERSION, TapeEvent, VideoBatch
from worker.tape.parts import METADATA, PART_BYTES, PART_SECONDS, PROFILE, VERSION_KEY, part_path

logger = logging.getLogger(__name__)

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_OF_VIDEO: Final = (VideoBatch, *codec.VIDEO_EVENTS)


class TapeWriter:
    """Writes one tape into ``folder``, which is created if needed and must hold no tape yet.

    A part spans less than ``part_seconds`` of log time, PART_SECONDS at most, and ends once it has PART_BYTES.
    ``on_part_closed`` is called with the path of each part once it is complete. Only with ``video`` it takes video and the
    events about it; without, its parts are the same to the byte as if video were not known. Every method raises TapeWriteError
    if the bytes cannot be written, for any error of the operating system or the MCAP library; the writer is closed then, and
    what was written before can be read. Where the disk has no room for video, only that batch is not written.
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
        self.make_room: Callable[[], bool] = lambda: False
        """Called where the disk has no room for what is no video; the write is tried once more if this returns True."""
        self.messages = 0
        """Messages written so far."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TapeWriteError(f"tape {folder}: cannot make the folder: {error.strerror}") from error

    def write(self, event: TapeEvent, logged_at: float) -> LoggedEvent:
        """Appends one event; ``logged_at`` is now, in seconds since the Unix epoch.

        Returns the event and its log time as a reader of the tape will get them. Raises, with the tape as it was,
        UnwritableEventError for an event that no reader would get, and NoRoomForVideoError for a batch of video.
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
        self._append(topic, data, logged_at, gives_way=isinstance(event, VideoBatch))
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

    def _append(self, topic: str, data: bytes, logged_at: float, *, gives_way: bool) -> None:
        if self._closed:
            raise TapeWriteError(f"tape {self.folder}: is closed, nothing more can be written")
        if self._part is not None and not self._part.accepts(logged_at, self._part_seconds):
            self._close_part()
        try:
            self._put(topic, data, logged_at)
        except Exception as error:  # of values that no field holds, mcap raises errors of struct
            if gives_way and self._is_tape_whole_without(error):
                raise NoRoomForVideoError(f"tape {self.folder}: {cause(error)}") from error
            self._try_again(error, lambda: self._put(topic, data, logged_at))
        self.messages += 1

    def _put(self, topic: str, data: bytes, logged_at: float) -> None:
        if self._part is None:
            path = part_path(self.folder, self._part_count)
            try:
                self._part = _Part(path, logged_at, video=self._video)
            finally:
                # The name of a part that could not be begun is that of the next one, if it is free.
                self._part_count += path.exists()
        self._part.append(topic, data, logged_at)

    def _close_part(self) -> None:
        if self._part is None:
            return
        try:
            self._part.close()
        except Exception as error:  # noqa: BLE001 - it is raised as another one
            self._try_again(error, self._part.close)
        part, self._part = self._part, None
        if self._on_part_closed is not None:
            self._on_part_closed(part.path)

    def _try_again(self, error: Exception, step: Callable[[], None]) -> None:
        """Takes ``step``, which ``error`` ended, once more if there is room for it now. Raises TapeWriteError."""
        if not (self._is_tape_whole_without(error) and self.make_room()):
            raise self._failed(error) from error
        try:
            step()
        except Exception as again:
            raise self._failed(again) from again

    def _is_tape_whole_without(self, error: Exception) -> bool:
        """Whether the disk had no room, and the tape is as it was before."""
        return (
            isinstance(error, OSError)
            and error.errno in NO_ROOM
            and (self._part is None or self._part.is_whole)
        )

    def _failed(self, error: Exception) -> TapeWriteError:
        self._closed = True
        part, self._part = self._part, None
        if part is not None:
            part.abandon()
        return TapeWriteError(f"tape {self.folder}: cannot write: {cause(error)}")


def _open_new(path: Path) -> FileIO:
    return FileIO(path, "xb")


class _WholeRecords:
    """A file of which a write leaves all or nothing: what the disk took of one that fails is cut off.

    Unbuffered: a buffer would keep what failed, and write it before the next record.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open_new(path)
        self._length = 0
        self.is_whole = True
        """Whether the file ends with a whole record."""

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            self.cut(self._length)
            raise
        self._length += len(data)
        return len(data)

    def cut(self, length: int) -> None:
        """Cuts off what is behind ``length``, the end of a record."""
        self.is_whole = False
        self._file.truncate(length)
        self._file.seek(length)
        self._length = length
        self.is_whole = True

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


class _Part:
    """One MCAP file with its own header, schema, channels, statistics and footer."""

    def __init__(self, path: Path, opened_at: float, *, video: bool) -> None:
        self.path = path
        self._opened_at = opened_at
        self._stream = _WholeRecords(path)
        self._writer = Writer(
            cast(IO[bytes], self._stream),
            use_chunking=False,
            compression=CompressionType.NONE,
            enable_data_crcs=True,
        )
        try:
            self._begin(video=video)
        except Exception:
            self.abandon()
            try:
                path.unlink()
            except OSError as error:
                logger.warning(
                    "the beginning of %s stays, and nothing will follow it: %s", path, cause(error)
                )
            raise

    @property
    def is_whole(self) -> bool:
        return self._stream.is_whole

    def _begin(self, *, video: bool) -> None:
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
        # The library writes these with the first message, and would lose them with one that the disk has no room for.
        self._writer._Writer__flush()  # type: ignore[attr-defined]
        self._sequences = dict.fromkeys(self._channels, 0)

    def accepts(self, logged_at: float, part_seconds: float) -> bool:
        within = self._opened_at <= logged_at < self._opened_at + part_seconds
        return within and self._stream.tell() < PART_BYTES

    def append(self, topic: str, data: bytes, logged_at: float) -> None:
        log_time = codec.log_time(logged_at)
        # Only a tape with video goes on after a write that failed: without the video, or in the room that was kept from it.
        before = _counted(self._writer) if codec.VIDEO in self._channels else {}
        try:
            self._writer.add_message(
                self._channels[topic], log_time, data, publish_time=log_time, sequence=self._sequences[topic]
            )
        except OSError:
            vars(self._writer).update(before)
            raise
        self._sequences[topic] += 1

    def close(self) -> None:
        """Completes the file. After an error it is as it was before, where that is possible."""
        before, length = _counted(self._writer), self._stream.tell()
        try:
            self._writer.finish()  # type: ignore[no-untyped-call]
        except OSError:
            self._stream.cut(length)
            vars(self._writer).update(before)
            raise
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        """Closes the file of a part that cannot be written any more."""
        with suppress(OSError):
            self._stream.close()


def _counted(writer: Writer) -> dict[str, Any]:
    """What the library counts before it writes a message or the end, which is wrong where that fails: the statistics, the
    checksum, and where the summary's parts are. It has no public name for them."""
    statistics, checksum, offsets = (
        "_Writer__statistics",
        "_Writer__data_section_crc",
        "_Writer__summary_offsets",
    )
    counted = {name: copy(vars(writer)[name]) for name in (statistics, checksum, offsets)}
    counted[statistics].channel_message_counts = copy(counted[statistics].channel_message_counts)
    return counted
