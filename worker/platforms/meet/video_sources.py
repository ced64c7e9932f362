"""Finds whose video each receiver of a Google Meet call shows (pure).

The id of a track's media stream is the stream id of a device's video output, which ``collections`` names, sooner or later.
Where frames list a contributing source (CSRC) that is a known device's, it is decisive: a receiver may be a slot whose person
changes, and what is in the packets is stronger than what was said of the line.

Assumed, and nowhere documented: the frames of another source on a receiver begin with a key frame, and a new ``track`` event
comes before them or, as packets may overtake the page's events, at most LEAD after. A key frame so shortly before the event
can be the next source's or the last one's: after a pause it is the next one's, else nobody's, with all up to the next key frame
after the event.

By the first of these, what follows a key frame without another is the same source's: it goes on where frames cease or begin to
list a contributing source, and where the roster shows a device gone and back. Only what names another device ends it.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable
from math import inf
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
MOST_NAMED: Final = 8
"""Contributing sources that are kept of one source; further ones of the same device need not be known."""

LEAD: Final = 0.5
"""Seconds by which frames may arrive before the track event that names their source."""
PAUSE: Final = 0.5
"""Seconds without frames, after which the last source has stopped."""

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


class _Run:
    """What a receiver shows since the last key frame that began a source. ``named`` are the contributing sources, with their
    tenures, that its frames listed.
    """

    def __init__(self, key: str, source: _Source) -> None:
        self.key = key
        self.source = source
        self.named = set[tuple[int, int]]()

    def has(self, csrc: int) -> bool:
        """Whether its frames listed this contributing source, in whatever tenure."""
        return any(each == csrc for each, _ in self.named)


class MeetVideoSources:
    """See worker.roster.video_sources.VideoSources. Frames are judged by their arrival, whenever they are asked about."""

    def __init__(self) -> None:
        self._decoder = MeetRosterDecoder()
        self._roster: Roster | None = None
        """The roster after the last event; None until somebody asks."""
        self._tracks: Bounded[tuple[int, int], _Tracks] = Bounded(MOST_RECEIVERS)
        self._keys = ReceiverKeys()
        self._sources: dict[str, _Source] = {}
        self._runs: Bounded[tuple[int, int], _Run] = Bounded(MOST_RECEIVERS)
        self._named: dict[str, dict[tuple[int, int], None]] = {}
        """The contributing sources, with their tenures, that the frames of each key listed."""
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
        if tracks.is_uncertain(frame):
            return self._keys.key_of(document, frame, None)
        stream = tracks.stream_at(frame.arrival)
        csrc = contributing_source(frame.csrcs)
        source = _Source(
            receiver=receiver,
            stream=stream,
            tenure=self._decoder.video_tenure(stream or tracks.first, frame.arrival),
            csrc=csrc,
            csrc_tenure=0 if csrc is None else self._decoder.tenure(csrc, frame.arrival),
        )
        run = self._runs.get(receiver)
        if run is None or not self._goes_on(run, source, key_frame=frame.key):
            run = _Run(_key(source, document), source)
        known = run.key in self._sources or len(self._sources) < MOST_KEYS
        shown = self._keys.key_of(document, frame, run.key if known else None)
        if shown is not None:
            self._sources.setdefault(shown, run.source)
            self._runs.put(receiver, run)
            self._note_named(run, source, stream or tracks.first)
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
        named = self._owners(self._named.get(key) or ())
        if len(named) > 1:
            self._warn(CONTRADICTION)
            return NOBODYS
        of_csrc = next(iter(named), None)
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
        named = self._owners(self._contributors.get(stream) or ())
        return any(each != device_id and not self._is_presenter(each, device_id) for each in named)

    def _goes_on(self, run: _Run, source: _Source, *, key_frame: bool) -> bool:
        """Whether a frame with ``source`` is of what the receiver shows."""
        before = run.source
        same_tenure = source.tenure == before.tenure
        named = None if source.csrc is None else (source.csrc, source.csrc_tenure)
        if source.stream != before.stream:
            return False
        if key_frame:
            # It may begin another's, and loses nothing by beginning a source.
            return same_tenure and (named in run.named if named else not run.named)
        if same_tenure and (named is None or named in run.named):
            return True
        stream = self._first_stream(before.receiver) if before.stream is None else before.stream
        owner = self._decoder.video_owner_in(stream, source.tenure)
        owner_before = self._decoder.video_owner_in(stream, before.tenure)
        if not same_tenure and None not in (owner, owner_before) and owner != owner_before:
            return False
        return named is None or self._fits(run, named, owner)

    def _fits(self, run: _Run, named: tuple[int, int], of_stream: str | None) -> bool:
        """Whether a frame that lists this contributing source names nobody else than the frames of ``run`` and its stream."""
        owner = self._decoder.owner_in(*named)
        owners = self._owners(run.named)
        if not run.named:
            return owner is None or of_stream in (None, owner) or self._is_presenter(owner, of_stream)
        # Where either is not known, the same number is taken for the same device's.
        return owner in owners or (run.has(named[0]) and (owner is None or not owners))

    def _owners(self, named: Iterable[tuple[int, int]]) -> set[str]:
        """The known devices of contributing sources in their tenures."""
        owners = (self._decoder.owner_in(*each) for each in named)
        return {each for each in owners if each is not None}

    def _note_named(self, run: _Run, source: _Source, stream: str) -> None:
        """Notes which contributing source a frame of ``run`` listed."""
        # In a later tenure it may turn out to be another's, whose frames begin with a key frame.
        if source.csrc is None or run.has(source.csrc):
            return
        named = (source.csrc, source.csrc_tenure)
        of_key = self._named.setdefault(run.key, {})
        if len(run.named) < MOST_NAMED:
            run.named.add(named)
        if len(of_key) < MOST_NAMED:
            of_key[named] = None
        if stream:
            self._note_contributor(stream, *named)

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


def _key(source: _Source, document: int) -> str:
    """What has no id is its receiver's alone."""
    stream, receiver = source.stream, source.receiver[1]
    named = f"1{stream}" if stream else f"{'' if stream is None else 0}.{document}.{receiver}"
    csrc = "" if source.csrc is None else source.csrc
    return f"{csrc}.{source.csrc_tenure}.{source.tenure}/{named}"


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
        self._arrived = -inf
        """When the last frame arrived, in Unix seconds."""
        self._uncertain_until = -inf
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

    def is_uncertain(self, frame: VideoFrame) -> bool:
        """Whether ``frame``, the receiver's next, can be of the stream of a track event to come as well as of that before."""
        paused, self._arrived = frame.arrival - self._arrived >= PAUSE, frame.arrival
        change = bisect_right(self._begins, frame.arrival)
        if frame.key and 0 < change < len(self._begins) and self._begins[change] - frame.arrival <= LEAD:
            if paused:
                self._begins[change] = frame.arrival
            else:
                self._uncertain_until = self._begins[change]
        return frame.arrival < self._uncertain_until

    def stream_at(self, at: float) -> str | None:
        """The stream at ``at``, the first one's before; None for the first where frames came before its name."""
        if not self._streams:
            self._gave_unnamed = True
            return None
        return self._streams[max(bisect_right(self._begins, at) - 1, 0)]
