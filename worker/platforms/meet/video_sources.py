"""Finds whose video each receiver of a Google Meet call shows (pure).

The id of a track's media stream is the stream id of a device's video output, which ``collections`` names, sooner or later.
Where frames list a contributing source (CSRC) that is a known device's, it is decisive: a receiver may be a slot whose person
changes, and what is in the packets is stronger than what was said of the line.

Assumed, and nowhere documented: a new ``track`` event precedes the frames of another source on its receiver, and these begin
with a key frame. Frames of the next source that came before the event cannot be told from those of the last.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from typing import Final, NamedTuple

from worker.platforms.meet.roster import MAX_STREAM_CHARACTERS, MeetRosterDecoder
from worker.roster.roster import Roster
from worker.roster.sources import contributing_source
from worker.roster.video_keys import Bounded, ReceiverKeys
from worker.roster.video_sources import NOBODYS, VideoEvidence, VideoKind, VideoOwner
from worker.tape.events import (
    ChannelMessage,
    DocumentClosed,
    RosterResponse,
    TapeEvent,
    TilesSeen,
    VideoFrame,
    VideoTrackSeen,
)

logger = logging.getLogger(__name__)

MOST_RECEIVERS: Final = 1_024
"""Receivers whose tracks are kept; the oldest are given up first."""
MOST_TRACKS: Final = 256
"""Tracks that are kept of one receiver, the latest."""
MOST_KEYS: Final = 8_192
"""Sources that are kept; frames of further ones are nobody's."""
MOST_CONTRIBUTORS: Final = 64
"""Contributing sources that are kept of one media stream."""

CONTRADICTION: Final = (
    "the frames of a video name another device than the output of its media stream: the frames count"
)
NO_STREAM: Final = "a video has no media stream: only contributing sources can tell whose it is"


class _Source(NamedTuple):
    """What a key stands for; ``stream`` is empty where the track has none, and None where it had none yet: it is the first one
    of the ``receiver``. ``csrc`` is None where the frames list none.
    """

    receiver: tuple[int, int]
    stream: str | None
    tenure: int
    csrc: int | None
    csrc_tenure: int


