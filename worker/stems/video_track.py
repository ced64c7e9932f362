"""The files of one video source: frames of one stream at a time, each file from a key frame on."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from worker.tape.events import VideoFrame
from worker.video.codecs import Container, VideoCodec, codec_of, container_for
from worker.video.frame_clock import FrameClock, PlacedFrame
from worker.video.frame_header import FrameHeader, needs_new_file, read_header
from worker.video.key_frame import VideoFrameError
from worker.video.video_file import VideoFile

logger = logging.getLogger(__name__)

SHOWN_PAUSE: Final = 1.0
"""Seconds without a frame after which the camera counts as paused."""

LONGEST_PAUSE: Final = 3_600.0
"""Seconds without a frame after which another file begins; containers do not bear every gap."""

LONG_FILE: Final = 54_000
"""Frames of a file, an hour of 15 a second, after which the next key frame begins another. An open MP4 file has its index in
memory, 72 bytes for each frame: those of 16 cameras and a screen take 63 MiB, however long the call is. Where no key frame has
come for long, the senders are asked for one (worker.recording.key_frame_requests.LONGEST_RUN)."""

MOST_FRAMES: Final = 4 * LONG_FILE
"""Frames of a file at which it ends though no key frame has come. What follows is lost until one does: a sender that sends none
for so long, though it is asked for some, must not cost the audio its memory."""

MOST_AHEAD: Final = 1.0
"""Seconds after its arrival that a frame is shown at most, whatever its timestamp says."""

_FIRST_DURATION: Final = 1 / 15
"""Seconds that a frame counts as shown where none follows that tells."""


class StreamAddress(NamedTuple):
    """Names a stream of video for the whole recording."""

    document: int
    receiver: int
    ssrc: int


class Files(Protocol):
    """Grants the files of a recording, which are bounded."""

    def open_file(self, track: VideoTrack, container: Container, at: float) -> Path | None:
        """A path for the next file of ``track``, which begins at meeting time ``at``; None: there is no room for one now."""


@dataclass
class VideoPart:
    """One file. Times are seconds of meeting time; ``start`` can be below 0 where decoding has to begin before the recording.

    ``runs`` are the stretches that hold frames, ``lost`` counts the frames that arrived before the next file and are
    in none, because they need others or there was no room for a file. ``failure``: why it could not be written in full.
    """

    path: Path
    codec: VideoCodec
    start: float
    end: float
    width: int
    height: int
    lost: int = 0
    frames: int = 0
    key_frames: int = 0
    size_bytes: int = 0
    runs: list[tuple[float, float]] = field(default_factory=list)
    failure: Exception | None = None


class _Item(NamedTuple):
    frame: VideoFrame
    header: FrameHeader
    arrival: float


class VideoTrack:
    """Writes one source. An error ends it where it is: ``fail`` keeps the error, and later frames do nothing."""

    def __init__(self, files: Files) -> None:
        self.parts: list[VideoPart] = []
        """In order of time; the last one is open while ``is_open``."""
        self.lost = 0
        """Frames that need others and came before the first file."""
        self.refused = 0
        """Frames for which no file was granted, and those that need them; they count as lost as well."""
        self.unreadable = 0
        """Frames that are none of their codec."""
        self.failure: Exception | None = None
        self.waiting_bytes = 0
        """Bytes of frames whose place is not known yet."""
        self.written_at = 0.0
        """Meeting time of the last frame that was written."""
        self._files = files
        self._file: VideoFile | None = None
        self._chosen: StreamAddress | None = None
        """The stream whose frames are written: the one whose key frame came last."""
        self._clock: FrameClock[_Item] = FrameClock()
        self._goes_on = False
        """Whether a frame that needs others can be decoded."""
        self._waiting_keys = 0
        """Key frames whose place is not known yet."""
        self._is_refused = False
        """Whether no file was granted for the last key frame."""
        self._codec: VideoCodec | None = None
        self._last_key: FrameHeader | None = None
        """The header of the last key frame that is in the open file."""
        self._spacing = _FIRST_DURATION

    @property
    def is_open(self) -> bool:
        """Whether a file is open."""
        return self._file is not None

    def take(self, address: StreamAddress, frame: VideoFrame, arrival: float) -> None:
        """Takes the next frame of the stream ``address``, in decoding order; ``arrival`` is in seconds of meeting time.

        Raises what reading or writing it raises; the caller has to call ``fail`` then.
        """
        if self.failure is not None:
            return
        codec = codec_of(frame.mime_type)
        if codec is None:
            self.unreadable += 1
            return
        try:
            header = read_header(codec, frame.payload)
        except VideoFrameError:
            self.unreadable += 1
            return
        if address != self._chosen and header.key:
            self._end_choice()
            self._chosen = address
        elif address != self._chosen or not (header.key or (self._goes_on and codec is self._codec)):
            self._lose()
            return
        self._goes_on = True
        self._codec = codec
        self.waiting_bytes += len(frame.payload)
        self._waiting_keys += header.key
        self._write_all(self._clock.put(frame.timestamp, arrival, _Item(frame, header, arrival)))

    def wait_for_key(self, address: StreamAddress) -> None:
        """Frames of the stream ``address`` are missing: its next frame that counts is a key frame."""
        if self._chosen == address:
            self._goes_on = False

    def leave(self, address: StreamAddress) -> None:
        """The stream ``address`` shows another source now."""
        if self._chosen == address:
            self._end_choice()

    def flush(self) -> None:
        """Writes what waits for its place."""
        if self.failure is None:
            self._write_all(self._clock.flush())

    def close_file(self) -> None:
        """Ends the open file; the next one begins with the next key frame."""
        self.flush()
        self._goes_on = False
        self._end_part(None)

    def fail(self, error: Exception) -> None:
        """Ends the track because of ``error``."""
        if self.failure is not None:
            return
        logger.info("the video of a source cannot be written further: %s", error)
        self.failure = error
        self.waiting_bytes = 0
        if self.is_open:
            self.parts[-1].failure = error
            with suppress(Exception):
                self._end_part(None)

    def _end_choice(self) -> None:
        self._write_all(self._clock.flush())
        self._clock = FrameClock()
        self._goes_on = self._is_refused = False
        self._chosen = None

    def _lose(self) -> None:
        self.refused += self._is_refused
        if self.parts:
            self.parts[-1].lost += 1
        else:
            self.lost += 1

    def _write_all(self, placed: list[PlacedFrame[_Item]]) -> None:
        for each in placed:
            self._write(each.seconds, each.item)

    def _write(self, seconds: float, item: _Item) -> None:
        frame, header, arrival = item
        self.waiting_bytes -= len(frame.payload)
        self._waiting_keys -= header.key
        seconds = min(seconds, arrival + MOST_AHEAD)
        if self.parts:
            # The clock of a stream that takes over may be a little behind that of the one before.
            seconds = max(seconds, self.written_at)
        if self._needs_new_file(seconds, header):
            self._end_part(seconds)
        if self._file is None and not (header.key and self._open_part(seconds, header)):
            # Behind a key frame that waits, frames can be decoded again.
            self._goes_on &= self._waiting_keys > 0
            self._lose()
            return
        assert self._file is not None
        part = self.parts[-1]
        self._file.write(seconds, frame.payload, header)
        part.frames += 1
        if header.key:
            part.key_frames += 1
            part.width, part.height = max(part.width, header.width), max(part.height, header.height)
            self._last_key = header
        self._note_shown(part, seconds)

    def _needs_new_file(self, seconds: float, header: FrameHeader) -> bool:
        """Whether the open file, if there is one, cannot have the frame that is shown from ``seconds`` on."""
        if self._last_key is None:
            return False
        frames = self.parts[-1].frames
        if seconds - self.written_at > LONGEST_PAUSE or frames >= MOST_FRAMES:
            return True
        return header.key and (frames >= LONG_FILE or needs_new_file(self._last_key, header))

    def _note_shown(self, part: VideoPart, seconds: float) -> None:
        """Extends the last run, or begins another after a pause."""
        if part.runs and seconds - self.written_at <= SHOWN_PAUSE:
            if seconds > self.written_at:
                self._spacing = seconds - self.written_at
            part.runs[-1] = (part.runs[-1][0], seconds + self._spacing)
        else:
            part.runs.append((seconds, seconds + self._spacing))
        self.written_at = seconds

    def _open_part(self, seconds: float, header: FrameHeader) -> bool:
        container = container_for(header.codec)
        path = self._files.open_file(self, container, seconds)
        self._is_refused = path is None
        if path is None:
            return False
        self.parts.append(
            VideoPart(path, header.codec, seconds, seconds, header.width, header.height, lost=self.lost)
        )
        self.lost = 0
        self._file = VideoFile(path, header.codec, container)
        return True

    def _end_part(self, at: float | None) -> None:
        """Ends the open file: its last frame is shown as long as frames usually are, until ``at`` at most (None: nothing
        follows)."""
        file, self._file = self._file, None
        self._last_key = None
        if file is None:
            return
        part = self.parts[-1]
        last = self.written_at if part.frames else part.start
        part.end = last + self._spacing if at is None else min(max(at, last), last + self._spacing)
        part.runs[-1:] = [(start, max(start, min(end, part.end))) for start, end in part.runs[-1:]]
        try:
            file.close(part.end)
        except Exception as error:
            part.failure = part.failure or error
            raise
        finally:
            with suppress(OSError):
                part.size_bytes = part.path.stat().st_size
