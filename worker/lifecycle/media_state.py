"""The state of a call's media by the tape's events (pure): connections, packets, speech, whether the capture is alive."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.roster.sources import LOUDEST_MARKER
from worker.tape.events import (
    ChannelMessage,
    ConnectionClosed,
    ConnectionOpened,
    Frame,
    FrameBatch,
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

MOST_SOURCES: Final = 1000
"""Bound on the sources that are kept, since the page is untrusted."""


class MediaState(NamedTuple):
    """The state of the media. Times are Unix seconds, None: never, or not now.

    ``sources`` are the CSRCs that spoke so far. ``disconnected_since``: the page had a peer connection and has none.
    ``deaf_since``: packets arrive, none of them is tapped. ``receivers``: audio or video can arrive; ``messages``: the page
    received something about the call, over a channel, a socket or in a response.
    """

    first_frame: float | None = None
    last_frame: float | None = None
    last_speech: float | None = None
    sources: frozenset[int] = frozenset()
    disconnected_since: float | None = None
    deaf_since: float | None = None
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
        self._sources: set[int] = set()
        self._connections: set[tuple[int, int]] = set()

    @property
    def now(self) -> MediaState:
        """The state after the last event."""
        return self._media

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        match event:
            case FrameBatch(frames=[_, *_]):
                self._take_frames(event.frames)
            case ConnectionOpened():
                self._connections.add((event.document, event.connection))
                self._media = self._media._replace(disconnected_since=None)
            case ConnectionClosed():
                self._connections.discard((event.document, event.connection))
                if not self._connections and self._media.disconnected_since is None:
                    self._media = self._media._replace(disconnected_since=event.at)
            case TapDeaf() if self._media.deaf_since is None:
                self._media = self._media._replace(deaf_since=event.at)
            case ReceiverTapped():
                self._media = self._media._replace(receivers=True)
            case ChannelMessage(sent=False) | RosterResponse() | SocketMessage():
                self._media = self._media._replace(messages=True)
            case _:
                pass

    def _take_frames(self, frames: list[Frame]) -> None:
        media = self._media
        speech = media.last_speech
        for frame in frames:
            if _speaks(frame):
                speech = max(frame.arrival, speech or frame.arrival)
                if len(self._sources) < MOST_SOURCES:
                    self._sources.update(frame.csrcs)
        self._sources.discard(LOUDEST_MARKER)
        if len(self._sources) != len(media.sources):
            media = media._replace(sources=frozenset(self._sources))
        first = min(frame.arrival for frame in frames)
        last = max(frame.arrival for frame in frames)
        self._media = media._replace(
            first_frame=min(first, media.first_frame or first),
            last_frame=max(last, media.last_frame or last),
            last_speech=speech,
            deaf_since=None,
        )


def _speaks(frame: Frame) -> bool:
    return len(frame.payload) > SILENT_BYTES and (
        frame.audio_level is None or frame.audio_level > QUIET_LEVEL
    )
