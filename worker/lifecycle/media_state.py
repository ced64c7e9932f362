"""The state of a call's media by the tape's events (pure): connections, packets, speech, whether the capture is alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from worker.audio.red import RedError, unpack_red
from worker.lifecycle.deafness import DEAF_PACKETS, MOST_RECEIVERS, ReceiverId
from worker.roster.sources import LOUDEST_MARKER
from worker.roster.voice import LoneNoise, is_voiced
from worker.tape.events import (
    RED_MIME_TYPE,
    ChannelMessage,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionStateChanged,
    DocumentClosed,
    Frame,
    FrameBatch,
    ReceiverReport,
    ReceiverTapped,
    RosterResponse,
    SocketMessage,
    TapDeaf,
    TapeEvent,
)

SILENT_BYTES: Final = 3
"""Bytes: an Opus packet of at most this size holds no sound (DTX)."""

QUIET_LEVEL: Final = 0.001
"""Linear, about -60 dBov: a quieter packet does not count as speech."""

NO_SOURCES: Final = frozenset({0, LOUDEST_MARKER})
"""CSRCs that are nobody's: RFC 3550 gives 0 to no source that a mixer could name."""

NO_VOICE: Final = frozenset({"audio/cn", "audio/telephone-event"})
"""Formats without speech, in lower case: comfort noise (RFC 3389) and DTMF (RFC 4733)."""

MOST_SOURCES: Final = 1000
"""Bound on the sources that are kept, since the page is untrusted; speech of further ones counts as listing none."""


MOST_CONNECTIONS: Final = 1000
"""Bound on the connections that are kept, since the page is untrusted; further ones are ignored."""

LOST: Final = frozenset({"failed", "closed"})
"""States of a connection that brings no packets. After ``failed`` an ICE restart may bring it back (W3C WebRTC §4.3.3)."""


class MediaState(NamedTuple):
    """The state of the media. Times are Unix seconds, None: never, or not now. ``first_frame`` is an arrival; the others are
    by the clock of the observer.

    ``last_speech`` is also when packets as frequent as speech arrived at a receiver from which none is tapped. ``sources``
    holds when each CSRC spoke last, ``unlisted_speech`` when somebody spoke in a packet that lists no source.
    ``disconnected_since``: all peer connections that the page had failed or were closed; since then none has connected and no
    packet has arrived.
    ``deaf_since``: packets arrive, none of them is tapped. ``missed_since``: packets as frequent as speech arrive at a receiver
    from which none is tapped, and since then no speech was tapped at the others. ``receivers``: audio or video can arrive;
    ``messages``: the page received something about the call, over a channel, a socket or in a response. None of these five
    outlasts the document that it was seen in.
    """

    first_frame: float | None = None
    last_frame: float | None = None
    last_speech: float | None = None
    sources: Mapping[int, float] = {}
    unlisted_speech: float | None = None
    disconnected_since: float | None = None
    deaf_since: float | None = None
    missed_since: float | None = None
    receivers: bool = False
    messages: bool = False

    @property
    def alive(self) -> bool:
        """Whether the capture works, so that silence means that nobody speaks."""
        return self.disconnected_since is None and self.deaf_since is None