class MeetVideoSources:
    """See worker.roster.video_sources.VideoSources. Frames are judged by their arrival, whenever they are asked about."""

    def __init__(self) -> None:
        self._decoder = MeetRosterDecoder()
        self._roster: Roster | None = None
        """The roster after the last event; None until somebody asks."""
        self._tracks: Bounded[tuple[int, int], _Tracks] = Bounded(MOST_RECEIVERS)
        self._keys = ReceiverKeys()
        self._sources: dict[str, _Source] = {}
        self._contributors: Bounded[str, dict[tuple[int, int], None]] = Bounded(MOST_KEYS)
        """The contributing sources, with their tenures, that the frames of each media stream listed."""
        self._warnings: dict[str, None] = {}

    def observe(self, event: TapeEvent) -> None:
        """See VideoSources."""
        match event:
            case VideoTrackSeen():
                receiver = (event.document, event.receiver)
                stream = event.streams[0] if event.streams else ""
                if len(stream) > MAX_STREAM_CHARACTERS:
                    stream = ""
                tracks = self._tracks.get(receiver)
                if tracks is None:
                    tracks = self._tracks.put(receiver, _Tracks())
                tracks.add(event.at, stream)
            case ChannelMessage() | RosterResponse() | TilesSeen() | DocumentClosed():
                self._decoder.observe(event)
                self._roster = None
            case _:
                pass

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        """See VideoSources."""
        receiver = (document, frame.receiver)
        tracks = self._tracks.get(receiver) or self._tracks.put(receiver, _Tracks())
        stream = tracks.stream_of_frame(frame.arrival)
        csrc = contributing_source(frame.csrcs)
        source = _Source(
            receiver=receiver,
            stream=stream,
            tenure=self._decoder.video_tenure(stream or tracks.first, frame.arrival),
            csrc=csrc,
            csrc_tenure=0 if csrc is None else self._decoder.tenure(csrc, frame.arrival),
        )
        # What has no id is its receiver's alone.
        named = f"1{stream}" if stream else f"{'' if stream is None else 0}.{document}.{frame.receiver}"
        key = f"{'' if csrc is None else csrc}.{source.csrc_tenure}.{source.tenure}/{named}"
        known = key in self._sources or len(self._sources) < MOST_KEYS
        shown = self._keys.key_of(document, frame, key if known else None)
        if shown is not None and shown not in self._sources:
            self._sources[shown] = source
            if csrc is not None and (stream or tracks.first):
                self._note_contributor(stream or tracks.first, csrc, source.csrc_tenure)
        return shown

    def owner_of(self, key: str) -> VideoOwner:
        """See VideoSources."""
        source = self._sources.get(key)
        if source is None:
            return NOBODYS
        stream = self._first_stream(source.receiver) if source.stream is None else source.stream
        if not stream:
            self._warn(NO_STREAM)
        of_stream = self._decoder.video_owner_in(stream, source.tenure) if stream else None
        of_csrc = None if source.csrc is None else self._decoder.owner_in(source.csrc, source.csrc_tenure)
        if of_csrc is not None and not self._is_presenter(of_csrc, of_stream):
            if of_stream is not None and of_stream != of_csrc:
                self._warn(CONTRADICTION)
            return self._owner(of_csrc, VideoEvidence.CSRC)
        if of_csrc is None and self._is_contradicted(stream, of_stream):
            self._warn(CONTRADICTION)
            return NOBODYS
        return self._owner(of_stream, VideoEvidence.STREAM_ID)

    def warnings(self) -> list[str]:
        """See VideoSources."""
        return list(self._warnings)

    def _owner(self, device_id: str | None, evidence: VideoEvidence) -> VideoOwner:
        """The owner of what ``device_id`` shows: of a presentation, a device too, its presenter."""
        devices = self._known_roster().devices
        device = None if device_id is None else devices.get(device_id)
        if device is None:
            return NOBODYS
        if device.parent_id is None:
            return VideoOwner(device.device_id, VideoKind.WEBCAM, evidence)
        if device.parent_id not in devices:
            return VideoOwner(None, VideoKind.SCREENSHARE, VideoEvidence.NONE)
        return VideoOwner(device.parent_id, VideoKind.SCREENSHARE, evidence)

    def _first_stream(self, receiver: tuple[int, int]) -> str:
        """The first media stream of a receiver; empty while it has none."""
        tracks = self._tracks.get(receiver)
        return "" if tracks is None else tracks.first

    def _is_presenter(self, device_id: str, presentation: str | None) -> bool:
        """Whether ``presentation`` is a presentation of that device: its frames may list the presenter."""
        device = None if presentation is None else self._known_roster().devices.get(presentation)
        return device is not None and device.parent_id == device_id

    def _is_contradicted(self, stream: str, device_id: str | None) -> bool:
        """Whether frames of a media stream named another device than ``device_id``, its output's: then it is a slot, and what
        names nobody in it may be anybody's.
        """
        named = [self._decoder.owner_in(*each) for each in self._contributors.get(stream) or ()]
        return any(
            each is not None and each != device_id and not self._is_presenter(each, device_id)
            for each in named
        )

    def _note_contributor(self, stream: str, csrc: int, tenure: int) -> None:
        known = self._contributors.get(stream)
        if known is None:
            known = self._contributors.put(stream, {})
        if len(known) < MOST_CONTRIBUTORS:
            known[csrc, tenure] = None

    def _known_roster(self) -> Roster:
        if self._roster is None:
            self._roster = self._decoder.roster()
        return self._roster

    def _warn(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings[message] = None
            logger.warning("%s", message)


class _Tracks:
    """The media streams of one receiver's tracks, in the order of their events.

    A receiver that had no media stream yet has shown nobody else: what it receives before its first one, which a connection's
    first frames may overtake, is that stream's.
    """

    def __init__(self) -> None:
        self.first = ""
        """The first stream; empty while there is none."""
        self._begins: list[float] = []
        self._streams: list[str | None] = []
        self._latest = ""
        self._gave_unnamed = False
        """Whether frames came before the first stream."""

    def add(self, at: float, stream: str) -> None:
        if stream == self._latest:
            return
        self._latest = stream
        if not self.first:
            self.first = stream
            self._begins, self._streams = [at], [None if self._gave_unnamed else stream]
            return
        self._begins.append(max(at, self._begins[-1]))
        self._streams.append(stream)
        if len(self._streams) > MOST_TRACKS:
            del self._begins[0], self._streams[0]

    def stream_of_frame(self, at: float) -> str | None:
        """The stream at ``at``, the first one's before; None for the first where frames came before its name."""
        if not self._streams:
            self._gave_unnamed = True
            return None
        return self._streams[max(bisect_right(self._begins, at) - 1, 0)]