class MediaMonitor:
    """Follows the state of the media through a tape's events."""

    def __init__(self) -> None:
        self._media = MediaState()
        self._sources: dict[int, float] = {}
        self._connections: dict[tuple[int, int], bool] = {}
        """By document and number, whether the connection is lost."""
        self._deaf: dict[ReceiverId, int] = {}
        """The packets that each deaf receiver has got."""
        self._tapped: dict[ReceiverId, int] = {}
        """The connection of each receiver."""
        self._receiving: set[int] = set()
        self._told: set[int] = set()
        """Documents that have receivers, and that received messages."""
        self._lone_noise = LoneNoise()

    @property
    def now(self) -> MediaState:
        """The state after the last event."""
        return self._media

    def observe(self, event: TapeEvent, at: float) -> None:
        """Takes the tape's next event, observed at ``at`` (Unix seconds, by the clock that the lifecycle goes by)."""
        match event:
            case FrameBatch(frames=[_, *_]):
                self._take_frames(event, at)
            case ConnectionOpened() if len(self._connections) < MOST_CONNECTIONS:
                self._connections[event.document, event.connection] = False
            case ConnectionClosed():
                self._connections.pop((event.document, event.connection), None)
                self._forget_deaf(
                    lambda each: (each.document, self._tapped.get(each)) == (event.document, event.connection)
                )
                self._note_loss(at)
            case ConnectionStateChanged():
                self._change_connection(event, at)
            case DocumentClosed():
                self._close_document(event.document, at)
            case TapDeaf():
                self._take_deafness(event, at)
            case ReceiverReport():
                self._take_report(event, at)
            case ReceiverTapped():
                if len(self._tapped) < MOST_RECEIVERS:
                    self._tapped[ReceiverId(event.document, event.receiver)] = event.connection
                self._receiving.add(event.document)
                self._media = self._media._replace(receivers=True)
            case ChannelMessage(sent=False) | RosterResponse() | SocketMessage():
                self._told.add(event.document)
                self._media = self._media._replace(messages=True)
            case _:
                pass

    def _take_deafness(self, finding: TapDeaf, at: float) -> None:
        if len(self._deaf) < MOST_RECEIVERS:
            self._deaf[ReceiverId(finding.document, finding.receiver)] = finding.packets_received
        if self._media.deaf_since is None:
            self._media = self._media._replace(deaf_since=at)
        if self._media.missed_since is None:
            self._media = self._media._replace(missed_since=at)

    def _take_report(self, report: ReceiverReport, at: float) -> None:
        """At a deaf receiver, packets as frequent as speech are speech that is missed: nobody knows that it is silence."""
        receiver = ReceiverId(report.document, report.receiver)
        before = self._deaf.get(receiver)
        if before is None:
            return
        self._deaf[receiver] = report.packets_received
        if report.packets_received - before >= DEAF_PACKETS:
            self._media = self._media._replace(missed_since=self._media.missed_since or at, last_speech=at)

    def _forget_deaf(self, is_gone: Callable[[ReceiverId], bool]) -> None:
        """Receivers that bring frames again, or from which no more are expected, are deaf no more."""
        for receiver in [each for each in self._deaf if is_gone(each)]:
            del self._deaf[receiver]
        if not self._deaf:
            self._media = self._media._replace(missed_since=None)

    def _change_connection(self, event: ConnectionStateChanged, at: float) -> None:
        connection = (event.document, event.connection)
        if connection not in self._connections:
            return
        if event.state == "connected":
            self._connections[connection] = False
            self._media = self._media._replace(disconnected_since=None)
        elif event.state in LOST:
            self._connections[connection] = True
            self._note_loss(at)

    def _note_loss(self, at: float) -> None:
        """Notes that a connection was lost, which matters if there is no other."""
        if all(self._connections.values()) and self._media.disconnected_since is None:
            self._media = self._media._replace(disconnected_since=at)

    def _close_document(self, document: int, at: float) -> None:
        for documents in (self._receiving, self._told):
            documents.discard(document)
        self._forget_deaf(lambda each: each.document == document)
        self._tapped = {
            each: connection for each, connection in self._tapped.items() if each.document != document
        }
        self._media = self._media._replace(
            deaf_since=self._media.deaf_since if self._deaf else None,
            receivers=bool(self._receiving),
            messages=bool(self._told),
        )
        if closed := [each for each in self._connections if each[0] == document]:
            for connection in closed:
                del self._connections[connection]
            # The document that took its place has as long to connect as any other.
            self._media = self._media._replace(disconnected_since=None)
            self._note_loss(at)

    def _take_frames(self, batch: FrameBatch, at: float) -> None:
        frames = batch.frames
        if self._deaf:
            well = {ReceiverId(batch.document, frame.receiver) for frame in frames}
            self._forget_deaf(well.__contains__)
        media = self._media
        speech = [frame for frame in frames if self._speaks(frame)]
        for csrcs in dict.fromkeys(frame.csrcs for frame in speech):
            media = self._add_speech(media, csrcs, at)
        first, newest = min(frame.arrival for frame in frames), max(frame.arrival for frame in frames)
        lost = media.disconnected_since
        self._media = media._replace(
            first_frame=min(first, media.first_frame or first),
            last_frame=at,
            sources=dict(self._sources) if speech else media.sources,
            deaf_since=None,
            missed_since=None if speech else media.missed_since,
            disconnected_since=None if lost is not None and newest > lost else lost,
        )

    def _speaks(self, frame: Frame) -> bool:
        """Whether the packet holds speech: by its sender's audio level where it has one, otherwise as worker.stems judges it.

        A refresh of comfort noise is none.
        """
        if frame.mime_type.lower() in NO_VOICE:
            return False
        payload = _opus(frame)
        if len(payload) <= SILENT_BYTES or self._lone_noise.is_alone(frame.ssrc, frame.timestamp, payload):
            return False
        if frame.audio_level is not None:
            return frame.audio_level > QUIET_LEVEL
        return is_voiced(_listed(frame.csrcs), payload)

    def _add_speech(self, media: MediaState, csrcs: tuple[int, ...], at: float) -> MediaState:
        sources = self._sources
        listed = [source for source in _listed(csrcs) if source in sources or len(sources) < MOST_SOURCES]
        for source in listed:
            sources[source] = at
        if not listed:
            media = media._replace(unlisted_speech=at)
        return media._replace(last_speech=at)


def _listed(csrcs: tuple[int, ...]) -> list[int]:
    """The sources in a packet's CSRC list."""
    return [csrc for csrc in csrcs if csrc not in NO_SOURCES]


def _opus(frame: Frame) -> bytes:
    """The packet's own audio, without RED's copies of earlier packets; the whole payload where that cannot be read."""
    if frame.mime_type != RED_MIME_TYPE:
        return frame.payload
    try:
        return unpack_red(frame.payload).primary
    except RedError:
        return frame.payload
